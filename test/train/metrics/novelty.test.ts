import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.ts';
import { novelty } from '../../../src/train/metrics/novelty.ts';

describe('novelty', () => {
  it('counts lines that were not read, and different ones', () => {
    const generated = ['a', 'b', 'b', 'c', 'A'];
    const expected = { novelShare: 3 / 5, distinctShare: 4 / 5, lines: 5, novel: 3, distinct: 4 };
    expect(novelty(generated, ['a', 'c', 'x'])).toEqual(expected);
    expect(novelty(generated, new Set(['a', 'c', 'x']))).toEqual(expected);
    expect(novelty(['a'], [])).toMatchObject({ novelShare: 1, distinctShare: 1 });
    expect(() => novelty([], ['a'])).toThrow(DataError);
  });
});
