import { describe, expect, it } from 'vitest';
import { describeCorpus, tokenizeCorpus } from '../../src/data/corpus.ts';
import { describeUnknown, encodeCorpus, encodeLines } from '../../src/data/dataset.ts';
import { Sequences } from '../../src/data/sequences.ts';
import { createTokenizer } from '../../src/data/tokenizer.ts';
import { Vocabulary } from '../../src/data/vocabulary.ts';
import { DataError } from '../../src/errors.ts';

const char = createTokenizer({ level: 'char' });
const word = createTokenizer({ level: 'word' });
const text = (...pairs: [string, string][]) => ({
  name: 'a.tsv',
  source: pairs.map(([source]) => source),
  target: pairs.map(([, target]) => target),
});

describe('tokenizeCorpus', () => {
  it('keeps what can be trained on and counts the rest by its first reason', () => {
    const corpus = tokenizeCorpus(
      text(
        ['ab', 'x y'],
        ['', 'x'],
        ['', ''],
        ['a', ' '],
        ['abc', 'x'],
        ['abc', 'x y z'],
        ['b', 'x y z'],
        ['a', 'y'],
      ),
      { source: char, target: word, maxSourceLength: 2, maxTargetLength: 2 },
    );
    expect([...corpus.lines]).toEqual([0, 7]);
    expect(corpus.report).toEqual({
      name: 'a.tsv',
      pairs: 8,
      kept: 2,
      emptySource: 2,
      emptyTarget: 1,
      longSource: 2,
      longTarget: 1,
      sourceTokens: 3,
      targetTokens: 3,
      literalSpecials: 0,
    });
    expect(describeCorpus(corpus.report)).toBe(
      'a.tsv: 2 of 8 pairs kept (dropped: 2 empty source, 1 empty target, 2 source too long, 1 target too long), ' +
        '3 source and 3 target tokens',
    );
    // Dropped pairs do not count for the vocabulary.
    expect([...corpus.target.counts]).toEqual([
      ['x', 1],
      ['y', 2],
    ]);
    expect([...corpus.source.counts]).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
  });

  it("keeps a language model's blank lines, which part its text", () => {
    const lines = text(['', 'ab'], ['', ''], ['', ' '], ['', 'abc'], ['', 'b']);
    const forms = { source: 'none', target: 'text' } as const;
    const corpus = tokenizeCorpus(lines, { source: word, target: char, forms, maxTargetLength: 2 });
    expect([...corpus.lines]).toEqual([0, 1, 2, 4]);
    expect(corpus.report).toMatchObject({ pairs: 5, kept: 4, emptySource: 0, emptyTarget: 0, longTarget: 1 });
    const targetVocabulary = Vocabulary.build(corpus.target.counts);
    const sourceVocabulary = new Vocabulary([], 'labels');
    const { target } = encodeCorpus(corpus, { sourceVocabulary, targetVocabulary, forms });
    const [a, b] = targetVocabulary.encode(['a', 'b']);
    expect(Array.from(target, (ids) => [...ids])).toEqual([[a, b, 3], [3], [3], [b, 3]]);
  });

  it('counts literal special tokens', () => {
    const { report } = tokenizeCorpus(text(['<s> a </s>', '<unk> __proto__']), {
      source: word,
      target: word,
    });
    expect(report.literalSpecials).toBe(3);
    expect(describeCorpus(report)).toBe(
      'a.tsv: 1 of 1 pairs kept, 3 source and 2 target tokens; 3 read like special tokens (<s> and the like) and are ' +
        'treated as unknown',
    );
    // As characters they are nothing special.
    expect(tokenizeCorpus(text(['<s>', 'x']), { source: char, target: char }).report.literalSpecials).toBe(0);
  });

  it('fails if nothing is left', () => {
    const options = { source: word, target: word };
    expect(() => tokenizeCorpus(text(['a', '']), options)).toThrow(
      new DataError(
        'a.tsv: 0 of 1 pairs kept (dropped: 1 empty target), 0 source and 0 target tokens. Nothing is left to work with.',
      ),
    );
    expect(() => tokenizeCorpus(text(), options)).toThrow(/a\.tsv is empty: it holds no pairs/);
  });
});

describe('encodeCorpus', () => {
  const corpus = tokenizeCorpus(text(['abc', 'x <s> y'], ['', ''], ['ca', 'y']), {
    source: char,
    target: word,
  });
  const sourceVocabulary = new Vocabulary(['a', 'c']);
  const targetVocabulary = new Vocabulary(['x', 'y']);

  it('gives ids that end with </s>', () => {
    const dataset = encodeCorpus(corpus, { sourceVocabulary, targetVocabulary });
    expect([...dataset.source].map((ids) => [...ids])).toEqual([
      [4, 0, 5, 3],
      [5, 4, 3],
    ]);
    expect([...dataset.target].map((ids) => [...ids])).toEqual([
      [4, 0, 5, 3],
      [5, 3],
    ]);
    expect([...dataset.lines]).toEqual([0, 2]);
    expect(dataset.sourceUnknown).toEqual({ unknown: 1, tokens: 5, rate: 0.2 });
    expect(dataset.targetUnknown).toEqual({ unknown: 1, tokens: 4, rate: 0.25 });
    expect(describeUnknown(dataset)).toBe(
      'a.tsv: 20.0 % of the source and 25.0 % of the target tokens are unknown',
    );
  });

  it('reverses the words of the source, not its end token', () => {
    const dataset = encodeCorpus(corpus, { sourceVocabulary, targetVocabulary, reverseSource: true });
    expect([...dataset.source].map((ids) => [...ids])).toEqual([
      [5, 0, 4, 3],
      [4, 5, 3],
    ]);
    expect([...dataset.target.at(0)]).toEqual([4, 0, 5, 3]);
  });

  it('encodes lines for translation without dropping any', () => {
    const { sequences, unknown, literalSpecials } = encodeLines(
      ['x <s> y', '', ' z'],
      word,
      targetVocabulary,
    );
    expect([...sequences].map((ids) => [...ids])).toEqual([[4, 0, 5, 3], [3], [0, 3]]);
    expect(unknown).toEqual({ unknown: 2, tokens: 4, rate: 0.5 });
    expect(literalSpecials).toBe(1);
    const reversed = encodeLines(['x <s> y'], word, targetVocabulary, { reverse: true });
    expect([...reversed.sequences.at(0)]).toEqual([5, 0, 4, 3]);
  });
});

describe('Sequences', () => {
  it('holds any number of sequences of any length', () => {
    const lists = Array.from({ length: 700 }, (_, i) =>
      Array.from({ length: (i * 7) % 23 }, (_, j) => i * 100 + j),
    );
    const sequences = Sequences.from(lists);
    expect([...sequences].map((ids) => [...ids])).toEqual(lists);
    expect([sequences.count, sequences.longest]).toEqual([700, 22]);
    expect(sequences.totalLength).toBe(lists.flat().length);
    expect(sequences.lengthOf(3)).toBe(21);
    const none = Sequences.from([]);
    expect([none.count, none.longest, none.totalLength]).toEqual([0, 0, 0]);
    const long = Sequences.from([[], new Uint32Array(5000).fill(7), []]);
    expect([long.lengthOf(0), long.lengthOf(1), long.lengthOf(2), long.at(1)[4999]]).toEqual([0, 5000, 0, 7]);
  });
});
