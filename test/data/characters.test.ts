import { describe, expect, it } from 'vitest';
import {
  type CharacterOptions,
  encodeCharacters,
  encodeWords,
  fillCharacters,
} from '../../src/data/characters.ts';
import { PAD_ID } from '../../src/data/special-tokens.ts';
import { Vocabulary } from '../../src/data/vocabulary.ts';
import { ConfigError, ShapeError } from '../../src/errors.ts';

// Ids 4 to 8.
const vocabulary = new Vocabulary(['a', 'b', '𠀀', '\u0301', 'Z']);
const lines = [['ab', 'b', 'abba'], ['b', '𠀀a\u0301', 'xZ', 'ab', 'a'], []];
const characters = encodeCharacters(lines, vocabulary);
const fill = (
  shape: { B: number; S: number; indices: number[] },
  options: CharacterOptions = { bucketWidth: 1 },
) => fillCharacters(characters, shape, options);

describe('encodeWords', () => {
  it('gives code points, and <unk> for what is not known', () => {
    expect([...encodeWords(['ab', '𠀀a\u0301', 'xZ', ''], vocabulary)].map((ids) => [...ids])).toEqual([
      [4, 5],
      [6, 4, 7],
      [0, 8],
      [],
    ]);
  });
});

describe('encodeCharacters', () => {
  it('spells each distinct word once', () => {
    expect(characters.ids.count).toBe(6);
    const spelled = [...characters.words].map((words) =>
      Array.from(words, (word) => [...characters.ids.at(word)]),
    );
    expect(spelled).toEqual(
      lines.map((line) => line.map((word) => [...vocabulary.encode(Array.from(word))])),
    );
  });
});

describe('fillCharacters', () => {
  it('puts the characters of each token in its column', () => {
    for (const { B, S, indices } of [
      { B: 2, S: 5, indices: [1, 0] },
      { B: 3, S: 7, indices: [0, 1, 2] },
      { B: 4, S: 5, indices: [1] },
    ]) {
      const batch = fill({ B, S, indices });
      expect(batch.C).toBe(indices.includes(0) ? 4 : 3);
      expect([batch.characters.length, batch.characterLengths.length]).toEqual([batch.C * S * B, S * B]);
      for (let s = 0; s < S; s++) {
        for (let b = 0; b < B; b++) {
          const word = lines[indices[b] ?? 2]![s] ?? '';
          const ids = [...vocabulary.encode(Array.from(word))];
          const column = Array.from({ length: batch.C }, (_, c) => batch.characters[c * S * B + s * B + b]);
          expect(column).toEqual([...ids, ...new Array(batch.C - ids.length).fill(PAD_ID)]);
          expect(batch.characterLengths[s * B + b]).toBe(ids.length);
        }
      }
    }
  });

  it('rounds C up, and is never without a row', () => {
    const shape = { B: 2, S: 5, indices: [0, 1] };
    expect(fill(shape, { bucketWidth: 3 }).C).toBe(6);
    expect(fill(shape, { bucketWidth: 4 }).C).toBe(4);
    expect(fill(shape, {}).C).toBe(8);
    expect(fill({ ...shape, indices: [2] }).C).toBe(1);
    expect(fill({ ...shape, indices: [] }).characterLengths).toEqual(new Uint32Array(10));
  });

  it('cuts long words at their end', () => {
    const batch = fill({ B: 1, S: 3, indices: [0] }, { maxLength: 3, bucketWidth: 2 });
    expect(batch.C).toBe(4);
    expect(batch.characterLengths).toEqual(Uint32Array.of(2, 1, 3));
    expect(Array.from({ length: 4 }, (_, c) => batch.characters[c * 3 + 2])).toEqual([4, 5, 5, PAD_ID]);
  });

  it('refuses what does not fit', () => {
    expect(() => fill({ B: 2, S: 4, indices: [0, 1] })).toThrow(
      new ShapeError("Line 1 has 5 tokens, more than the batch's 4."),
    );
    expect(() => fill({ B: 1, S: 5, indices: [0] }, { maxLength: 0 })).toThrow(ConfigError);
    expect(() => fill({ B: 1, S: 5, indices: [0] }, { bucketWidth: 1.5 })).toThrow(
      'bucketWidth must be a positive',
    );
  });
});
