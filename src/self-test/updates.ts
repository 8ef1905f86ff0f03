/** Self-tests of the optimisers, each after clipping by the global norm. */
import { statisticsSize } from '../ops/cross-entropy.ts';
import { evaluate } from '../ops/evaluate.ts';
import { adam, adamw, sgd } from '../optim/functions.ts';
import { lossScaleSize, recordLossScale } from '../optim/loss-scale.ts';
import { updateSize } from '../optim/optimizer.ts';
import { createOptimizer } from '../optim/registry.ts';
import { allAlike, recordUpdate } from '../optim/update.ts';
import * as reference from '../reference/optimizers.ts';
import type { TestCase } from './test-case.ts';

const size = 131;
const common = { learningRate: 0.03, weightDecay: 0.02, maxNorm: 3 };

function sgdCase(momentum: number): TestCase {
  return {
    kernel: 'sgd',
    name: momentum > 0 ? 'momentum, clipped' : 'plain, clipped',
    async run(gpu, random) {
      const [values, gradients] = [random.floats([size]), random.floats([size])];
      const momentumBuffer = random.floats([size]);
      const inputs = { values, gradients, ...(momentum > 0 && { momentumBuffer }) };
      const { outputs } = await sgd(gpu, inputs, { ...common, momentum });
      const given = { ...common, values: values.data, gradients: gradients.data, momentum };
      const expected = reference.sgd({ ...given, buffer: momentumBuffer.data });
      return { values: [outputs, momentum > 0 ? expected : { values: expected.values }] };
    },
  };
}

function adamCase(decoupled: boolean): TestCase {
  return {
    kernel: decoupled ? 'adamw' : 'adam',
    name: 'fifth update, clipped',
    async run(gpu, random) {
      const [values, gradients] = [random.floats([size]), random.floats([size])];
      const [expAvg, raw] = [random.floats([size], 0.1), random.floats([size])];
      const expAvgSq = { ...raw, data: raw.data.map((value) => value * value) };
      const [step, betas, eps] = [5, [0.9, 0.99] as const, 1e-8];
      const inputs = { values, gradients, expAvg, expAvgSq };
      const { outputs } = await (decoupled ? adamw : adam)(gpu, inputs, { ...common, step, betas, eps });
      const expected = reference.adam({
        ...common,
        values: values.data,
        gradients: gradients.data,
        betas,
        eps,
        step,
        means: expAvg.data,
        squares: expAvgSq.data,
        decoupled,
      });
      return { values: [outputs, expected] };
    },
  };
}

/** The last of many good updates at one scale; or one whose gradient overflows. */
function lossScaleCase(overflows: boolean): TestCase {
  return {
    kernel: 'loss-scale',
    name: overflows ? 'a gradient that is not finite' : 'scaled gradients, clipped',
    async run(gpu, random) {
      const [scale, rounded] = [1024, Math.ceil(size / 4) * 4];
      const [values, gradients] = [random.floats([rounded]), random.floats([rounded])];
      const scaled = { ...gradients, data: gradients.data.map((value) => value * scale) };
      if (overflows) scaled.data[size - 1] = Number.POSITIVE_INFINITY;
      const inputs = {
        values,
        gradients: scaled,
        factor: { data: Float32Array.of(0.25), shape: [1] },
        lossScale: { data: Float32Array.of(scale, 1 / scale, 1999, 0), shape: [lossScaleSize] },
        hyper: {
          data: Float32Array.of(common.learningRate, 0, common.weightDecay, 0, 0, 0, 0, 0),
          shape: [8],
        },
        statistics: { data: new Float32Array(statisticsSize), shape: [statisticsSize] },
        update: { data: new Float32Array(updateSize), shape: [updateSize] },
      };
      const { outputs } = await evaluate(gpu, inputs, (tape, tensors) => {
        const { values, gradients, hyper, factor, lossScale, statistics, update } = tensors;
        const product = recordLossScale(tape, factor, lossScale);
        const store = { segments: [{ values, gradients }] };
        recordUpdate(tape, store, {
          optimizer: createOptimizer({
            ...{ optimizer: 'sgd', momentum: 0, weight_decay: common.weightDecay },
            ...{ adam_betas: [0, 0], eps: 0 },
          }),
          moments: [],
          groups: allAlike(store, hyper),
          update,
          statistics,
          maxNorm: common.maxNorm,
          lossScale,
        });
        return { values, product, lossScale, statistics };
      });
      const given = { ...common, values: values.data, gradients: gradients.data, momentum: 0 };
      const expected = reference.sgd({ ...given, buffer: new Float32Array(rounded) });
      const left: Record<string, ArrayLike<number>> = overflows
        ? { values: values.data, lossScale: [512, 1 / 512, 0, 0], statistics: [0, 0, 0, 0, 0, 0, 0, 1] }
        : { values: expected.values, lossScale: [2048, 1 / 2048, 0, 0] };
      return { values: [outputs, { ...left, product: [256] }] };
    },
  };
}

export const updateCases: readonly TestCase[] = [
  sgdCase(0),
  sgdCase(0.9),
  adamCase(false),
  adamCase(true),
  lossScaleCase(false),
  lossScaleCase(true),
];
