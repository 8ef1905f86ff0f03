import { describe, expect, test } from 'vitest';
import { editDistance, nearest } from '../../../src/nn/config/nearest.ts';

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['bacth_size', 'batch_size', 1],
    ['ca', 'abc', 3],
    ['epoch', 'epochs', 1],
  ])('%j to %j takes %i edits', (a, b, expected) => {
    expect(editDistance(a, b)).toBe(expected);
    expect(editDistance(b, a)).toBe(expected);
  });
});

describe('nearest', () => {
  const keys = ['batch_size', 'batch_type', 'epochs', 'eps'];

  test.each([
    ['bacth_size', 'batch_size'],
    ['batchSize', 'batch_size'],
    ['batch-type', 'batch_type'],
    ['EPOCHS', 'epochs'],
    ['epoch', 'epochs'],
  ])('%s means %s', (word, expected) => expect(nearest(word, keys)).toBe(expected));

  test.each(['', 'zzz', 'optimizer', 'x'.repeat(1_000_000)])('nothing is near enough', (word) => {
    expect(nearest(word, keys)).toBeUndefined();
  });
});
