/**
 * Pre-trained word vectors, in the text formats of word2vec (Mikolov et al. 2013; a first line with the number of vectors
 * and their dimension; fastText's `.vec` too) and of GloVe (Pennington et al. 2014; no such line). Files have millions of
 * words and a model knows thousands: lines are read one by one and only the vectors of a vocabulary's words are kept.
 *
 * A line is a word and its numbers, separated by single spaces and by nothing else (words of GloVe's hold other
 * whitespace). Some words of the 840-billion-token GloVe hold spaces as well, so a line is read from its right end.
 */

import { DataError } from '../errors.ts';
import { parseFloat32, quotedPiece } from './decimal.ts';
import { isSpecialToken } from './special-tokens.ts';
import type { TokenCounts, Vocabulary } from './vocabulary.ts';

const SPACE = 0x20;

export interface WordVectorOptions {
  /** The dimension that is needed; a file with another one is an error. Default: any. */
  readonly dim?: number;
  /** Give a word that has no vector of its own that of its lower case. Default false. */
  readonly lowercaseFallback?: boolean;
  /** How often each token of a text was seen, to tell how much of the running text has vectors. */
  readonly counts?: TokenCounts;
}

export interface WordVectors {
  /** What messages call the file. */
  readonly name: string;
  /** Numbers in a vector. */
  readonly dim: number;
  /** For the id of each word that has one its vector [dim]: the float32 next to each number of the file. */
  readonly vectors: ReadonlyMap<number, Float32Array>;
  readonly coverage: VectorCoverage;
  /** Lines left out because their word, one of the vocabulary's, had been there before. */
  readonly duplicates: number;
}

export interface VectorCoverage {
  /** Words of the vocabulary, the special tokens not counted. */
  readonly types: CoveredShare;
  /** Running tokens of the text that was counted, words outside the vocabulary included: those are never covered. */
  readonly tokens?: CoveredShare;
  /** Words among the covered types that have the vector of their lower case. */
  readonly byLowercase: number;
}

export interface CoveredShare {
  readonly covered: number;
  readonly of: number;
  /** covered / of; 0 if there are none. */
  readonly share: number;
}

/**
 * The vectors of a vocabulary's words.
 * @param lines without line ends, as `LineDecoder` gives them; blank ones are passed over.
 * @param name what messages call the file.
 * @throws DataError naming the file and the line: too few numbers, too many, one that is not finite or no number at all
 * (in the first line and those whose vectors are kept; of others only their count is checked), a dimension other than `options.dim`; or if
 * there is no vector, or not as many as the first line says.
 */
export function readWordVectors(
  lines: Iterable<string>,
  vocabulary: Vocabulary,
  name: string,
  options: WordVectorOptions = {},
): WordVectors {
  const reader = new WordVectorReader(vocabulary, name, options);
  for (const line of lines) reader.push(line);
  return reader.finish();
}

/** `readWordVectors` for lines that arrive one by one: `push` each, then `finish`. */
export class WordVectorReader {
  readonly #vocabulary: Vocabulary;
  readonly #name: string;
  readonly #options: WordVectorOptions;
  /** Ids of the words by their lower case, where that differs and stands in. */
  readonly #idsOfLowercase = new Map<string, number[]>();
  readonly #own = new Map<number, Float32Array>();
  readonly #lowercase = new Map<number, Float32Array>();
  /** Words of kept lines. */
  readonly #seen = new Set<string>();
  #duplicates = 0;
  #lineNumber = 0;
  /** Vectors that the file's first line promises. */
  #promised: number | undefined;
  #dim: number | undefined;
  #count = 0;

  constructor(vocabulary: Vocabulary, name: string, options: WordVectorOptions = {}) {
    this.#vocabulary = vocabulary;
    this.#name = name;
    this.#options = options;
    if (!options.lowercaseFallback) return;
    for (const { id, token } of ordinaryTokens(vocabulary)) {
      const lowercase = token.toLowerCase();
      if (lowercase === token) continue;
      const ids = this.#idsOfLowercase.get(lowercase);
      if (ids) ids.push(id);
      else this.#idsOfLowercase.set(lowercase, [id]);
    }
  }

  /** Takes the next line, without its line end. */
  push(line: string): void {
    this.#lineNumber++;
    // word2vec and fastText end every line with a space.
    const text = line.trimEnd() === '' ? '' : line.replace(/ $/, '');
    if (text === '') return;
    if (this.#dim === undefined) {
      // Two whole numbers: word2vec's first line, rather than a word of digits with a vector of one number.
      const header = /^([0-9]+) ([0-9]+)$/.exec(text);
      if (header) this.#promised = Number(header[1]);
      this.#dim = this.#checkedDim(header ? Number(header[2]) : text.split(' ').length - 1);
      if (header) return;
    }
    this.#count++;
    this.#keep(text, this.#dim);
  }

