import { expect, test } from 'vitest';
import type { BenchRow } from '../../src/bench/report.ts';
import { rated, rooflineSeconds } from '../../src/bench/roofline.ts';
import { parseSizes } from '../../src/bench/sizes.ts';
import { quantile, relativeSpread, spreadOf } from '../../src/bench/spread.ts';
import { formatRoofline, formatTable } from '../../src/bench/table.ts';
import { UsageError } from '../../src/errors.ts';

test('quartiles lie between values, as numpy has them', () => {
  // numpy.quantile([1, 2, 4, 8], [0, .25, .5, .75, 1])
  const sorted = [1, 2, 4, 8];
  expect([0, 0.25, 0.5, 0.75, 1].map((share) => quantile(sorted, share))).toEqual([1, 1.75, 3, 5, 8]);
  expect(() => quantile([], 0.5)).toThrow(RangeError);
});

test('a spread does not care for the order, and leaves it', () => {
  const values = [8, 1, 4, 2];
  const spread = spreadOf(values);
  expect(spread).toEqual({ median: 3, lower: 1.75, upper: 5, fastest: 1, count: 4 });
  expect(values).toEqual([8, 1, 4, 2]);
  expect(relativeSpread(spread)).toBeCloseTo(3.25 / 2 / 3, 12);
  expect(relativeSpread(spreadOf([7]))).toBe(0);
  expect(relativeSpread(spreadOf([0]))).toBe(0);
});

test('the roofline is the higher of two costs', () => {
  const roofline = { flopsPerSecond: 100, bytesPerSecond: 10 };
  expect(rooflineSeconds({ flops: 200, bytes: 10 }, roofline)).toBe(2);
  expect(rooflineSeconds({ flops: 200, bytes: 30 }, roofline)).toBe(3);
  expect(rated({ flops: 200, bytes: 30 }, 12, roofline)).toEqual({
    flops: 200,
    bytes: 30,
    flopsPerSecond: 200 / 12,
    bytesPerSecond: 2.5,
    rooflineShare: 0.25,
  });
  expect(rated({ flops: 0, bytes: 30 }, 3, roofline).rooflineShare).toBe(1);
  expect(formatRoofline({ flopsPerSecond: 41.66e9, bytesPerSecond: 0.4e9 })).toBe(
    'peak 41.7 GFLOP/s, copying 0.40 GB/s (as much of either at 1.0e+2 FLOP a byte)',
  );
});

test('a table shows the columns that its rows have', () => {
  const ok: BenchRow = {
    bench: 'matmul',
    title: 'matmul NN',
    sizes: { M: 3, N: 4 },
    contestant: 'couplet',
    outcome: 'ok',
    error: 2e-7,
    seconds: spreadOf([0.9e-3, 1e-3, 1.1e-3]),
    ...rated({ flops: 2e6, bytes: 1e6 }, 1e-3, { flopsPerSecond: 4e9, bytesPerSecond: 4e9 }),
    figures: { dispatches: 1234 },
  };
  const wrong: BenchRow = {
    bench: 'matmul',
    title: 'matmul NT',
    sizes: { M: 30, N: 40 },
    contestant: 'couplet',
    outcome: 'wrong',
    error: 0.5,
    message: 'c is off',
  };
  expect(formatTable([ok, wrong])).toEqual([
    'kernel or step  sizes      by          time    ±  GFLOP/s  GB/s  of roofline  dispatches   error',
    'matmul NN       M 3 N 4    couplet  1.00 ms  5 %      2.0   1.0       50.0 %       1,234  2.0e-7',
    'matmul NT       M 30 N 40  couplet                                                        5.0e-1  WRONG: c is off',
  ]);
  expect(formatTable([{ ...ok, rooflineShare: 0.5, error: 0 }]).join()).not.toContain('WRONG');
});

test('sizes by name, with dimensions to replace', () => {
  const names = (text: string | undefined, software: boolean) =>
    parseSizes(text, software).map(({ name }) => name);
  expect(names(undefined, true)).toEqual(['browser', 'odd']);
  expect(names(undefined, false)).toEqual(['paper', 'browser', 'odd']);
  expect(names('odd, paper,odd', true)).toEqual(['odd', 'paper']);
  const [only] = parseSizes('B=32,h=128', true);
  expect(only).toMatchObject({ name: 'browser*', dimensions: { B: 32, H: 128, V: 8000 }, squares: [128] });
  const both = parseSizes('paper,V=7,odd', true);
  expect(both.map(({ name, dimensions: { V, H }, squares }) => [name, V, H, squares])).toEqual([
    ['paper*', 7, 1000, [2048, 4096]],
    ['odd*', 7, 35, [67]],
  ]);
});

test.each([
  ['brwoser', "--sizes: there are no sizes 'brwoser': did you mean browser?"],
  ['', "--sizes: there are no sizes ''"],
  [
    'odd,Q=3',
    "--sizes: 'Q=3' names no dimension; names are paper, browser, odd, dimensions B, S, T, E, H, V",
  ],
  ['H=0', "--sizes: 'H=0' should be a whole number from 1 to 16777216"],
  ['H=1e3', "--sizes: 'H=1e3' should be"],
  ['H=-4', "--sizes: 'H=-4' should be"],
  ['H=', "--sizes: 'H=' should be"],
])('sizes %j are refused', (text, message) => {
  expect(() => parseSizes(text, true)).toThrow(UsageError);
  expect(() => parseSizes(text, true)).toThrow(message);
});
