/**
 * The model by which speed is compared with peers: LSTM encoder–decoder with dot attention, B 64, S = T = 20,
 * E = H = 256, V 2000, Adam. What a training step asks of WebGPU is counted call by call, and its losses are PyTorch's.
 */
import { expect, test } from 'vitest';
import { type CallCounter, countCalls } from '../../src/bench/watch-calls.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { TrainingEngine } from '../../src/train/engine.ts';
import { expectClose } from '../setup/compare.ts';
import { loadSpeedModel, seededValues } from '../setup/golden.ts';
import { batchOf, engineOptionsOf, networkOf } from '../setup/golden-model.ts';
import { testGpu } from '../setup/gpu.ts';

const mostDispatches = 200;
const lossTolerance = 1e-4;

/** What one update of a plan that is there already may ask of the device. */
function expectSteadyStep(calls: CallCounter): void {
  expect(calls.made()).toEqual([]);
  expect(calls.count('GPUQueue.submit')).toBe(1);
  expect(calls.count('GPUDevice.createCommandEncoder')).toBe(1);
  expect(calls.count('GPUCommandEncoder.beginComputePass')).toBe(1);
  expect(calls.count('GPUComputePassEncoder.dispatchWorkgroups')).toBeGreaterThan(0);
  expect(calls.count('GPUComputePassEncoder.dispatchWorkgroups')).toBeLessThanOrEqual(mostDispatches);
  expect(calls.count('GPUComputePassEncoder.dispatchWorkgroupsIndirect')).toBe(0);
  expect(calls.count('GPUBuffer.mapAsync')).toBe(0);
}

test('at most 200 dispatches and 1 submit a step, no object made; ten losses of PyTorch', async () => {
  const golden = loadSpeedModel();
  const gpu = await testGpu();
  const weights = new Map(
    Object.entries(golden.parameters).map(([name, seeded]) => [name, seededValues(seeded)]),
  );
  const network = networkOf(gpu, golden.config, weights);
  const options = engineOptionsOf(golden.config, golden.training);
  const engine = await TrainingEngine.create(gpu, network, new ScratchPool(gpu), options);
  const batch = batchOf(golden.batch);
  const calls = countCalls(gpu.device);
  const losses: number[] = [];
  try {
    for (const step of golden.training.losses.keys()) {
      calls.reset();
      await engine.update([batch], golden.training.learningRate);
      if (step > 0) expectSteadyStep(calls);
      const { loss, tokens } = await engine.statistics();
      losses.push(loss / tokens);
    }
    // Reading the statistics back makes nothing either, once there is a staging buffer.
    calls.reset();
    await engine.statistics();
    expect(calls.made()).toEqual([]);
    expect(calls.count('GPUBuffer.mapAsync')).toBe(1);
  } finally {
    calls.stop();
  }
  await engine.dispose();
  network.dispose();
  for (const [step, expected] of golden.training.losses.entries()) {
    expectClose([losses[step]!], [expected], lossTolerance, `loss ${step}`);
  }
}, 600_000);
