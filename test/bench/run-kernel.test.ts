/** That a bench checks before it times: what is wrong, cannot run or has nothing to show is said, not timed. */
import { expect, test, vi } from 'vitest';
import type { BenchContext } from '../../src/bench/bench.ts';
import { type KernelCase, kernelBench } from '../../src/bench/kernels/kernel.ts';
import { productSample, sampledRows, spreadOut } from '../../src/bench/kernels/samples.ts';
import { measureRoofline } from '../../src/bench/measure-roofline.ts';
import { runBenches } from '../../src/bench/run.ts';
import { LimitsError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { testGpu } from '../setup/gpu.ts';

const roofline = { flopsPerSecond: 1e9, bytesPerSecond: 1e9 };
const quick = { wallSeconds: 1e-4, timestampSeconds: 1e-5, budgetSeconds: 0, minTurns: 2, maxTurns: 2 };

async function context(): Promise<BenchContext> {
  const subjects = [{ name: 'couplet', gpu: await testGpu(), roofline }];
  return { subjects, peers: [], sizes: [], measure: quick };
}

/** Softmax of one row [0, 0]: halves; the gradient of the first is [1/4, -1/4]. */
function halves({
  value = 0.5,
  slope = 0.25,
  ...more
}: Partial<KernelCase> & { value?: number; slope?: number }) {
  const work = { flops: 10, bytes: 16 };
  return kernelBench({
    name: 'halves',
    summary: '',
    cases: () => [
      {
        title: 'halves',
        sizes: { N: 2 },
        forward: work,
        backward: work,
        setup: () => ({
          inputs: { x: { data: Float32Array.of(0, 0), shape: [1, 2] } },
          build: (tape, { x }) => ({ y: softmax(tape, x!) }),
          upstream: { y: { data: Float32Array.of(1, 0), shape: [1, 2] } },
          check: () => ({
            values: [{ tensor: 'y', at: [0, 1], expected: [value, 0.5] }],
            gradients: [{ tensor: 'd x', at: [1], expected: [-slope] }],
          }),
        }),
        ...more,
      },
    ],
  });
}

async function rowsOf(given: Parameters<typeof halves>[0]) {
  const [sizes] = [{ name: 'odd', dimensions: { B: 1, S: 1, T: 1, E: 1, H: 1, V: 1 }, squares: [] }];
  return runBenches([halves(given)], { ...(await context()), sizes: [sizes] });
}

test('a kernel that is right is timed forward and backward', async () => {
  const rows = await rowsOf({});
  expect(rows.map(({ title, outcome }) => [title, outcome])).toEqual([
    ['halves, forward', 'ok'],
    ['halves, backward', 'ok'],
  ]);
  for (const { error, seconds, flopsPerSecond, rooflineShare } of rows) {
    expect(error).toBeLessThan(1e-6);
    expect(seconds!.count).toBe(2);
    expect(flopsPerSecond).toBeCloseTo(10 / seconds!.median);
    expect(rooflineShare).toBeCloseTo(16e-9 / seconds!.median);
  }
});

test('one that is wrong is not timed, each direction by itself', async () => {
  const [forward, backward] = await rowsOf({ value: 0.6 });
  expect(forward).toMatchObject({
    outcome: 'wrong',
    message: expect.stringMatching(/^y is off by 1.7e-1 of/),
  });
  expect(forward).not.toHaveProperty('seconds');
  expect(backward).toMatchObject({ outcome: 'ok' });
  const [before, after] = await rowsOf({ slope: Number.NaN });
  expect([before!.outcome, after!.outcome]).toEqual(['ok', 'wrong']);
});

const zeros = { data: Float32Array.of(0, 0), shape: [1, 2] };

test('what has nothing to be checked by, or nothing to time, fails', async () => {
  const setup: KernelCase['setup'] = () => ({
    inputs: { x: zeros },
    build: (tape, { x }) => ({ y: softmax(tape, x!) }),
    upstream: { y: zeros },
    check: () => ({ values: [] }),
  });
  const message = async (given: Partial<KernelCase>) => {
    const rows = await rowsOf(given);
    expect(rows.map(({ outcome }) => outcome)).toEqual(['failed']);
    return rows[0]!.message;
  };
  expect(await message({ setup })).toContain('nothing to check it by');
  const timed = () => false;
  expect(await message({ setup: (random) => ({ ...setup(random), timed }) })).toContain('no kernels to time');
});

test('what the device cannot hold is skipped', async () => {
  const fits = vi.spyOn(Gpu.prototype, 'kernel').mockRejectedValue(new LimitsError('too large'));
  const rows = await rowsOf({});
  fits.mockRestore();
  expect(rows).toMatchObject([{ outcome: 'skipped', message: 'too large', contestant: 'couplet' }]);
});

test('a roofline is measured in operations and bytes that were really done', async () => {
  const gpu = await testGpu();
  const { flopsPerSecond, bytesPerSecond } = await measureRoofline(gpu, { ...quick, wallSeconds: 1e-3 });
  // Any computer of the last twenty years, and none of the next.
  expect(flopsPerSecond).toBeGreaterThan(1e7);
  expect(flopsPerSecond).toBeLessThan(1e16);
  expect(bytesPerSecond).toBeGreaterThan(1e6);
  expect(bytesPerSecond).toBeLessThan(1e15);
});

test('samples are spread from the first to the last', () => {
  expect(spreadOut(3, 5)).toEqual([0, 1, 2]);
  expect(spreadOut(9, 3)).toEqual([0, 4, 8]);
  expect(sampledRows(1000, 10_000)).toEqual([0, 999]);
  const sample = productSample(
    'c',
    [2, 3, 2],
    (i, k) => i + k,
    (k, j) => k * j,
    (j) => j,
  );
  expect([...(sample.at as Uint32Array)]).toEqual([0, 1, 2, 3, 4, 5]);
  expect([...(sample.expected as Float64Array)]).toEqual([0, 2, 4, 0, 3, 6]);
});
