/**
 * Whole models by the kernels that GPUs get, on whatever adapter there is: loss and gradients against PyTorch, and how many
 * dispatches a step is planned as for a GPU.
 */
import { afterAll, expect, test } from 'vitest';
import { configurations, resized } from '../../src/bench/configurations.ts';
import { dryTraining } from '../../src/bench/dry-training.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Variants } from '../../src/self-test/test-case.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { loadSeq2Seq } from '../setup/golden.ts';
import { batchOf, networkOf } from '../setup/golden-model.ts';
import { testGpu } from '../setup/gpu.ts';
import { createStepRunner } from '../setup/step-runner.ts';

const gpu = await testGpu();
const variants = new Variants(gpu);
afterAll(() => variants.dispose());

// Both directions, layers one upon another step by step, and a decoder of one layer.
test.each(['lstm-bi-2layer-feed', 'gru-uni-2layer-feed', 'rnn-tanh-uni-feed'])('%s', async (name) => {
  const golden = loadSeq2Seq(name);
  const { labelSmoothing, normalization, cell } = golden.config;
  // Its products are plain: tiles of products have tests of their own, and take seconds to compile.
  const hardware = variants.get({ software: false, subgroups: false, matmul: 'plain' })!;
  const weights = Object.entries(golden.parameters).map(
    ([parameter, { data }]) => [parameter, Float32Array.from(data)] as const,
  );
  const network = networkOf(hardware, golden.config, new Map(weights));
  const batch = batchOf(golden.batch);
  const count = normalization === 'sentences' ? batch.sentences : batch.targetTokens;
  const options = { labelSmoothing, scale: 1 / count };
  const step = await createStepRunner(hardware, new ScratchPool(hardware), network, batch, options);
  const cells = step.plan.dispatches.filter(({ shader }) => shader.name.includes('-cell'));
  // The encoder's layers, of few units, take many steps at once; with input feeding the decoder's cannot.
  const kernels = new Set(cells.map(({ shader, entry }) => `${shader.name}/${entry}`));
  const many = ['forward_steps', 'backward_steps'].map((entry) => `${cell}-cell/${entry}`);
  expect(kernels).toEqual(new Set([...many, `${cell}-cell-tiled/forward`, `${cell}-cell-tiled/backward`]));
  const fused = cells.filter(({ constants }) => constants.withInput === 1).length;
  expect(fused).toBeGreaterThanOrEqual(batch.T - 1);
  const gradients = await step.run();
  const { [statistic.loss]: loss } = gradients.get('statistics')!;
  expectClose([loss!], [golden.loss.sum], forwardTolerance, 'loss');
  expect(Object.keys(golden.gradients).length).toBeGreaterThan(10);
  for (const [parameter, { data }] of Object.entries(golden.gradients))
    expectClose(gradients.get(parameter)!, data, gradientTolerance, `d ${parameter}`);
  step.dispose();
  network.dispose();
});

// At small sizes, where it takes no seconds to draw the weights; with fewer units many steps would be one dispatch.
test('luong, four layers with input feeding over 50 steps, is at most 1,500 dispatches on a GPU', async () => {
  const luong = configurations.find(({ name }) => name === 'luong')!;
  const { dispatches } = await dryTraining(
    gpu,
    resized(luong, { B: 16, E: 132, H: 132, V: 500 }),
    'hardware',
  );
  expect(dispatches).toBeGreaterThan(1000);
  expect(dispatches).toBeLessThanOrEqual(1500);
});
