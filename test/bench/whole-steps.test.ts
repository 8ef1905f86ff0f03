/** What whole steps are measured by: exponents, comparisons, floating-point operations, and the five configurations. */
import { expect, test } from 'vitest';
import { compareRows, formatComparisons } from '../../src/bench/compare.ts';
import { batchOf, configurations, modelOf, resized, stepFlops } from '../../src/bench/configurations.ts';
import { fitExponent } from '../../src/bench/fit-exponent.ts';
import type { BenchRow } from '../../src/bench/report.ts';
import { spreadOf } from '../../src/bench/spread.ts';
import { UsageError } from '../../src/errors.ts';

const named = (name: string) => configurations.find((one) => one.name === name)!;

test('the exponent of a power is found, whatever its factor; noise moves it little', () => {
  const sizes = [3, 5, 8, 21];
  for (const exponent of [-1, 0, 0.5, 2]) {
    expect(
      fitExponent(
        sizes,
        sizes.map((size) => 7 * size ** exponent),
      ),
    ).toBeCloseTo(exponent, 12);
  }
  // By hand: the slope through (ln 1, ln 1), (ln 2, ln 2), (ln 4, ln 8) is that of 0, 1, 3 against 0, 1, 2.
  expect(fitExponent([1, 2, 4], [1, 2, 8])).toBeCloseTo(1.5, 12);
});

test.each([
  [[1], [1]],
  [
    [2, 2],
    [1, 3],
  ],
  [
    [1, 2],
    [0, 1],
  ],
  [[1, 2], [1]],
])('no exponent of sizes %j and costs %j', (sizes, costs) => {
  expect(() => fitExponent(sizes, costs)).toThrow(RangeError);
});

test('rows of the same work are compared, each of ours with each peer; losses are told', () => {
  const work = { bench: 'matmul', title: 'matmul NN', sizes: { M: 3, N: 4, K: 5 }, outcome: 'ok' } as const;
  const row = (contestant: string, seconds: number, more: Partial<BenchRow> = {}): BenchRow => ({
    ...work,
    contestant,
    seconds: spreadOf([seconds]),
    ...more,
  });
  const rows: BenchRow[] = [
    row('ours', 0.002, { cpuSeconds: spreadOf([0.004]) }),
    row('slow', 0.008, { cpuSeconds: spreadOf([0.1]) }),
    row('fast', 0.0005),
    row('elsewhere', 1, { sizes: { M: 3, N: 4, K: 6 } }),
    { ...work, contestant: 'broken', outcome: 'failed', message: 'why' },
  ];
  const found = compareRows(rows, (contestant) => contestant === 'ours');
  expect(found.map(({ peer, ratio, cpuRatio }) => [peer, ratio, cpuRatio])).toEqual([
    ['slow', 4, 25],
    ['fast', 0.25, undefined],
  ]);
  const [, slow, fast] = formatComparisons(found);
  expect(slow).toMatch(/ours {2}2\.00 ms {2}slow {2}8\.00 ms {2}ours 4\.0× +ours 25×$/);
  expect(fast).toMatch(/fast {2}500 µs {3}fast 4\.0×$/);
});

test('operations of a step: `small` by hand, an encoder of two directions, one more layer', () => {
  // Encoder and decoder cell, scores and context, attentional vector, logits; 1280 tokens, backward twice forward.
  const perToken = 2 * 8 * 256 * 512 + 4 * 20 * 256 + 4 * 256 * 256 + 2 * 256 * 2000;
  expect(stepFlops(named('small'))).toBe(3 * 64 * 20 * perToken);
  const tiny = named('tiny');
  const { B, S, H, E } = tiny.sizes;
  const twoWays = { ...tiny, bidirectional: true };
  expect(stepFlops(twoWays) - stepFlops(tiny)).toBe(
    3 * B * S * (2 * 8 * (H / 2) * (E + H / 2) - 8 * H * (E + H)),
  );
  expect(stepFlops({ ...tiny, layers: 2 }) - stepFlops(tiny)).toBe(3 * B * 2 * S * 8 * H * 2 * H);
});

test('configurations at other sizes', () => {
  expect(resized(named('tiny'), {})).toBe(named('tiny'));
  expect(resized(named('tiny'), { H: 9 })).toMatchObject({ name: 'tiny*', sizes: { B: 16, E: 64, H: 9 } });
  expect(() => modelOf(resized(named('medium'), { H: 9 }))).toThrow(UsageError);
  const { source, targetOutput } = batchOf(resized(named('tiny'), { B: 3, S: 4, T: 5, V: 7 }));
  expect([source.length, targetOutput.length]).toEqual([12, 15]);
  expect([...source, ...targetOutput].every((id) => id >= 4 && id < 7)).toBe(true);
});
