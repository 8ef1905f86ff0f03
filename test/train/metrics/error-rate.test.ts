import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/data/random.ts';
import { DataError } from '../../../src/errors.ts';
import { sequenceAccuracy, tokenAccuracy } from '../../../src/train/metrics/accuracy.ts';
import { editDistance } from '../../../src/train/metrics/edit-distance.ts';
import { sequenceErrorRate, tokenErrorRate } from '../../../src/train/metrics/error-rate.ts';
import { perplexity } from '../../../src/train/metrics/perplexity.ts';

const split = (...lines: string[]) => lines.map((line) => line.split(' ').filter((token) => token !== ''));

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['intention', 'execution', 5],
    ['abc', 'acb', 2],
    ['flaw', 'lawn', 2],
  ])('of %j and %j is %i', (a, b, edits) => {
    expect(editDistance(a, b)).toBe(edits);
  });

  it('is that of its recursive definition', () => {
    const recursive = (a: string, b: string): number => {
      if (a === '' || b === '') return a.length + b.length;
      const [restA, restB] = [a.slice(1), b.slice(1)];
      if (a[0] === b[0]) return recursive(restA, restB);
      return 1 + Math.min(recursive(restA, restB), recursive(restA, b), recursive(a, restB));
    };
    const random = new Random(1);
    const word = () => Array.from({ length: random.below(7) }, () => 'abc'[random.below(3)]).join('');
    for (let round = 0; round < 300; round++) {
      const [a, b] = [word(), word()];
      expect(editDistance(a, b)).toBe(recursive(a, b));
    }
  });
});

describe('error rates and accuracies', () => {
  // One substitution; one deletion; right; two insertions.
  const hypotheses = split('a b x', 'a c', 'd', 'e f g');
  const references = split('a b c', 'a b c', 'd', 'e');

  it('count edits per token of the references', () => {
    expect(tokenErrorRate(hypotheses, references)).toEqual({ rate: 4 / 8, edits: 4, tokens: 8 });
    expect(tokenErrorRate(split('a b c'), split('a')).rate).toBe(2);
  });

  it('count sequences with any error', () => {
    expect(sequenceErrorRate(hypotheses, references)).toEqual({ rate: 3 / 4, wrong: 3, sequences: 4 });
    expect(sequenceErrorRate(split('a b'), split('a')).rate).toBe(1);
    expect(sequenceErrorRate(split('', 'a'), split('', 'a')).rate).toBe(0);
  });

  it('count right tokens by position and right sequences', () => {
    expect(tokenAccuracy(hypotheses, references)).toEqual({ rate: 5 / 10, correct: 5, total: 10 });
    expect(sequenceAccuracy(hypotheses, references)).toEqual({ rate: 1 / 4, correct: 1, total: 4 });
    expect(tokenAccuracy([Uint32Array.of(4, 5, 3)], [[4, 6, 3]])).toEqual({
      rate: 2 / 3,
      correct: 2,
      total: 3,
    });
  });

  it('are defined where references are empty', () => {
    expect(tokenErrorRate(split(''), split(''))).toEqual({ rate: 0, edits: 0, tokens: 0 });
    expect(tokenErrorRate(split('a'), split(''))).toEqual({
      rate: Number.POSITIVE_INFINITY,
      edits: 1,
      tokens: 0,
    });
    expect(tokenAccuracy(split(''), split('')).rate).toBe(1);
  });

  it('refuse lists that do not fit', () => {
    for (const metric of [tokenErrorRate, sequenceErrorRate, tokenAccuracy, sequenceAccuracy]) {
      expect(() => metric([['a']], [])).toThrow(new DataError('There are 1 hypotheses but 0 references.'));
      expect(() => metric([], [])).toThrow(DataError);
    }
  });
});

describe('perplexity', () => {
  it('is the size of a uniform choice', () => {
    expect(perplexity(7 * Math.log(12), 7)).toBeCloseTo(12, 10);
    expect(perplexity(0, 3)).toBe(1);
    expect(perplexity(1e6, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(() => perplexity(0, 0)).toThrow(DataError);
  });
});
