/**
 * Claim: a decoder trained on its own output starts as blind guessing, since one wrong symbol ruins the rest; with the
 * teacher's symbols it learns fast, but has never seen its own mistakes; scheduled sampling goes from one to the other
 * (Bengio, Vinyals, Jaitly & Shazeer 2015).
 *
 * The task is Hungarian words to phonemes, with a small encoder–decoder without attention, whose decoder thus depends on
 * what it has written. Each way of training starts from the same weights and sees the same batches; every so many updates
 * the loss with the teacher's symbols and the error rates of what the model writes by itself are measured on held-out words.
 */
import type { Gpu } from '../gpu/gpu.ts';
import { Seq2Seq } from '../models/kinds.ts';
import type { PartialConfig } from '../train/config/resolve-config.ts';
import type { Forcing } from '../train/config/types.ts';
import { textTable } from '../train/metrics/text-table.ts';
import { samplingProbability } from '../train/sampling-schedule.ts';
import { lineChart } from './chart.ts';
import type { Experiment, Json, Pronunciations } from './experiment.ts';

/** One way to train; `k` of scheduled sampling's inverse sigmoid: ε = k / (k + exp(i / k)) at update i. */
interface Way {
  readonly label: string;
  readonly forcing: Forcing;
  readonly k?: number;
}

export interface SamplingSettings {
  readonly hidden: number;
  readonly embedding: number;
  readonly updates: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Of the two runs with scheduled sampling: one that ends nearly free running, and one that goes part of the way. */
  readonly k: readonly [whole: number, part: number];
  /** Updates between two looks at the held-out words. */
  readonly every: number;
  /** Training and held-out words; null: all. */
  readonly words: number | null;
  readonly held: number | null;
}

const full: SamplingSettings = {
  hidden: 64,
  embedding: 48,
  updates: 1140,
  batch: 64,
  learningRate: 0.004,
  k: [120, 220],
  every: 57,
  words: null,
  held: 300,
};
const quick: SamplingSettings = { ...full, updates: 200, k: [30, 50], every: 25, held: 100 };

/** Which of the held-out words is shown, and after how many looks. */
const shownWord = 3;
const shownLooks = [0, 1, 2, 4, 8, 16];

export interface SamplingPoint {
  readonly update: number;
  /** Nats a phoneme on held-out words, given the right ones before. */
  readonly loss: number;
  /** Of what the model writes by itself: edits a reference phoneme and words with an error, in per cent. */
  readonly per: number;
  readonly wer: number;
  /** Since the point before: of the symbols that training saw, as it saw them. */
  readonly trainingLoss: number | null;
  /** What it writes for one of the words. */
  readonly written: string;
}

export interface SamplingResult {
  readonly way: string;
  readonly points: readonly SamplingPoint[];
  readonly test: { readonly loss: number; readonly per: number; readonly wer: number };
}

function waysOf({ k, updates }: SamplingSettings): Way[] {
  const scheduled = (k: number): Way => ({
    label: `scheduled sampling to p = ${shareOfOwn(k, updates).toFixed(2)}`,
    forcing: 'scheduled_sampling',
    k,
  });
  return [
    { label: 'teacher forcing', forcing: 'teacher' },
    { label: 'free running', forcing: 'free_running' },
    ...k.map(scheduled),
  ];
}

/** The probability p = 1 - ε of the model's own symbol at an update. */
function shareOfOwn(k: number, update: number): number {
  return samplingProbability(
    { schedule: 'inverse_sigmoid', k, probability: 0, c: 0, epsilon_min: 0 },
    update,
  );
}

export async function trainWay(
  gpu: Gpu,
  way: Way,
  settings: SamplingSettings,
  data: Pronunciations,
  seed: number,
  progress: (line: string) => void = () => {},
): Promise<SamplingResult> {
  const { updates, every } = settings;
  const train = data.train.slice(0, settings.words ?? undefined);
  const dev = data.dev.slice(0, settings.held ?? undefined);
  using model = Seq2Seq.fromPairs(gpu, train, configOf(way, settings, seed));
  const points: SamplingPoint[] = [];
  const look = async (update: number, trainingLoss: number | null) => {
    const { loss, scores, samples } = await model.evaluate(dev, { samples: [shownWord] });
    const written = samples[0]?.hypothesis ?? '';
    const point = { update, loss, per: scores.per!, wer: scores.wer!, trainingLoss, written };
    points.push(point);
    progress(
      `${way.label}: update ${update} of ${updates}, loss with the teacher ${loss.toFixed(3)}, by itself PER ${point.per.toFixed(1)} %, WER ${point.wer.toFixed(1)} %`,
    );
  };
  await look(0, null);
  for (let update = 0; update < updates; update += every) {
    const more = Math.min(every, updates - update);
    const { progress: last } = await model.fit(train, { updates: more, logEvery: more });
    await look(update + more, last?.loss ?? null);
  }
  const { loss, scores } = await model.evaluate(data.test);
  return { way: way.label, points, test: { loss, per: scores.per!, wer: scores.wer! } };
}

