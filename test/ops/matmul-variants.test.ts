/**
 * The matmul kernels that need no workgroup memory against float64 loops, and against each other bit for bit: a value may
 * depend on its row of A and its column of B, not on the kernel, tile or batch that computed it. `matmul-tiled.test.ts`
 * does the same for the others.
 */
import { describe, expect, test } from 'vitest';
import { chooseMatmul, planMatmul } from '../../src/ops/matmul-plan.ts';
import { expectClose, forwardTolerance } from '../setup/compare.ts';
import {
  bits,
  checkVariants,
  expected,
  label,
  type Mode,
  makeData,
  planFor,
  run,
  spoilOutside,
  variantsFor,
} from '../setup/products.ts';
import { findRaces } from '../setup/races.ts';

const names = ['plain', 'quads'] as const;
const modes: Mode[] = ['nn', 'nt', 'tn', 'tt'];

describe.each(modes)('%s', (mode) => {
  // Around the tiles of 8 and 16 rows by 16 and 32 columns; K around the 4 of a 16-byte load.
  test.each([
    { m: 1, n: 1, k: 1 },
    { m: 7, n: 15, k: 3 },
    { m: 8, n: 16, k: 5 },
    { m: 9, n: 17, k: 31 },
    { m: 15, n: 31, k: 1 },
    { m: 16, n: 32, k: 7 },
    { m: 17, n: 33, k: 13 },
    { m: 33, n: 1, k: 9 },
    { m: 1, n: 65, k: 130 },
  ])('$m × $n, K $k: unaligned', async (size) => {
    expect(await checkVariants({ ...size, mode, offset: 5, padding: 3, cPadding: 2 }, names)).toBe(4);
    await checkVariants({ ...size, mode, batch: 3 }, names);
  });

  test.each([
    { m: 4, n: 4, k: 4 },
    { m: 16, n: 32, k: 8 },
    { m: 20, n: 20, k: 36 },
    { m: 36, n: 68, k: 12 },
  ])('$m × $n, K $k: aligned', async (size) => {
    expect(await checkVariants({ ...size, mode }, names)).toBe(4);
    expect(await checkVariants({ ...size, mode, batch: 2, offset: 8, padding: 4, cPadding: 3 }, names)).toBe(
      4,
    );
  });

  test.each([
    { activation: 0, bias: true, accumulate: 1 },
    { activation: 1, bias: false, accumulate: 0 },
    { activation: 1, bias: true, accumulate: 1 },
    { activation: 2, bias: true, accumulate: 0 },
    { activation: 3, bias: false, accumulate: 1 },
  ] as const)('activation $activation, bias $bias, accumulate $accumulate', async (epilogue) => {
    await checkVariants({ m: 20, n: 36, k: 16, batch: 2, mode, offset: 4, ...epilogue }, names);
    await checkVariants({ m: 17, n: 9, k: 5, mode, offset: 3, padding: 1, ...epilogue }, names);
  });
});

// Strides are multiples of 4, the sizes along them are not: the last 16-byte load reaches into the padding.
test.each([
  { mode: 'nn', m: 5, n: 7, k: 8, aRow: 8, aCol: 1, bRow: 8, bCol: 1 },
  { mode: 'nt', m: 19, n: 33, k: 12, aRow: 16, aCol: 1, bRow: 1, bCol: 20 },
  { mode: 'tn', m: 18, n: 35, k: 7, aRow: 1, aCol: 20, bRow: 36, bCol: 1 },
] as const)('$mode with odd sizes in aligned rows', async ({ mode, ...size }) => {
  const data = makeData({ ...size, mode: 'nn', offset: 0, padding: 40 });
  Object.assign(data.params, size, { cRow: size.n, aOffset: 4, bOffset: 8, cOffset: 1 });
  spoilOutside(data);
  const reference = expected(data);
  const plain = await run(planFor('plain', data), data);
  const fast = await run(planFor('quads', data), data);
  expectClose(plain, reference, forwardTolerance, 'matmul');
  expect(bits(fast)).toEqual(bits(plain));
});

