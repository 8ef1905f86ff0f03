/** How close numbers from the device must come to the reference. */
import { expect } from 'vitest';

/** Relative to the largest absolute value of the expected tensor. */
export const forwardTolerance = 1e-5;
export const gradientTolerance = 1e-4;

/**
 * Fails unless every value is within `relative` × the largest absolute expected value. All-zero expectations must be
 * met exactly; anything that is not finite fails.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  relative: number,
  label: string,
): void {
  expect(actual.length, `${label}: number of values`).toBe(expected.length);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  expect(Number.isFinite(scale), `${label}: the reference is finite`).toBe(true);
  let worst = 0;
  let worstError = -1;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= worstError)) [worst, worstError] = [i, Number.isNaN(error) ? Infinity : error];
    if (worstError === Infinity) break;
  }
  if (worstError <= relative * scale) return;
  expect.fail(
    `${label}[${worst}]: ${actual[worst]} instead of ${expected[worst]}, off by ${worstError.toExponential(2)} ` +
      `where ${(relative * scale).toExponential(2)} (${relative} of ${scale}) is allowed`,
  );
}
