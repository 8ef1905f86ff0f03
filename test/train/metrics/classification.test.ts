import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.ts';
import {
  classificationScores,
  classTable,
  confusionTable,
} from '../../../src/train/metrics/classification.ts';
import fixtures from '../../golden/metrics.json' with { type: 'json' };

describe('classificationScores', () => {
  it.each(fixtures.classification)(
    "are scikit-learn's: $name",
    ({ references, predictions, ...expected }) => {
      const scores = classificationScores(predictions, references);
      expect(scores.accuracy).toBe(expected.accuracy);
      expect(scores.total).toBe(references.length);
      for (const [i, part] of (['macroPrecision', 'macroRecall', 'macroF1'] as const).entries()) {
        expect(Math.abs(scores[part] - expected.macro[i]!)).toBeLessThan(1e-12);
      }
      expect(scores.classes.map(({ name }) => name)).toEqual(expected.classes.map(({ name }) => name));
      for (const [i, { precision, recall, f1, references }] of expected.classes.entries()) {
        const own = scores.classes[i]!;
        expect(own.references).toBe(references);
        expect(Math.abs(own.precision - precision)).toBeLessThan(1e-12);
        expect(Math.abs(own.recall - recall)).toBeLessThan(1e-12);
        expect(Math.abs(own.f1 - f1)).toBeLessThan(1e-12);
      }
      expect(scores.confusion).toEqual(expected.confusion);
    },
  );

  it('count rows as right classes and columns as predicted ones', () => {
    const scores = classificationScores(['a', 'b', 'c', 'b'], ['a', 'a', 'a', 'b']);
    expect(scores.confusion).toEqual([
      [1, 1, 1],
      [0, 1, 0],
      [0, 0, 0],
    ]);
    expect(scores.classes[1]).toEqual({
      name: 'b',
      precision: 1 / 2,
      recall: 1,
      f1: 2 / 3,
      references: 1,
      predicted: 2,
      correct: 1,
    });
    // c was only predicted, and counts with 0.
    expect(scores.macroF1).toBeCloseTo((1 / 2 + 2 / 3 + 0) / 3, 12);
    expect(confusionTable(scores)).toEqual([
      'right \\ predicted  a  b  c',
      'a                  1  1  1',
      'b                  0  1  0',
      'c                  0  0  0',
    ]);
    expect(classTable(scores)).toEqual([
      'class          precision  recall    F1  examples',
      'a                  100.0    33.3  50.0         3',
      'b                   50.0   100.0  66.7         1',
      'c                    0.0     0.0   0.0         0',
      'macro average       50.0    44.4  38.9         4',
    ]);
  });

  it('take any name for a class', () => {
    expect(classificationScores(['__proto__', 'toString'], ['__proto__', '__proto__'])).toMatchObject({
      accuracy: 1 / 2,
      confusion: [
        [1, 1],
        [0, 0],
      ],
    });
  });

  it('refuse lists that do not fit', () => {
    expect(() => classificationScores(['a'], [])).toThrow(DataError);
    expect(() => classificationScores([], [])).toThrow(DataError);
  });
});
