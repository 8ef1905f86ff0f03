import { expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import { LimitsError } from '../../src/errors.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { testGpu } from '../setup/gpu.ts';

test('plans share buffers: the smallest that is large enough, each once a plan', async () => {
  const pool = new ScratchPool(await testGpu());
  const first = pool.acquire([4096, 1024, 256]);
  expect(first.map(({ size }) => size)).toEqual([4096, 1024, 256]);
  expect(pool.acquire([800, 100])).toEqual([first[1], first[2]]);
  expect(pool.bytes).toBe(4096 + 1024 + 256);
  // Two of one size are two buffers, and what is there is used before anything is made.
  const third = pool.acquire([1024, 1024, 1024]);
  expect(new Set(third).size).toBe(3);
  expect(third.slice(0, 2)).toEqual([first[1], first[0]]);
  expect(pool.bytes).toBe(4096 + 1024 + 256 + 1024);
});

test('a buffer is destroyed with the last plan that holds it', async () => {
  const gpu = await testGpu();
  const pool = new ScratchPool(gpu);
  const calls = countCalls(gpu.device);
  try {
    const large = pool.acquire([4096, 256]);
    const small = pool.acquire([200]);
    expect(small).toEqual([large[1]]);
    calls.reset();
    pool.release(large);
    expect(pool.bytes).toBe(256);
    expect(calls.count('GPUBuffer.destroy')).toBe(1);
    pool.release(small);
    expect(pool.bytes).toBe(0);
    expect(calls.count('GPUBuffer.destroy')).toBe(2);
    // What was released is not handed out again.
    expect(pool.acquire([200])[0]).not.toBe(large[1]);
  } finally {
    calls.stop();
  }
});

test('what the device cannot hold is refused before anything is made', async () => {
  const gpu = await testGpu();
  const pool = new ScratchPool(gpu);
  const calls = countCalls(gpu.device);
  try {
    expect(() => pool.acquire([gpu.largestBuffer + 4, 256])).toThrow(LimitsError);
    expect(calls.made()).toEqual([]);
    expect(pool.bytes).toBe(0);
  } finally {
    calls.stop();
  }
});
