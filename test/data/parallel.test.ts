import { describe, expect, it } from 'vitest';
import { pairLines, parseTsv } from '../../src/data/parallel.ts';
import { DataError } from '../../src/errors.ts';

describe('pairLines', () => {
  it('puts lines side by side', () => {
    const text = pairLines({ name: 'a.en', lines: ['x', ''] }, { name: 'a.ja', lines: ['y', 'z'] });
    expect(text).toEqual({ name: 'a.en and a.ja', source: ['x', ''], target: ['y', 'z'] });
  });

  it('names both files and both counts if they are misaligned', () => {
    expect(() => pairLines({ name: 'a.en', lines: ['x', 'y'] }, { name: 'a.ja', lines: ['y'] })).toThrow(
      new DataError('Parallel files must have the same number of lines, but a.en has 2 and a.ja has 1.'),
    );
  });
});

describe('parseTsv', () => {
  const tsv = (...lines: string[]) => ({ name: 'a.tsv', lines });

  it('takes source and target from the first two columns, or from others', () => {
    const text = parseTsv(tsv('adja\tɒ ɟː ɒ', '', 'b\t'));
    expect(text).toEqual({ name: 'a.tsv', source: ['adja', '', 'b'], target: ['ɒ ɟː ɒ', '', ''] });
    const other = parseTsv(tsv('1\tx\ty', '2\tz\tw'), { sourceColumn: 3, targetColumn: 2 });
    expect(other).toEqual({ name: 'a.tsv', source: ['y', 'w'], target: ['x', 'z'] });
  });

  it('names the line with too few columns', () => {
    expect(() => parseTsv(tsv('a\tb', 'c d'))).toThrow(/^a\.tsv: line 2 has 1 column, and 2 are needed/);
  });

  it('finds a stray tab', () => {
    expect(() => parseTsv(tsv('', 'a\tb', 'c\td\te'))).toThrow(
      /^a\.tsv: line 3 has 3 columns, but line 2 has 2\./,
    );
  });
});
