/** What fails frees what it had made on the device: a page that goes on with another model or batch has its memory. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import { DecodeSession } from '../../src/decode/session.ts';
import { CheckpointError, LimitsError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { Seq2Seq } from '../../src/models/kinds.ts';
import { destroyTensor } from '../../src/scheduler/persistent.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { StepPlan } from '../../src/train/step-plan.ts';
import { createStepTensors } from '../../src/train/step-tensors.ts';
import { testGpu } from '../setup/gpu.ts';
import { limitedGpu } from '../setup/limited-gpu.ts';
import { toyConfig, toyModel } from '../setup/toy.ts';

let gpu: Gpu;
let model: Seq2Seq;
beforeAll(async () => {
  gpu = await testGpu();
  model = toyModel(gpu, toyConfig());
});
afterAll(() => model.dispose());

/** Buffers that a rejected task made and did not destroy. */
async function leaked(task: () => unknown, error: new (message: string) => Error): Promise<number> {
  const calls = countCalls(gpu.device);
  try {
    await expect((async () => task())()).rejects.toBeInstanceOf(error);
    expect(calls.count('GPUDevice.createBuffer')).toBeGreaterThan(0);
    return calls.count('GPUDevice.createBuffer') - calls.count('GPUBuffer.destroy');
  } finally {
    calls.stop();
  }
}

describe('no buffer is left behind by', () => {
  test('a model whose weights are damaged', async () => {
    const files = await model.save();
    files.set('model.safetensors', files.get('model.safetensors')!.slice(0, -4));
    expect(await leaked(() => Seq2Seq.fromFiles(gpu, files), CheckpointError)).toBe(0);
  });

  test('a training step that is too large for the device', async () => {
    const step = createStepTensors(gpu, 'test');
    const small = limitedGpu(gpu, { maxStorageBufferBindingSize: 1024 });
    const record = () =>
      StepPlan.record(small, new ScratchPool(gpu), model.network, { B: 8, S: 8, T: 8 }, step, {
        training: true,
        labelSmoothing: 0,
      });
    expect(await leaked(record, LimitsError)).toBe(0);
    for (const tensor of Object.values(step)) destroyTensor(tensor);
  });

  test('a chunk of decoding that is too large for the device', async () => {
    const small = limitedGpu(gpu, { maxStorageBufferBindingSize: 8192 });
    const shape = { B: 8, S: 4, steps: 64, alignments: false, sampled: false };
    const create = () => DecodeSession.create(small, model.network, new ScratchPool(gpu), shape);
    expect(await leaked(create, LimitsError)).toBe(0);
  });
});