  finish(): WordVectors {
    if (this.#dim === undefined || this.#count === 0) {
      throw new DataError(`${this.#name} holds no word vectors.`);
    }
    if (this.#promised !== undefined && this.#promised !== this.#count) {
      throw new DataError(
        `${this.#name}: its first line says ${this.#promised} vectors, but it holds ${this.#count}. Is it cut short?`,
      );
    }
    const vectors = new Map(this.#own);
    let byLowercase = 0;
    for (const [id, vector] of this.#lowercase) {
      if (vectors.has(id)) continue;
      vectors.set(id, vector);
      byLowercase++;
    }
    const types = [...ordinaryTokens(this.#vocabulary)].length;
    const { counts } = this.#options;
    return {
      name: this.#name,
      dim: this.#dim,
      vectors,
      coverage: {
        types: shareOf(vectors.size, types),
        ...(counts && { tokens: coveredTokens(counts, this.#vocabulary, vectors) }),
        byLowercase,
      },
      duplicates: this.#duplicates,
    };
  }

  #checkedDim(dim: number): number {
    const { dim: wanted } = this.#options;
    if (!(Number.isSafeInteger(dim) && dim > 0)) throw this.#error('is no word with its vector');
    if (wanted !== undefined && wanted !== dim) {
      throw this.#error(`has vectors of ${dim} numbers, and ${wanted} are needed`);
    }
    return dim;
  }

  #keep(text: string, dim: number): void {
    const end = this.#endOfWord(text, dim);
    const word = text.slice(0, end);
    const id = this.#vocabulary.has(word) ? this.#vocabulary.idOf(word) : undefined;
    const others = this.#idsOfLowercase.get(word) ?? [];
    const isWanted = id !== undefined || others.length > 0;
    // The first line is always looked into: a file of something else is not one that knows none of the words.
    if (!isWanted && this.#count > 1) return;
    const vector = this.#parse(text.slice(end + 1).split(' '), word);
    if (!isWanted) return;
    if (this.#seen.has(word)) {
      this.#duplicates++;
      return;
    }
    this.#seen.add(word);
    if (id !== undefined) this.#own.set(id, vector);
    // Each word has numbers of its own, lest a change of one changed another.
    for (const other of others) this.#lowercase.set(other, vector.slice());
  }

  /** Where the word ends: `dim` spaces from the right. */
  #endOfWord(text: string, dim: number): number {
    let end = text.length;
    let spaces = 0;
    while (spaces < dim && end > 0) {
      end--;
      if (text.charCodeAt(end) === SPACE) spaces++;
    }
    if (spaces < dim) throw this.#error(`has ${spaces} numbers, and ${dim} are needed`);
    // A word may hold spaces, but where its later parts are numbers, there are too many.
    const space = text.indexOf(' ');
    if (space < end) {
      const surplus = text.slice(space + 1, end).split(' ');
      if (surplus.every((part) => parseFloat32(part) !== undefined)) {
        throw this.#error(`has ${dim + surplus.length} numbers, and ${dim} are needed`);
      }
    }
    return end;
  }

  #parse(cells: readonly string[], word: string): Float32Array {
    return Float32Array.from(cells, (cell, index) => {
      const value = parseFloat32(cell);
      if (value !== undefined) return value;
      throw this.#error(
        `has ${quotedPiece(cell)} for number ${index + 1} of the word ${quotedPiece(word)}, which is no finite number`,
      );
    });
  }

  #error(what: string): DataError {
    return new DataError(`${this.#name}: line ${this.#lineNumber} ${what}.`);
  }
}

/**
 * One line for a log, such as `vectors.txt: 8123 of 10000 words have a vector of 100 numbers (81.2 %), 312 of them that
 * of their lower case; 97.3 % of the text's tokens; 2 duplicate lines left out`.
 */
export function describeCoverage({ name, dim, coverage, duplicates }: WordVectors): string {
  const { types, tokens, byLowercase } = coverage;
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  let text = `${name}: ${types.covered} of ${types.of} words have a vector of ${dim} numbers (${percent(types.share)})`;
  if (byLowercase > 0) text += `, ${byLowercase} of them that of their lower case`;
  if (tokens) text += `; ${percent(tokens.share)} of the text's tokens`;
  if (duplicates > 0) text += `; ${duplicates} duplicate ${duplicates === 1 ? 'line' : 'lines'} left out`;
  return text;
}

/** The tokens that a text may hold. Files have vectors for `</s>` and `<unk>`, but theirs are not what ours stand for. */
function* ordinaryTokens(vocabulary: Vocabulary): Generator<{ readonly id: number; readonly token: string }> {
  for (const [id, token] of vocabulary.tokens.entries()) if (!isSpecialToken(token)) yield { id, token };
}

function coveredTokens(
  counts: TokenCounts,
  vocabulary: Vocabulary,
  vectors: ReadonlyMap<number, Float32Array>,
): CoveredShare {
  let covered = 0;
  let total = 0;
  for (const [token, count] of counts) {
    total += count;
    if (vocabulary.has(token) && vectors.has(vocabulary.idOf(token))) covered += count;
  }
  return shareOf(covered, total);
}

function shareOf(covered: number, of: number): CoveredShare {
  return { covered, of, share: of === 0 ? 0 : covered / of };
}
