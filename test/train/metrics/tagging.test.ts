import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.ts';
import { tokenAccuracy } from '../../../src/train/metrics/accuracy.ts';
import { entitiesOf, entityScores, entityTable, isEntityTag } from '../../../src/train/metrics/tagging.ts';
import fixtures from '../../golden/metrics.json' with { type: 'json' };

const withConlleval = fixtures.entities.flatMap(({ conlleval, ...rest }) =>
  conlleval ? [{ ...rest, conlleval }] : [],
);
/** As conlleval.pl prints it. */
const rounded = (share: number) => Number((100 * share).toFixed(2));
const found = (text: string) =>
  entitiesOf(text.split(' ')).map(({ type, start, end }) => `${type} ${start}-${end}`);

describe('entityScores', () => {
  it.each(fixtures.entities)("are seqeval's: $name", ({ predictions, references, seqeval }) => {
    const scores = entityScores(predictions, references);
    expect(tokenAccuracy(predictions, references).rate).toBe(seqeval.accuracy);
    expect(scores.precision).toBeCloseTo(seqeval.precision, 12);
    expect(scores.recall).toBeCloseTo(seqeval.recall, 12);
    expect(scores.f1).toBeCloseTo(seqeval.f1, 12);
    expect(scores.types.map(({ type, references }) => ({ type, references }))).toEqual(
      seqeval.types.map(({ type, references }) => ({ type, references })),
    );
    for (const [i, { precision, recall, f1 }] of seqeval.types.entries()) {
      expect(scores.types[i]!.precision).toBeCloseTo(precision, 12);
      expect(scores.types[i]!.recall).toBeCloseTo(recall, 12);
      expect(scores.types[i]!.f1).toBeCloseTo(f1, 12);
    }
    const entities = predictions.map((tags) =>
      entitiesOf(tags).map(({ type, start, end }) => [type, start, end - 1]),
    );
    expect(entities).toEqual(seqeval.entities);
  });

  it.each(withConlleval)("are conlleval.pl's: $name", ({ predictions, references, conlleval }) => {
    const { types, ...total } = entityScores(predictions, references);
    const accuracy = tokenAccuracy(predictions, references);
    expect({
      ...total,
      precision: rounded(total.precision),
      recall: rounded(total.recall),
      f1: rounded(total.f1),
      tokens: accuracy.total,
      accuracy: rounded(accuracy.rate),
      types: types.map(({ type, precision, recall, f1, predicted }) => ({
        type,
        precision: rounded(precision),
        recall: rounded(recall),
        f1: rounded(f1),
        predicted,
      })),
    }).toEqual(conlleval);
  });

  it('are listed by type and for all', () => {
    const references = ['B-PER I-PER O B-LOC', 'B-LOC'].map((line) => line.split(' '));
    const predictions = ['B-PER I-PER O O', 'B-PER'].map((line) => line.split(' '));
    expect(entityTable(entityScores(predictions, references))).toEqual([
      'type  precision  recall     F1  correct  predicted  references',
      'LOC        0.00    0.00   0.00        0          0           2',
      'PER       50.00  100.00  66.67        1          2           1',
      'all       50.00   33.33  40.00        1          2           3',
    ]);
  });

  it('refuse what does not fit', () => {
    expect(() => entityScores([['O']], [['O'], ['O']])).toThrow(DataError);
    expect(() => entityScores([['O'], ['O', 'O']], [['O'], ['O']])).toThrow(
      new DataError('Sentence 2 has 1 tags, but 2 were predicted.'),
    );
    expect(() => entityScores([['O', 'NOUN']], [['O', 'O']])).toThrow(
      'The tag "NOUN" marks no entity (O, or B-, I-, E- or S- and a type): entity F1 does not apply.',
    );
  });
});

describe('entitiesOf', () => {
  it.each([
    ['O B-A I-A O', ['A 1-3']],
    ['I-A I-A B-A I-B', ['A 0-2', 'A 2-3', 'B 3-4']],
    ['B-A E-A S-A S-A I-A', ['A 0-2', 'A 2-3', 'A 3-4', 'A 4-5']],
    ['E-A E-A I-A B-A', ['A 0-1', 'A 1-2', 'A 2-3', 'A 3-4']],
    ['B-a-b I-a-b I-a', ['a-b 0-2', 'a 2-3']],
    ['B I O I', [' 0-2', ' 3-4']],
    ['O', []],
  ])('of %j', (tags, entities) => {
    expect(found(tags)).toEqual(entities);
  });

  it('is empty for no tags', () => {
    expect(entitiesOf([])).toEqual([]);
  });
});

describe('isEntityTag', () => {
  it('knows tags of entities from others', () => {
    expect(['O', 'B-PER', 'I-x.y', 'E-', 'S', 'B-\n'].map(isEntityTag)).toEqual(new Array(6).fill(true));
    expect(['NOUN', 'INTJ', 'o', 'O-PER', 'BPER', '', 'L-PER', 'b-PER', '.'].map(isEntityTag)).toEqual(
      new Array(9).fill(false),
    );
  });
});
