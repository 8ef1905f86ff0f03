/** What `train --dry-run` says is what training takes. */
import { expect, test } from 'vitest';
import { tokenizeTraining } from '../../src/models/prepare-data.ts';
import { estimateTraining } from '../../src/node/estimate-training.ts';
import type { TrainingData } from '../../src/node/load-data.ts';
import { prepareNewTraining } from '../../src/node/training-run.ts';
import { testGpu } from '../setup/gpu.ts';
import { toyConfig, toyTraining } from '../setup/toy.ts';
import { watched } from '../setup/watched-gpu.ts';

const config = toyConfig({ training: { epochs: 1 } });
const data: TrainingData = {
  text: toyTraining,
  corpus: tokenizeTraining(toyTraining, config),
  dev: undefined,
  test: undefined,
};

test('the estimate is within 5 % of what an epoch of training makes', async () => {
  const gpu = await testGpu();
  const estimate = await estimateTraining(gpu, config, data);
  const { gpu: real, sizes } = watched(gpu);
  const { model, trainer } = await prepareNewTraining(real, config, data);
  for await (const _ of trainer.run());
  const made = sizes.reduce((sum, size) => sum + size, 0);
  expect(Math.abs(estimate.total - made) / made).toBeLessThan(0.05);
  const { total, parameters, gradients, moments, scratch, others } = estimate;
  expect(parameters + gradients + moments + scratch + others).toBe(total);
  expect(parameters).toBeGreaterThanOrEqual(4 * model.network.parameters.count);
  trainer.dispose();
  model.dispose();
});