function configOf({ forcing, k = 1 }: Way, settings: SamplingSettings, seed: number): PartialConfig {
  const { hidden, embedding, updates, batch, learningRate } = settings;
  return {
    data: { src: { level: 'char' }, trg: { level: 'word' } },
    model: {
      cell: 'lstm',
      encoder: { embeddings: { embedding_dim: embedding }, hidden_size: hidden / 2, bidirectional: true },
      decoder: { hidden_size: hidden, attention: { score: 'none' }, context: 'last', context_use: 'both' },
    },
    training: {
      random_seed: seed,
      forcing,
      scheduled_sampling: { schedule: 'inverse_sigmoid', k },
      learning_rate: learningRate,
      scheduling: 'step',
      start_decay_epoch: 10,
      decrease_factor: 0.8,
      batch_size: batch,
      updates,
    },
    testing: { eval_metrics: ['wer', 'per'] },
  };
}

export async function runSampling(
  gpu: Gpu,
  settings: SamplingSettings,
  data: Pronunciations,
  seed: number,
  progress: (line: string) => void,
): Promise<{ results: SamplingResult[]; charts: Map<string, string> }> {
  const results: SamplingResult[] = [];
  for (const way of waysOf(settings)) results.push(await trainWay(gpu, way, settings, data, seed, progress));
  const subtitle = `Hungarian words to phonemes, LSTM of ${settings.hidden} units without attention; batches of ${settings.batch}`;
  const x = { label: 'updates' };
  const series = (value: (point: SamplingPoint) => number) =>
    results.map(({ way, points }) => ({
      label: way,
      points: points.map((point) => [point.update, value(point)] as const),
    }));
  const charts = new Map([
    [
      'sampling-training',
      lineChart({
        title: 'Loss in training, with the symbols that the decoder read there',
        subtitle,
        x,
        y: { label: 'nats a phoneme' },
        series: series(({ trainingLoss }) => trainingLoss ?? Number.NaN),
      }),
    ],
    [
      'sampling-loss',
      lineChart({
        title: 'Loss on held-out words, given the right phonemes before',
        subtitle,
        x,
        y: { label: 'nats a phoneme' },
        series: series(({ loss }) => loss),
      }),
    ],
    [
      'sampling-per',
      lineChart({
        title: 'Errors of what the model writes by itself (held-out words)',
        subtitle,
        x,
        y: { label: 'phoneme error rate', percent: true, range: [0, 1] },
        series: series(({ per }) => Math.min(1, per / 100)),
      }),
    ],
  ]);
  return { results, charts };
}

export const samplingExperiment: Experiment = {
  name: 'sampling',
  summary: 'Teacher forcing, free running and scheduled sampling, learning curves and final quality',
  async run(gpu, { seed, quick: isQuick, progress, pronunciations }) {
    const settings = isQuick ? quick : full;
    const data = await pronunciations();
    const { results, charts } = await runSampling(gpu, settings, data, seed, progress);
    const rows = results[0]!.points.map(({ update }, index) => [
      String(update),
      ...results.map(({ points }) => points[index]!.loss.toFixed(3)),
      ...results.map(({ points }) => points[index]!.per.toFixed(1)),
    ]);
    const names = ['TF', 'FR', ...settings.k.map((k) => `SS ${shareOfOwn(k, settings.updates).toFixed(2)}`)];
    const word = data.dev[shownWord];
    return {
      table: [
        'Held-out words: loss given the right phonemes (nats), then PER of what the model writes by itself (%); TF teacher',
        'forcing, FR free running, SS scheduled sampling and its last p',
        '',
        ...textTable([['update', ...names, ...names], ...rows]),
        '',
        `What they write for ${word?.source} (${word?.target})`,
        '',
        ...results.flatMap(({ way, points }) =>
          shownLooks
            .filter((look) => look < points.length)
            .map(
              (look) =>
                `${way.padEnd(34)}${String(points[look]!.update).padStart(5)}  ${points[look]!.written}`,
            ),
        ),
        '',
        'Test words at the end',
        '',
        ...textTable([
          ['', 'loss', 'PER', 'WER'],
          ...results.map(({ way, test }) => [
            way,
            test.loss.toFixed(3),
            test.per.toFixed(2),
            test.wer.toFixed(2),
          ]),
        ]),
      ],
      figures: { settings: settings as unknown as Json, results: results as unknown as Json },
      charts,
    };
  },
};
