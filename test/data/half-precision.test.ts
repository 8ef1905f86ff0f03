import { expect, test } from 'vitest';
import { halfToNumber, roundToHalf } from '../../src/data/half-precision.ts';

test('every binary16 is its own nearest', () => {
  for (let half = 0; half < 2 ** 16; half++) {
    const value = halfToNumber(half);
    expect(Object.is(roundToHalf(value), value), `${half}`).toBe(true);
  }
});

test('rounds to the nearest, halfway to the even one, beyond the largest to infinity', () => {
  for (const half of [0, 1, 2, 1023, 1024, 0x3c00, 0x3c01, 0x7bfe]) {
    const [low, high] = [halfToNumber(half), halfToNumber(half + 1)];
    const middle = (low + high) / 2;
    const gap = (high - low) / 8;
    expect(roundToHalf(middle - gap)).toBe(low);
    expect(roundToHalf(middle + gap)).toBe(high);
    expect(roundToHalf(middle)).toBe(half % 2 === 0 ? low : high);
    expect(Math.abs(roundToHalf(-middle))).toBe(roundToHalf(middle));
  }
  expect(roundToHalf(65_519.9)).toBe(65_504);
  expect(roundToHalf(-65_520)).toBe(Number.NEGATIVE_INFINITY);
  expect(roundToHalf(1e-8)).toBe(0);
});
