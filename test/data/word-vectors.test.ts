import { describe, expect, it } from 'vitest';
import { Vocabulary } from '../../src/data/vocabulary.ts';
import {
  describeCoverage,
  readWordVectors,
  type WordVectorOptions,
  WordVectorReader,
} from '../../src/data/word-vectors.ts';
import { DataError } from '../../src/errors.ts';

// Ids 4 to 8.
const vocabulary = new Vocabulary(['the', 'The', 'cat', 'Paris', '__proto__']);
const read = (text: string, options?: WordVectorOptions) =>
  readWordVectors(text.split('\n'), vocabulary, 'v.txt', options);
const entries = (text: string, options?: WordVectorOptions) =>
  [...read(text, options).vectors].map(([id, vector]) => [vocabulary.tokenOf(id), ...vector]);

describe('readWordVectors', () => {
  it('reads GloVe: no first line of numbers', () => {
    expect(entries('the 0.5 -1 2\ndog 1 1 1\ncat 1e-3 .25 3.\n')).toEqual([
      ['the', 0.5, -1, 2],
      ['cat', Math.fround(1e-3), 0.25, 3],
    ]);
  });

  it('reads word2vec and fastText: a first line of numbers, a space at the end of lines', () => {
    const vectors = read('4 3\n</s> 0 0 0 \nthe 0.5 -1 2 \n__proto__ 4 5 6 \n2024 7 8 9 \n');
    expect(vectors.dim).toBe(3);
    expect([...vectors.vectors]).toEqual([
      [4, Float32Array.of(0.5, -1, 2)],
      [8, Float32Array.of(4, 5, 6)],
    ]);
  });

  it('gives the float32 next to each number, bit for bit', () => {
    const texts = [
      '0.1',
      '-0.0',
      '1.17549435e-38',
      '1e-45',
      '16777217',
      '-0.27204',
      '3.4028234e38',
      '2.00000011920928955078125',
    ];
    const [vector] = [...read(`cat ${texts.join(' ')}`).vectors.values()];
    expect(vector!.every((value, i) => Object.is(value, Math.fround(Number(texts[i]))))).toBe(true);
    expect(vector![6]).toBe(2 ** 128 - 2 ** 104);
  });

  it('reads words with spaces from the right, and words of other whitespace', () => {
    const spaced = new Vocabulary(['\u00a0', '\u0085']);
    const lines = [
      'the 1 2',
      'the 9 lives 1 2',
      '. . . 3 4',
      'at name@domain.com 5 6',
      '\u00a0 7 8',
      '\u0085 9 10',
      ' 11 12',
    ];
    expect([...readWordVectors(lines, spaced, 'x').vectors]).toEqual([
      [4, Float32Array.of(7, 8)],
      [5, Float32Array.of(9, 10)],
    ]);
  });

  it('never gives a special token a vector', () => {
    expect(entries('<unk> 1 2\n</s> 3 4\n<s> 5 6\n<pad> 7 8\nthe 9 10')).toEqual([['the', 9, 10]]);
  });

  it('keeps the first of several lines of a word, and counts the others of known words', () => {
    const vectors = read('the 1 2\ndog 3 4\nthe 5 6\ndog 7 8\nthe 9 10\ncat 1 1');
    expect(vectors.duplicates).toBe(2);
    expect(vectors.vectors.get(4)).toEqual(Float32Array.of(1, 2));
  });

  it('lets the lower case stand in where it is told to, wherever it stands', () => {
    const text = 'the 1 2\nparis 3 4\nTHE 5 6\n';
    expect(entries(text)).toEqual([['the', 1, 2]]);
    const vectors = read(text, { lowercaseFallback: true });
    expect(vectors.vectors.get(5)).toEqual(Float32Array.of(1, 2));
    expect(vectors.vectors.get(7)).toEqual(Float32Array.of(3, 4));
    expect(vectors.coverage).toMatchObject({ types: { covered: 3, of: 5 }, byLowercase: 2 });
    expect(vectors.vectors.get(4)).not.toBe(vectors.vectors.get(5));
    // Its own vector is worth more, before and after.
    for (const both of ['The 7 8\nthe 1 2', 'the 1 2\nThe 7 8']) {
      const { vectors, coverage } = read(both, { lowercaseFallback: true });
      expect(vectors.get(5)).toEqual(Float32Array.of(7, 8));
      expect(coverage.byLowercase).toBe(0);
    }
  });

  it('tells how much of the vocabulary and of the text has vectors', () => {
    const counts = new Map([
      ['the', 70],
      ['cat', 20],
      ['Paris', 5],
      ['rare', 4],
      ['<s>', 1],
    ]);
    const vectors = read('the 1 2\nparis 1 2\nrare 1 2\nthe 3 4\n', { counts, lowercaseFallback: true });
    expect(vectors.coverage).toEqual({
      types: { covered: 3, of: 5, share: 0.6 },
      tokens: { covered: 75, of: 100, share: 0.75 },
      byLowercase: 2,
    });
    expect(describeCoverage(vectors)).toBe(
      'v.txt: 3 of 5 words have a vector of 2 numbers (60.0 %), 2 of them that of their lower case; ' +
        "75.0 % of the text's tokens; 1 duplicate line left out",
    );
    expect(describeCoverage(read('dog 1 2'))).toBe('v.txt: 0 of 5 words have a vector of 2 numbers (0.0 %)');
    expect(readWordVectors(['a 1'], new Vocabulary([]), 'x').coverage.types.share).toBe(0);
  });

  it('names the file and the line of a wrong number of numbers, known word or not', () => {
    for (const word of ['the', 'dog']) {
      expect(() => read(`a 1 2 3\n${word} 1 2\n`)).toThrow(
        new DataError('v.txt: line 2 has 2 numbers, and 3 are needed.'),
      );
      expect(() => read(`9 3\na 1 2 3\n${word} 1 2 3 4 5\n`)).toThrow(
        'v.txt: line 3 has 5 numbers, and 3 are needed.',
      );
      expect(() => read(`a 1 2 3\n${word}\n`)).toThrow('line 2 has 0 numbers');
    }
    expect(() => read('the 1 2 3\n', { dim: 2 })).toThrow(
      new DataError('v.txt: line 1 has vectors of 3 numbers, and 2 are needed.'),
    );
    expect(() => read('5 300\nthe 1 2\n', { dim: 2 })).toThrow(
      'line 1 has vectors of 300 numbers, and 2 are needed',
    );
    expect(read('the 1 2\n', { dim: 2 }).dim).toBe(2);
  });

  it('names the line of what is no number in a vector that is kept, or in the first', () => {
    for (const wrong of ['x', 'nan', 'inf', '1e39', '0x1', '', '1,5']) {
      expect(() => read(`dog 1 2 3\nthe 1 ${wrong} 3`)).toThrow(
        new DataError(
          `v.txt: line 2 has ${JSON.stringify(wrong)} for number 2 of the word "the", which is no finite number.`,
        ),
      );
    }
    expect(() => read('This is no vector\nnor is this one')).toThrow(
      'line 1 has "is" for number 1 of the word "This"',
    );
  });

  it('finds a file cut short, or empty', () => {
    expect(() => read('3 2\nthe 1 2\na 3 4\n')).toThrow(
      'v.txt: its first line says 3 vectors, but it holds 2. Is it cut short?',
    );
    for (const text of ['', '\n\n', '0 5\n', '5 3\n'])
      expect(() => read(text)).toThrow('v.txt holds no word vectors.');
    expect(() => read('the\n')).toThrow('v.txt: line 1 is no word with its vector.');
    expect(() => read('3 0\n')).toThrow('line 1 is no word');
  });

  it('reads lines as they arrive', () => {
    const reader = new WordVectorReader(vocabulary, 'x');
    for (const line of ['the 1 2', 'cat 3 4']) reader.push(line);
    expect([...reader.finish().vectors.keys()]).toEqual([4, 6]);
  });
});
