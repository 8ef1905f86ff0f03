/**
 * Whole training steps: how many a second, what each asks of WebGPU, how much memory it takes, and how long a start is.
 * Peers train the same model from the same weights on the same batch; their first losses must be ours.
 */
import type { AdapterReport } from '../gpu/adapter-report.ts';
import { askPeers } from './ask-peers.ts';
import type { Bench, BenchCase, BenchContext, PeerContestant } from './bench.ts';
import { type Configuration, configurations, resized, stepFlops } from './configurations.ts';
import { dryTraining } from './dry-training.ts';
import { type Contestant, type Measurement, measure } from './measure.ts';
import type { BenchRow, Sizes } from './report.ts';
import { rated } from './roofline.ts';
import {
  type Figures,
  mebibyte,
  type PreparedTraining,
  prepareTraining,
  secondsToFirstStep,
} from './training-figures.ts';
import type { TrainingStep } from './training-step.ts';

const name = 'train';
/** A step of more floating-point operations runs for a minute where a CPU plays the GPU: it is only planned there. */
const mostSoftwareFlops = 5e10;

export const trainBench: Bench = {
  name,
  summary: `Whole training steps: ${configurations.map((one) => one.name).join(', ')}, or those named`,
  parts: configurations.map((one) => one.name),
  cases(context: BenchContext): BenchCase[] {
    const { parts = [], sizes, subjects } = context;
    const onGpu = subjects.every(({ gpu }) => !gpu.software);
    return configurations
      .filter((one) => parts.length === 0 || parts.includes(one.name))
      .map((one) => resized(one, sizes[0]?.replaced ?? {}))
      .map((configuration) => ({
        title: configuration.name,
        sizes: sizesOf(configuration),
        run: () =>
          onGpu || stepFlops(configuration) <= mostSoftwareFlops
            ? runTraining(configuration, context)
            : planTraining(configuration, context),
      }));
  },
};

export function sizesOf({ layers, sizes }: Configuration): Sizes {
  const { B, S, T, E, H, V } = sizes;
  return { B, S, T, E, H, L: layers, V };
}

/** With the kernels that this software adapter would get, and with those of a GPU. */
async function planTraining(configuration: Configuration, { subjects }: BenchContext): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const kinds: readonly (readonly [string, AdapterReport['kind']])[] = [
    ['couplet, planned', 'software'],
    ['couplet, planned as on a GPU', 'hardware'],
  ];
  for (const [contestant, kind] of kinds) {
    const { bytes, dispatches, recordingMs } = await dryTraining(subjects[0]!.gpu, configuration, kind);
    rows.push({
      bench: name,
      title: configuration.name,
      sizes: sizesOf(configuration),
      contestant,
      outcome: 'ok',
      message: 'not run: too long without a GPU',
      figures: { dispatches, 'MiB planned': bytes / mebibyte, 'ms to record': recordingMs },
    });
  }
  return rows;
}

async function runTraining(configuration: Configuration, context: BenchContext): Promise<BenchRow[]> {
  const work = { bench: name, title: configuration.name, sizes: sizesOf(configuration) };
  const prepared: PreparedTraining[] = [];
  const racing: Contestant[] = [];
  const details = new Map<string, { figures?: Figures; error?: number }>();
  const left: BenchRow[] = [];
  try {
    for (const { name: contestant, gpu, open } of context.subjects) {
      // First, so that nothing of it has been compiled yet.
      const start = open && (await secondsToFirstStep(open, configuration));
      const one = await prepareTraining(gpu, configuration);
      prepared.push(one);
      racing.push(trainingContestant(contestant, one.step, context));
      details.set(contestant, {
        figures: { ...one.figures, ...(start !== undefined && { 's to first step': start }) },
      });
    }
    const { task, losses, step } = prepared[0]!;
    const { contestants, failures } = await askPeers(context.peers, { ...work, training: task });
    for (const contestant of contestants) {
      const error = relativeError(contestant.losses ?? [], losses);
      if (error > contestant.lossTolerance) {
        left.push({
          ...work,
          contestant: contestant.name,
          outcome: 'wrong',
          error,
          message: disagreement(contestant, losses),
        });
        contestant.dispose?.();
        continue;
      }
      racing.push(contestant);
      const figures = await contestant.figures?.();
      details.set(contestant.name, { error, ...(figures && { figures }) });
    }
    const measured = await measure(racing, context.measure);
    const least = { flops: stepFlops(configuration), bytes: leastBytes(step) };
    const rows = measured.map((one): BenchRow => {
      const { figures, ...detail } = details.get(one.contestant.name)!;
      const speed = rowOf(one, configuration, least, context);
      return { ...work, ...detail, ...speed, figures: { ...speed.figures, ...figures } };
    });
    return [...rows, ...left, ...failures];
  } finally {
    for (const contestant of racing) contestant.dispose?.();
    for (const { step } of prepared) step.dispose();
  }
}

function trainingContestant(
  contestant: string,
  step: TrainingStep,
  { cpuSeconds }: BenchContext,
): Contestant {
  return {
    name: contestant,
    clock: 'wall',
    ...(cpuSeconds && { cpuSeconds }),
    async run(repeats) {
      const start = performance.now();
      await step.run(repeats);
      await step.finish();
      return (performance.now() - start) / 1000;
    },
  };
}

type Speed = Pick<BenchRow, 'contestant' | 'outcome' | 'clock'> & Partial<BenchRow>;

function rowOf(
  { contestant, seconds, cpuSeconds, repeats }: Measurement,
  { sizes: { B, S, T } }: Configuration,
  least: { readonly flops: number; readonly bytes: number },
  { subjects }: BenchContext,
): Speed {
  const subject = subjects.find((one) => one.name === contestant.name);
  const { median } = seconds;
  return {
    contestant: contestant.name,
    outcome: 'ok',
    clock: contestant.clock,
    seconds,
    ...(cpuSeconds && { cpuSeconds }),
    repeats,
    ...rated(least, median, subject?.roofline),
    figures: { 'steps/s': 1 / median, 'tokens/s': (B * (S + T)) / median },
  };
}

/** Each parameter, its gradient and its two moments, read and written once. */
function leastBytes({ network: { parameters } }: TrainingStep): number {
  return 4 * 8 * parameters.names.reduce((sum, one) => sum + parameters.get(one).size, 0);
}

/** The largest difference in proportion; infinite where a loss is missing. */
function relativeError(losses: readonly number[], expected: readonly number[]): number {
  const errors = expected.map((value, index) => {
    const error = Math.abs((losses[index] ?? Number.NaN) - value) / Math.abs(value);
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  });
  return Math.max(...errors);
}

function disagreement({ losses = [], lossTolerance }: PeerContestant, expected: readonly number[]): string {
  const text = (values: readonly number[]) => values.map((value) => value.toPrecision(7)).join(', ');
  return `its losses are ${text(losses)} and not ${text(expected)} within ${lossTolerance}`;
}
