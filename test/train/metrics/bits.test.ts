import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.ts';
import { bitsPerCharacter, countCharacters } from '../../../src/train/metrics/bits.ts';

describe('bitsPerCharacter', () => {
  it('is the logarithm of a uniform choice', () => {
    expect(bitsPerCharacter(7 * Math.log(32), 7)).toBeCloseTo(5, 12);
    // A word model that is sure of words of four letters and a space each among 1024.
    expect(bitsPerCharacter(3 * Math.log(1024), 15)).toBeCloseTo(2, 12);
    expect(bitsPerCharacter(0, 3)).toBe(0);
    for (const none of [0, Number.NaN]) expect(() => bitsPerCharacter(1, none)).toThrow(DataError);
  });

  it('counts code points and line ends', () => {
    expect(countCharacters(['ab', '', '𠀀e\u0301'])).toBe(8);
    expect(countCharacters([])).toBe(0);
  });
});
