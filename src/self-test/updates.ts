/** Self-tests of the optimisers, each after clipping by the global norm. */
import { adam, adamw, sgd } from '../optim/functions.ts';
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

export const updateCases: readonly TestCase[] = [sgdCase(0), sgdCase(0.9), adamCase(false), adamCase(true)];