test('a row has the same bits alone, among many and in a batch', async () => {
  const [m, n, k] = [40, 48, 72];
  const whole = makeData({ m, n, k, mode: 'nt' });
  const wide = planFor('quads', whole);
  expect(wide.kernel).toBe('matmul-quad-vec4');
  const all = await run(wide, whole);
  for (const row of [0, 13, 39]) {
    const one = { ...whole, params: { ...whole.params, m: 1, aOffset: row * k } };
    const expectedRow = bits(all).slice(1 + row * n, 1 + (row + 1) * n);
    for (const variant of variantsFor(one, names)) {
      const alone = await run(variant, one);
      expect(bits(alone).slice(1, 1 + n), label(variant)).toEqual(expectedRow);
    }
    // Fewer columns, and the row as one of a batch of one-row matrices.
    const narrow = { ...whole, params: { ...whole.params, m: 1, n: 5, aOffset: row * k } };
    expect(bits(await run(planFor('quads', narrow), narrow)).slice(1, 6)).toEqual(expectedRow.slice(0, 5));
  }
  const batched = { ...whole, batch: m, params: { ...whole.params, m: 1, aBatch: k, bBatch: 0, cBatch: n } };
  expect(bits(await run(planFor('quads', batched), batched))).toEqual(bits(all));
});

test('tanh and sigmoid saturate for any finite input', async () => {
  const data = makeData({ m: 1, n: 8, k: 1, mode: 'nn' });
  data.a[0] = 1;
  data.b.set([-3e38, -200, -20, -1e-20, 1e-20, 20, 200, 3e38]);
  for (const [activation, low, high] of [
    [1, -1, 1],
    [3, 0, 1],
  ] as const) {
    const values = await run(planFor('plain', data), { ...data, params: { ...data.params, activation } });
    const [first, ...others] = values.slice(1, 9);
    expect(Math.abs(first! - low)).toBeLessThan(1e-6);
    expect(Math.abs(others.at(-1)! - high)).toBeLessThan(1e-6);
    expect(values.slice(1, 9).every(Number.isFinite)).toBe(true);
  }
});

describe('the plan', () => {
  const aligned = { m: 64, n: 256, k: 128, batch: 1, software: true, subgroups: true };
  const at = { aOffset: 0, aBatch: 0, bOffset: 0, bBatch: 0 };
  const nn = { ...aligned, ...at, aRow: 128, aCol: 1, bRow: 256, bCol: 1 };
  const nt = { ...aligned, ...at, aRow: 128, aCol: 1, bRow: 1, bCol: 128 };
  const tn = { ...aligned, ...at, aRow: 1, aCol: 64, bRow: 256, bCol: 1 };
  const general = { kernel: 'matmul-quad', entry: 'main' };

  test('16-byte loads where both operands are aligned', () => {
    expect(chooseMatmul(nn)).toMatchObject({
      kernel: 'matmul-quad-vec4',
      entry: 'nn',
      workgroups: [8, 4, 1],
    });
    expect(chooseMatmul(nt)).toMatchObject({ kernel: 'matmul-quad-vec4', entry: 'nt' });
    expect(chooseMatmul(tn)).toMatchObject({ kernel: 'matmul-quad-vec4', entry: 'tn' });
    expect(chooseMatmul({ ...tn, k: 7 })).toMatchObject({ kernel: 'matmul-quad-vec4', entry: 'tn' });
  });

  test.each([
    { why: 'offset of A', shape: { ...nn, aOffset: 2 } },
    { why: 'offset of B', shape: { ...nt, bOffset: 1 } },
    { why: 'rows of A', shape: { ...nn, aRow: 130 } },
    { why: 'rows of B', shape: { ...nt, bCol: 129 } },
    { why: 'batches of A', shape: { ...nn, batch: 2, aBatch: 6 } },
    { why: 'batches of B', shape: { ...tn, batch: 2, bBatch: 5 } },
    { why: 'K', shape: { ...nn, k: 126 } },
    { why: 'rows of a transposed A', shape: { ...tn, aCol: 66 } },
    { why: 'both transposed', shape: { ...tn, bRow: 1, bCol: 128 } },
  ])('any strides otherwise: $why', ({ shape }) => {
    expect(chooseMatmul(shape)).toMatchObject(general);
  });

  test('without subgroups, and covering every row and column', () => {
    const plan = chooseMatmul({ ...nn, m: 65, n: 257, batch: 3, subgroups: false });
    expect(plan).toMatchObject({
      kernel: 'matmul',
      entry: 'main',
      workgroups: [9, 9, 3],
      constants: { lanes: 8 },
    });
    expect(chooseMatmul({ ...nn, n: 16 })).toMatchObject({ workgroups: [1, 4, 1], constants: { lanes: 4 } });
    expect(planMatmul('quads', { ...nn, software: false })?.constants.lanes).toBeGreaterThanOrEqual(16);
  });
});

test('no two invocations touch the same element of C', () => {
  const data = makeData({ m: 9, n: 33, k: 2, mode: 'nn', bias: true, activation: 2, accumulate: 1 });
  const { a, b, bias, c } = data;
  const check = { buffers: { a, b, bias, c }, params: data.params, workgroups: [2, 2, 1] as const };
  expect(findRaces('matmul', 'main', check)).toEqual([]);
});
