import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';

describe('Random', () => {
  it('is xoshiro128**: the numbers of the reference C program', () => {
    const first = Random.fromState([0x964d4a0c, 0xd40ab895, 0xad7fdecb, 0x3006f0f0]);
    expect([1, 2, 3, 4].map(() => first.uint32())).toEqual([0xf1391922, 0x6fe53806, 0xa5be2840, 0xf510ee70]);
    const second = Random.fromState([1, 2, 3, 4]);
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ];
    expect(expected.map(() => second.uint32())).toEqual(expected);
    for (let i = 10; i < 100_000; i++) second.uint32();
    expect(second.uint32()).toBe(68908208);
    expect(() => Random.fromState([0, 0, 0, 0])).toThrow(RangeError);
  });

  it('gives every key its own stream, and the same one each time', () => {
    const keys = [
      [],
      [0],
      [1],
      [-1],
      [0, 0],
      [0, 1],
      [1, 0],
      [2 ** 32],
      [2 ** 32 + 1],
      [Number.MAX_SAFE_INTEGER],
    ];
    const starts = keys.map((key) => new Random(...key).uint32());
    expect(new Set(starts).size).toBe(keys.length);
    expect(keys.map((key) => new Random(...key).uint32())).toEqual(starts);
    expect(() => new Random(0.5)).toThrow(RangeError);
  });

  it('has no close relation between neighbouring seeds', () => {
    // Of 32 bits, 16 ± 2.8 differ by chance; the mean over 1000 pairs lies within 16 ± 0.45 (5 standard errors).
    let differing = 0;
    for (let seed = 0; seed < 1000; seed++) {
      let bits = new Random(7, seed).uint32() ^ new Random(7, seed + 1).uint32();
      for (; bits !== 0; bits &= bits - 1) differing++;
    }
    expect(Math.abs(differing / 1000 - 16)).toBeLessThan(0.45);
  });

  it('draws every integer below n equally often', () => {
    const random = new Random(5);
    const seen = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) seen[random.below(7)]!++;
    // Chi-squared with 6 degrees of freedom exceeds 27.9 once in 10,000 times.
    const chiSquared = seen.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquared).toBeLessThan(27.9);
    // Remainders alone would put half of the numbers below 2^30, not a third (standard error 0.005).
    const n = 3 * 2 ** 30;
    let low = 0;
    for (let i = 0; i < 9000; i++) if (random.below(n) < 2 ** 30) low++;
    expect(Math.abs(low / 9000 - 1 / 3)).toBeLessThan(0.02);
    expect(random.below(1)).toBe(0);
    for (const n of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => random.below(n)).toThrow(RangeError);
  });

  it('has uniform numbers of [0, 1)', () => {
    const random = new Random(6);
    const numbers = Array.from({ length: 20_000 }, () => random.uniform());
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    // The mean's standard error is 0.002.
    expect(Math.abs(numbers.reduce((a, b) => a + b) / 20_000 - 0.5)).toBeLessThan(0.01);
  });

  it('shuffles into every order equally often', () => {
    const random = new Random(8);
    const seen = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = random.shuffle([0, 1, 2, 3]).join('');
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.size).toBe(24);
    // Chi-squared with 23 degrees of freedom exceeds 58.6 once in 20,000 times.
    const chiSquared = [...seen.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeLessThan(58.6);
  });
});
