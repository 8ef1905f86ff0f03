import { describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import { DisposedError, LimitsError } from '../../src/errors.ts';
import { linear } from '../../src/ops/matmul.ts';
import { persistentTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { testGpu } from '../setup/gpu.ts';
import { limitedGpu } from '../setup/limited-gpu.ts';
import { randomFloats } from '../setup/random.ts';

const gpu = await testGpu();

/** y ← x, twice over by way of two scratch tensors, then added to itself: four dispatches. */
function recordDoubling(x: Tensor, y: Tensor): Tape {
  const tape = new Tape({ software: true, training: false });
  const [a, b] = [tape.tensor('a', [3, 5]), tape.tensor('b', [15])];
  const copy = (from: Tensor, to: Tensor, accumulate: 0 | 1) =>
    tape.dispatch('copy', 'main', {
      bindings: { x: from, y: to },
      params: { rows: 1, columns: 15, xOffset: 0, xRow: 0, yOffset: 0, yRow: 0, accumulate, stride: 64 },
      workgroups: [1],
    });
  copy(x, a, 0);
  copy(a, b, 0);
  copy(b, y, 0);
  copy(b, y, 1);
  return tape;
}

const tensors = () => ({
  x: persistentTensor(gpu, 'x', [3, 5]),
  y: persistentTensor(gpu, 'y', [3, 5]),
});

describe('a plan', () => {
  test('runs what was recorded, as often as asked, on what the buffers hold then', async () => {
    const { x, y } = tensors();
    const plan = await Plan.build(gpu, new ScratchPool(gpu), 'doubling', recordDoubling(x, y));
    for (const seed of [1, 2, 3]) {
      const { data } = randomFloats(seed, [15]);
      writeTensor(gpu, x, data);
      submit(gpu, 'run', [plan]);
      expect(await readTensor(gpu, y)).toEqual(data.map((value) => 2 * value));
    }
    plan.dispose();
  });

  test('is one submit of one pass, however many plans go into it, and makes nothing', async () => {
    const { x, y } = tensors();
    const pool = new ScratchPool(gpu);
    const plans = [1, 2].map((index) => Plan.build(gpu, pool, `plan ${index}`, recordDoubling(x, y)));
    const [first, second] = await Promise.all(plans);
    const calls = countCalls(gpu.device);
    try {
      submit(gpu, 'both', [first!, second!]);
      expect(Object.fromEntries(calls.counts)).toEqual({
        'GPUDevice.createCommandEncoder': 1,
        'GPUCommandEncoder.beginComputePass': 1,
        'GPUComputePassEncoder.setPipeline': 2, // each plan sets its own; equal ones in a row only once
        'GPUComputePassEncoder.setBindGroup': 8,
        'GPUComputePassEncoder.dispatchWorkgroups': 8,
        'GPUComputePassEncoder.end': 1,
        'GPUCommandEncoder.finish': 1,
        'GPUQueue.submit': 1,
      });
    } finally {
      calls.stop();
    }
    for (const plan of [first!, second!]) plan.dispose();
  });

  test('reads as text: kernel, grid, every binding and where it lies', async () => {
    const { x, y } = tensors();
    const plan = await Plan.build(gpu, new ScratchPool(gpu), 'doubling', recordDoubling(x, y));
    expect(`${plan}`).toBe(
      [
        'plan doubling: 4 dispatches, 2 slots, 120 B of scratch (lower bound 120 B)',
        '   0  copy/main 1×1×1  x←x[3,5]@buffer  y→a[3,5]@slot 0',
        '   1  copy/main 1×1×1  x←a[3,5]@slot 0  y→b[15]@slot 1',
        '   2  copy/main 1×1×1  x←b[15]@slot 1  y→y[3,5]@buffer',
        '   3  copy/main 1×1×1  x←b[15]@slot 1  y→y[3,5]@buffer',
      ].join('\n'),
    );
    plan.dispose();
  });

  test('shares one uniform among dispatches with equal parameters', async () => {
    const { x, y } = tensors();
    const calls = countCalls(gpu.device);
    try {
      const plan = await Plan.build(gpu, new ScratchPool(gpu), 'doubling', recordDoubling(x, y));
      expect(calls.count('GPUDevice.createBuffer')).toBe(3); // two slots, one for all uniforms
      expect(calls.count('GPUDevice.createBindGroup')).toBe(4);
      plan.dispose();
    } finally {
      calls.stop();
    }
  });

  test('disposed, gives back its memory once and does not run', async () => {
    const { x, y } = tensors();
    const pool = new ScratchPool(gpu);
    let disposed = 0;
    const owned = { dispose: () => disposed++ };
    const plan = await Plan.build(gpu, pool, 'doubling', recordDoubling(x, y), owned);
    const other = await Plan.build(gpu, pool, 'other', recordDoubling(x, y));
    plan.dispose();
    plan.dispose();
    expect(disposed).toBe(1);
    expect(pool.bytes).toBe(120);
    expect(() => submit(gpu, 'run', [plan])).toThrow(new DisposedError("the plan 'doubling' was disposed"));
    writeTensor(gpu, x, new Float32Array(15).fill(1));
    submit(gpu, 'run', [other]);
    expect([...(await readTensor(gpu, y))]).toEqual(new Array(15).fill(2));
    other.dispose();
    expect(pool.bytes).toBe(0);
  });

  test('that the device cannot hold is refused by name, before anything is allocated', async () => {
    const small = limitedGpu(gpu, { maxStorageBufferBindingSize: 1024 });
    const pool = new ScratchPool(small);
    const tape = new Tape({ software: true, training: false });
    const x = tape.tensor('x', [10, 3]);
    linear(tape, linear(tape, x, tape.tensor('v', [3, 3])), tape.tensor('w', [100, 3]));
    // Compiles the kernels, so that nothing but the plan itself could be made below.
    const plan = await Plan.build(gpu, new ScratchPool(gpu), 'large enough', tape);
    plan.dispose();
    const calls = countCalls(gpu.device);
    try {
      await expect(Plan.build(small, pool, 'train B10', tape)).rejects.toThrow(
        /^train B10: (w|matmul) needs (1\.2|3\.9) KiB, but this device binds at most 1\.0 KiB/,
      );
      await expect(Plan.build(small, pool, 'train B10', tape)).rejects.toThrow(LimitsError);
      expect(calls.count('GPUDevice.createBuffer')).toBe(0);
      expect(calls.count('GPUDevice.createBindGroup')).toBe(0);
      expect(pool.bytes).toBe(0);
    } finally {
      calls.stop();
    }
  });
});
