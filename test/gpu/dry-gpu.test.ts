/** What a dry device counts is what a real one would make. */
import { expect, test } from 'vitest';
import { dryGpu } from '../../src/gpu/dry-gpu.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { testGpu } from '../setup/gpu.ts';
import { toyConfig, toyModel, toyTraining } from '../setup/toy.ts';
import { watched } from '../setup/watched-gpu.ts';

async function prepare(gpu: Gpu): Promise<void> {
  const model = toyModel(gpu, toyConfig());
  const trainer = await model.trainer(model.encodeTraining(toyTraining));
  await trainer.prepare();
}

test('it counts the buffers and bytes of a training as a real device makes them', async () => {
  const gpu = await testGpu();
  const real = watched(gpu);
  await prepare(real.gpu);
  const dry = dryGpu({ report: gpu.report, limits: gpu.device.limits });
  await prepare(dry.gpu);
  expect(dry.count.buffers).toBe(real.sizes.length);
  expect(dry.count.peakBytes).toBe(real.sizes.reduce((sum, size) => sum + size, 0));
  expect(dry.count.bindGroups).toBeGreaterThan(100);
});

test('what is destroyed no longer counts', async () => {
  const gpu = await testGpu();
  const { gpu: dry, count } = dryGpu({ report: gpu.report, limits: gpu.device.limits });
  const buffer = dry.createBuffer('a', 1000);
  expect(count.bytes).toBe(1000);
  buffer.destroy();
  buffer.destroy();
  expect([count.bytes, count.peakBytes]).toEqual([0, 1000]);
});
