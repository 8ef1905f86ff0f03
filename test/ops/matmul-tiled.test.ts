/**
 * The matmul kernels that go through workgroup memory, made for GPUs: right, and with the bits of the plain kernel, at
 * sizes around their tiles in rows, columns and k. One shader serves all tiles by its constants; two tiles meet most of the
 * cases, since a software adapter takes seconds to compile each.
 */
import { describe, expect, test } from 'vitest';
import { chooseMatmul, matmulVariants, planMatmul } from '../../src/ops/matmul-plan.ts';
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
} from '../setup/products.ts';

const small = ['plain', 'fours-16x32'] as const;
const large = ['plain', 'tile-64x64'] as const;

describe.each<Mode>(['nn', 'nt', 'tn', 'tt'])('%s', (mode) => {
  // Around a tile of 16 × 32 and its depth of 16.
  test('aligned, one tile and several', async () => {
    await checkVariants({ m: 4, n: 4, k: 4, mode }, small);
    await checkVariants({ m: 16, n: 32, k: 16, mode }, small);
    await checkVariants({ m: 36, n: 68, k: 36, mode, batch: 2, offset: 8, padding: 4, cPadding: 3 }, small);
    await checkVariants({ m: 20, n: 36, k: 20, mode, activation: 1, bias: true, accumulate: 1 }, small);
  });
});

describe.each<Mode>(['nt', 'tn'])('%s', (mode) => {
  test('unaligned, one tile and several', async () => {
    await checkVariants({ m: 1, n: 1, k: 1, mode }, small);
    await checkVariants({ m: 15, n: 33, k: 15, mode, offset: 5, padding: 3, cPadding: 2 }, small);
    await checkVariants({ m: 17, n: 31, k: 17, mode, batch: 3, offset: 5 }, small);
    await checkVariants({ m: 17, n: 9, k: 33, mode, activation: 3, bias: true, accumulate: 1 }, small);
  });
});

test('eight rows by eight columns an invocation', async () => {
  await checkVariants(
    { m: 68, n: 132, k: 36, mode: 'nt', batch: 2, offset: 4, padding: 8, cPadding: 1 },
    large,
  );
  await checkVariants({ m: 64, n: 64, k: 8, mode: 'nt', activation: 2, bias: true }, large);
  await checkVariants({ m: 65, n: 63, k: 9, mode: 'tn', accumulate: 1, activation: 1 }, large);
  await checkVariants({ m: 63, n: 129, k: 23, mode: 'tn', offset: 3 }, large);
});

// The largest, and the two that are widest for their height: what the other tiles have, these and the two above have too.
test.each(['tile-128x128', 'tile-32x128', 'fours-16x64'] as const)('%s', async (name) => {
  await checkVariants({ m: 132, n: 140, k: 28, mode: 'nt', bias: true }, ['plain', name]);
});

// Strides are multiples of 4, the sizes along them are not: the last 16-byte load reaches into the padding.
test.each([
  { mode: 'nn', m: 5, n: 7, k: 8, aRow: 8, aCol: 1, bRow: 8, bCol: 1 },
  { mode: 'nt', m: 19, n: 33, k: 12, aRow: 16, aCol: 1, bRow: 1, bCol: 20 },
  { mode: 'tn', m: 18, n: 35, k: 7, aRow: 1, aCol: 20, bRow: 36, bCol: 1 },
] as const)('$mode with odd sizes in aligned rows', async ({ mode: _, ...size }) => {
  const data = makeData({ ...size, mode: 'nn', offset: 0, padding: 40 });
  Object.assign(data.params, size, { cRow: size.n, aOffset: 4, bOffset: 8, cOffset: 1 });
  spoilOutside(data);
  const reference = expected(data);
  const plain = await run(planFor('plain', data), data);
  const plan = planFor('fours-16x32', data);
  expect(plan.kernel).toBe('matmul-tiled');
  const tiled = await run(plan, data);
  expectClose(tiled, reference, forwardTolerance, label(plan));
  expect(bits(tiled)).toEqual(bits(plain));
});

describe('the plan for a GPU', () => {
  const at = { aOffset: 0, aBatch: 0, bOffset: 0, bBatch: 0, batch: 1, software: false, subgroups: true };
  const product = (m: number, n: number, k: number) => {
    return { ...at, m, n, k, aRow: k, aCol: 1, bRow: 1, bCol: k };
  };

  test('large tiles for large products, small ones where they would be few', () => {
    expect(chooseMatmul(product(4096, 4096, 4096))).toMatchObject({
      variant: 'tile-128x128',
      kernel: 'matmul-tiled',
      entry: 'eights',
      workgroups: [32, 32, 1],
    });
    expect(chooseMatmul(product(1280, 1024, 256)).variant).toBe('tile-64x64');
    expect(chooseMatmul(product(64, 1024, 256)).variant).toBe('fours-16x32');
    expect(chooseMatmul({ ...product(4096, 4096, 4096), aRow: 4097 }).kernel).toBe('matmul-tiled-any');
  });

  test('every tile keeps within the portable limits and fills itself evenly', () => {
    for (const name of matmulVariants) {
      const { side, down, across, depth } = planMatmul(name, product(8, 8, 8))!.constants;
      if (!side || !down || !across || !depth) continue;
      expect(down * across, name).toBeLessThanOrEqual(256);
      expect(4 * 2 * depth * side * (down + across), name).toBeLessThanOrEqual(16384);
      const units = [(depth * side) / 4 / across, (depth * side) / 4 / down];
      for (const unit of units) expect([1, 2, 4], name).toContain(unit);
    }
  });
});
