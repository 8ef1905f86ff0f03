/** Bounds for what is drawn: wide enough that a right kernel stays inside, narrow enough that a wrong one does not. */
import { expect } from 'vitest';

/** Four standard deviations of the number of hits among `n` draws of this probability; 0 where nothing is left to chance. */
export function rateBound(n: number, probability: number): number {
  return 4 * Math.sqrt(n * probability * (1 - probability));
}

/**
 * Pearson's χ² of draws against weights, which must lie below its mean by four deviations at most: its mean is the number
 * of degrees of freedom, its variance twice that. An id of weight 0 may not occur.
 */
export function expectFrequencies(draws: ArrayLike<number>, weights: readonly number[]): void {
  const counts = new Array<number>(weights.length).fill(0);
  for (const id of Array.from(draws)) {
    expect(weights[id] ?? 0, `the weight of ${id}`).toBeGreaterThan(0);
    counts[id]! += 1;
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let [squares, freedom] = [0, -1];
  for (const [id, weight] of weights.entries()) {
    if (weight === 0) continue;
    const expected = (draws.length * weight) / total;
    expect(expected, `draws of ${id} to be expected`).toBeGreaterThan(5);
    squares += (counts[id]! - expected) ** 2 / expected;
    freedom += 1;
  }
  expect(squares, 'χ²').toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
}
