/**
 * The characters of words, for models that make a word's vector from its spelling (Ling et al. 2015; Lample et al. 2016):
 * a recurrent network reads the characters of all tokens of a batch at once, one column for each token. Characters are code
 * points as the vocabulary has them; there are no marks for a word's beginning and end, which a bidirectional network knows.
 */

import { ShapeError } from '../errors.ts';
import { positiveInteger } from './positive-integer.ts';
import { Sequences, SequencesBuilder } from './sequences.ts';
import { PAD_ID } from './special-tokens.ts';
import type { Vocabulary } from './vocabulary.ts';

/** The spelling of many lines: the characters of token t of line i are `ids.at(words.at(i)[t])`. */
export interface Characters {
  /** For each line and token which of the distinct words it is. */
  readonly words: Sequences;
  /** For each distinct word the ids of its characters. */
  readonly ids: Sequences;
}

/** The characters of a batch of tokens. */
export interface CharacterBatch {
  /** Characters of a column, at least 1. */
  readonly C: number;
  /** [C, S * B] ids; the token at step s of row b is column `s * B + b`. Padded with `<pad>`. */
  readonly characters: Uint32Array;
  /** [S * B] characters of each token; 0 where there is none. */
  readonly characterLengths: Uint32Array;
}

export interface CharacterOptions {
  /**
   * Characters read of a word; of a longer one the first so many, so that one long address does not make a batch of long
   * words. Default 24.
   */
  readonly maxLength?: number;
  /** C is rounded up to a multiple of this. Default 8. */
  readonly bucketWidth?: number;
}

/** The characters of words, one sequence for each. A character that the vocabulary does not have is `<unk>`. */
export function encodeWords(words: Iterable<string>, vocabulary: Vocabulary): Sequences {
  const builder = new SequencesBuilder();
  for (const word of words) builder.push(vocabulary.encode(Array.from(word)));
  return builder.finish();
}

/** The characters of tokenised lines; each distinct word is spelled once. */
export function encodeCharacters(lines: Iterable<readonly string[]>, vocabulary: Vocabulary): Characters {
  const indices = new Map<string, number>();
  const indexOf = (word: string) => {
    const index = indices.get(word) ?? indices.size;
    indices.set(word, index);
    return index;
  };
  const words = Sequences.from(Array.from(lines, (line) => line.map(indexOf)));
  return { words, ids: encodeWords(indices.keys(), vocabulary) };
}

/**
 * The characters of a batch's tokens.
 * @param plan the batch: its shape, and for each of its rows the index of its line; rows beyond are empty.
 * @throws ShapeError if a line has more than S tokens; ConfigError for sizes that are not positive integers.
 */
export function fillCharacters(
  { words, ids }: Characters,
  { B, S, indices }: { readonly B: number; readonly S: number; readonly indices: readonly number[] },
  options: CharacterOptions = {},
): CharacterBatch {
  const maxLength = positiveInteger('maxLength', options.maxLength ?? 24);
  const bucketWidth = positiveInteger('bucketWidth', options.bucketWidth ?? 8);
  let longest = 1;
  for (const index of indices) {
    if (words.lengthOf(index) > S) {
      throw new ShapeError(`Line ${index} has ${words.lengthOf(index)} tokens, more than the batch's ${S}.`);
    }
    for (const word of words.at(index)) longest = Math.max(longest, ids.lengthOf(word));
  }
  const C = Math.ceil(Math.min(longest, maxLength) / bucketWidth) * bucketWidth;
  const columns = S * B;
  const characters = new Uint32Array(C * columns).fill(PAD_ID);
  const characterLengths = new Uint32Array(columns);
  for (const [row, index] of indices.entries()) {
    for (const [s, word] of words.at(index).entries()) {
      const column = s * B + row;
      const spelling = ids.at(word).subarray(0, maxLength);
      for (let c = 0; c < spelling.length; c++) characters[c * columns + column] = spelling[c]!;
      characterLengths[column] = spelling.length;
    }
  }
  return { C, characters, characterLengths };
}
