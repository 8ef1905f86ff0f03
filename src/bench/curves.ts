/**
 * How the cost of a training step grows with each dimension: the dimension takes some values while the others stay, and
 * the exponent of the cost is fitted. Work that is bound by arithmetic has 1 for B, S = T, L and V, and up to 2 for H;
 * less means that a fixed cost a dispatch, or idle parts of the device, still count.
 */
import type { Bench, BenchCase, BenchContext } from './bench.ts';
import { type Configuration, configurations, resized } from './configurations.ts';
import { fitExponent } from './fit-exponent.ts';
import { type Contestant, measure } from './measure.ts';
import type { BenchRow } from './report.ts';
import type { Dimensions } from './sizes.ts';
import { sizesOf } from './training.ts';
import { createTrainingStep, type TrainingStep } from './training-step.ts';

const name = 'curves';

interface Curve {
  readonly title: string;
  /** What the dimension is multiplied by. */
  readonly factors: readonly number[];
  scaled(configuration: Configuration, factor: number): Configuration;
}

const along = (title: string, factors: readonly number[], dimensions: (keyof Dimensions)[]): Curve => ({
  title,
  factors,
  scaled: (configuration, factor) => ({
    ...configuration,
    sizes: {
      ...configuration.sizes,
      ...Object.fromEntries(dimensions.map((letter) => [letter, configuration.sizes[letter] * factor])),
    },
  }),
});

const doublings = [1, 2, 4, 8];
const curves: readonly Curve[] = [
  along('against B', doublings, ['B']),
  along('against S = T', [1, 2, 4], ['S', 'T']),
  along('against H', doublings, ['E', 'H']),
  {
    title: 'against L',
    factors: [1, 2, 4],
    scaled: (configuration, factor) => ({ ...configuration, layers: configuration.layers * factor }),
  },
  along('against V', doublings, ['V']),
];

export const curvesBench: Bench = {
  name,
  summary: 'Cost of a training step against B, S = T, H, L and V, with the exponent of its growth',
  onRequest: true,
  cases(context: BenchContext): BenchCase[] {
    const onGpu = context.subjects.every(({ gpu }) => !gpu.software);
    const base = configurations.find((one) => one.name === (onGpu ? 'small' : 'tiny'))!;
    const start = resized(base, context.sizes[0]?.replaced ?? {});
    return curves.map((curve) => ({
      title: curve.title,
      sizes: sizesOf(start),
      run: () => runCurve(curve, start, context),
    }));
  },
};

/** All points of a curve take turns, so that what else the machine does bends no curve. */
async function runCurve(curve: Curve, start: Configuration, context: BenchContext): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name: contestant, gpu } of context.subjects) {
    const points = curve.factors.map((factor) => curve.scaled(start, factor));
    const steps: TrainingStep[] = [];
    try {
      const racing: Contestant[] = [];
      for (const [index, point] of points.entries()) {
        const step = await createTrainingStep(gpu, point);
        steps.push(step);
        racing.push({
          name: String(index),
          clock: 'wall',
          ...(context.cpuSeconds && { cpuSeconds: context.cpuSeconds }),
          async run(repeats) {
            const began = performance.now();
            await step.run(repeats);
            await step.finish();
            return (performance.now() - began) / 1000;
          },
        });
      }
      const measured = await measure(racing, context.measure);
      const exponent = fitExponent(
        curve.factors,
        measured.map(({ seconds }) => seconds.median),
      );
      for (const [index, { seconds, cpuSeconds, repeats }] of measured.entries()) {
        rows.push({
          bench: name,
          title: curve.title,
          sizes: sizesOf(points[index]!),
          contestant,
          outcome: 'ok',
          clock: 'wall',
          seconds,
          ...(cpuSeconds && { cpuSeconds }),
          repeats,
          ...(index === measured.length - 1 && { figures: { exponent } }),
        });
      }
    } finally {
      for (const step of steps) step.dispose();
    }
  }
  return rows;
}
