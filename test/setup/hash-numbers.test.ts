/** The generator agrees bit for bit with the sample that test/golden/hash_numbers.py wrote. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hashIds, hashUniform } from './hash-numbers.ts';

interface Sample {
  uniform: { seed: number; count: number; scale: number; bits: string[] }[];
  long: { seed: number; count: number; scale: number; last: string; checksum: string };
  ids: { seed: number; count: number; low: number; high: number; ids: number[] }[];
}
const sample = JSON.parse(
  readFileSync(new URL('../golden/hash-sample.json', import.meta.url), 'utf8'),
) as Sample;

const bitsOf = (values: Float32Array<ArrayBuffer>): Uint32Array => new Uint32Array(values.buffer);
const hex = (bits: number): string => bits.toString(16).padStart(8, '0');

describe('hash numbers are those of the Python side', () => {
  test.each(sample.uniform)('uniform, seed $seed, scale $scale', ({ seed, count, scale, bits }) => {
    expect(bits).toHaveLength(count);
    expect([...bitsOf(hashUniform(seed, count, scale))].map(hex)).toEqual(bits);
  });

  test('uniform, every element of a long array', () => {
    const { seed, count, scale, last, checksum } = sample.long;
    const bits = bitsOf(hashUniform(seed, count, scale));
    let sum = 0;
    bits.forEach((value, i) => {
      sum = (sum + Math.imul(value, i + 1)) >>> 0;
    });
    expect(hex(bits[count - 1]!)).toBe(last);
    expect(hex(sum)).toBe(checksum);
  });

  test.each(sample.ids)('ids in [$low, $high), seed $seed', ({ seed, count, low, high, ids }) => {
    expect(ids).toHaveLength(count);
    expect([...hashIds(seed, count, low, high)]).toEqual(ids);
  });
});
