import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/data/random.ts';
import { ConfigError, DataError } from '../../../src/errors.ts';
import { lengthTable, scoreByLength } from '../../../src/train/metrics/by-length.ts';

describe('scoreByLength', () => {
  it('puts every line into one range, in order', () => {
    const random = new Random(5);
    const lengths = Array.from({ length: 500 }, () => random.below(70));
    const rows = scoreByLength(lengths, (indices) => indices);
    expect(rows.map(({ label }) => label)).toEqual(['0', '1–10', '11–20', '21–30', '31–40', '41–50', '51+']);
    expect(rows.flatMap(({ score }) => score).sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    for (const { from, to, lines, score } of rows) {
      expect(lines).toBe(score.length);
      expect(score).toEqual(score.toSorted((a, b) => a - b));
      expect(score.every((line) => from <= lengths[line]! && lengths[line]! <= to)).toBe(true);
    }
  });

  it('takes other edges, and leaves out ranges without a line', () => {
    const rows = scoreByLength(Uint32Array.of(9, 3, 2, 4, 9), (indices) => indices.length, [1, 3, 4, 8]);
    expect(rows).toEqual([
      { from: 2, to: 3, label: '2–3', lines: 2, score: 2 },
      { from: 4, to: 4, label: '4', lines: 1, score: 1 },
      { from: 9, to: Number.POSITIVE_INFINITY, label: '9+', lines: 2, score: 2 },
    ]);
    expect(scoreByLength([5], () => 1, []).map(({ label }) => label)).toEqual(['1+']);
  });

  it('is shown as a table', () => {
    const rows = scoreByLength([3, 12, 14, 80], (indices) => indices.length / 4);
    const columns = {
      BLEU: (score: number) => (100 * score).toFixed(1),
      share: (score: number) => `${score}`,
    };
    expect(lengthTable(rows, columns)).toEqual([
      'length  lines  BLEU  share',
      '1–10        1  25.0   0.25',
      '11–20       2  50.0    0.5',
      '51+         1  25.0   0.25',
    ]);
  });

  it('refuses edges that do not increase, and no lines', () => {
    for (const edges of [[10, 10], [0, 5], [5, 3], [2.5], [Number.NaN]]) {
      expect(() => scoreByLength([1], () => 0, edges)).toThrow(ConfigError);
    }
    expect(() => scoreByLength([1], () => 0, [5, 3])).toThrow('increasing positive integers, not 5, 3.');
    expect(() => scoreByLength([], () => 0)).toThrow(DataError);
  });
});
