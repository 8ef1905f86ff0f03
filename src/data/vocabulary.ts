/**
 * The tokens a model knows, and their ids: the four special tokens first, then the others from the most to the
 * least frequent. Built from the training text or read from a file. The names of classes, tags and features (`labels`)
 * have no special tokens among them: their ids start from 0.
 *
 * The file holds one token per line, exactly as it is: a line with one space is the space of a character
 * vocabulary. Files written here start with the special tokens, and reading them gives the same ids again.
 * Files from elsewhere may lack the special tokens or have some of them on top in any order.
 */

import { DataError } from '../errors.ts';
import { compareCodePoints } from './code-points.ts';
import {
  BEGIN_ID,
  END_ID,
  IGNORED_LABEL,
  isSpecialToken,
  PAD_ID,
  SPECIAL_TOKENS,
  UNKNOWN_ID,
} from './special-tokens.ts';
import { hasWhitespace, trimWhitespace } from './whitespace.ts';

export interface VocabularyOptions {
  /** Keep at most so many tokens, the most frequent ones; the special tokens are not counted. Default: all. */
  readonly limit?: number;
  /** Keep only tokens seen at least so often. Default 1. */
  readonly minFrequency?: number;
}

/** Whether a vocabulary is one of text, or of labels, which need no special tokens and may hold spaces. */
export type VocabularyKind = 'text' | 'labels';

export class Vocabulary {
  /** Every token; the index is the id. */
  readonly tokens: readonly string[];
  readonly kind: VocabularyKind;
  /** Ids of the ordinary tokens. A Map, so that a token such as `__proto__` is a token like any other. */
  readonly #ids = new Map<string, number>();

  /**
   * @param tokens the ordinary tokens, in the order of their ids from 4 on; labels from 0 on.
   * @throws DataError if one is empty, special, given twice or could not be written to a file.
   */
  constructor(tokens: Iterable<string>, kind: VocabularyKind = 'text') {
    this.kind = kind;
    const all: string[] = kind === 'text' ? [...SPECIAL_TOKENS] : [];
    for (const token of tokens) {
      const problem = problemWith(token, kind);
      if (problem) throw new DataError(`The token ${JSON.stringify(token)} ${problem}.`);
      if (this.#ids.has(token)) throw new DataError(`The token ${JSON.stringify(token)} is given twice.`);
      this.#ids.set(token, all.length);
      all.push(token);
    }
    this.tokens = all;
  }

  /**
   * Builds a vocabulary from how often each token was seen: most frequent first, equal ones in the order of
   * their code points, so that the result depends on nothing but the counts. Literal special tokens are left out.
   * Several counts are added up (a vocabulary shared by source and target).
   */
  static build(counts: TokenCounts | readonly TokenCounts[], options: VocabularyOptions = {}): Vocabulary {
    const { limit = Number.POSITIVE_INFINITY, minFrequency = 1 } = options;
    const total = new Map<string, number>();
    for (const part of counts instanceof Map ? [counts] : (counts as readonly TokenCounts[])) {
      for (const [token, count] of part) total.set(token, (total.get(token) ?? 0) + count);
    }
    const kept = [...total].filter(([token, count]) => count >= minFrequency && !isSpecialToken(token));
    kept.sort(([a, countA], [b, countB]) => countB - countA || compareCodePoints(a, b));
    return new Vocabulary(kept.slice(0, limit).map(([token]) => token));
  }

  /** The labels that were seen, in the order of their code points. */
  static labels(counts: TokenCounts): Vocabulary {
    return new Vocabulary([...counts.keys()].sort(compareCodePoints), 'labels');
  }

  /**
   * Reads a vocabulary file.
   * @throws DataError naming `name` and the line: a token that stands twice, an empty line, whitespace beside
   * other characters (counts are not read), a special token below the top, or no token at all.
   */
  static fromText(text: string, name: string, kind: VocabularyKind = 'text'): Vocabulary {
    const lines = vocabularyLines(text);
    const tokens: string[] = [];
    const lineOf = new Map<string, number>();
    for (const [index, token] of lines.entries()) {
      const here = `${name}: line ${index + 1}`;
      const earlier = lineOf.get(token);
      if (earlier !== undefined) {
        throw new DataError(`${here}: the token ${JSON.stringify(token)} already stands on line ${earlier}.`);
      }
      lineOf.set(token, index + 1);
      if (kind === 'text' && isSpecialToken(token) && tokens.length === 0) continue;
      const problem = problemWith(token, kind);
      if (problem) throw new DataError(`${here}: the token ${JSON.stringify(token)} ${problem}.`);
      tokens.push(token);
    }
    if (tokens.length === 0) throw new DataError(`${name}: this vocabulary file holds no tokens.`);
    return new Vocabulary(tokens, kind);
  }

  /** The content of a vocabulary file: every token on a line of its own, the special ones on top. */
  toText(): string {
    return `${this.tokens.join('\n')}\n`;
  }

  /** The number of ids, the four special ones included. */
  get size(): number {
    return this.tokens.length;
  }

  /** Whether this token of a text is known. Never true for a literal special token. */
  has(token: string): boolean {
    return this.#ids.has(token);
  }

  /**
   * The id of a token of a text; that of `<unk>` if it is not known or reads like a special token. A label that is not
   * known is one that nothing predicts: `IGNORED_LABEL`.
   */
  idOf(token: string): number {
    return this.#ids.get(token) ?? (this.kind === 'text' ? UNKNOWN_ID : IGNORED_LABEL);
  }

  /** @throws DataError if the id is outside the vocabulary. */
  tokenOf(id: number): string {
    const token = this.tokens[id];
    if (token === undefined) throw idError(id, this.size);
    return token;
  }

  /** The ids of a text's tokens, without `<s>` or `</s>`. */
  encode(tokens: readonly string[]): Uint32Array {
    return Uint32Array.from(tokens, (token) => this.idOf(token));
  }

  /**
   * The tokens of ids as a decoder emits them: ends before the first `</s>`, leaves out `<pad>` and `<s>`, keeps
   * `<unk>` visible. Labels are all kept.
   * @throws DataError if an id before that is outside the vocabulary.
   */
  decode(ids: Iterable<number>): string[] {
    if (this.kind === 'labels') return Array.from(ids, (id) => this.tokenOf(id));
    const tokens: string[] = [];
    for (const id of ids) {
      if (id === END_ID) break;
      if (id !== PAD_ID && id !== BEGIN_ID) tokens.push(this.tokenOf(id));
    }
    return tokens;
  }
}

/** How often each token was seen. */
export type TokenCounts = ReadonlyMap<string, number>;

/** Counts the tokens of many lines. */
export function countTokens(lines: Iterable<readonly string[]>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const tokens of lines) {
    for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  return counts;
}

/**
 * Makes sure that every id is an index of a vocabulary of `size` tokens: a shader would read outside its table.
 * @throws DataError naming the first id that is not.
 */
export function checkIds(ids: ArrayLike<number>, size: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!(Number.isInteger(id) && id >= 0 && id < size)) throw idError(id, size, i);
  }
}

function idError(id: number, size: number, position?: number): DataError {
  const where = position === undefined ? '' : ` at position ${position}`;
  return new DataError(
    `Token id ${id}${where} is outside the vocabulary: its ${size} ids are 0 to ${size - 1}.`,
  );
}

/** Why a token cannot be in a vocabulary, if it cannot. */
function problemWith(token: string, kind: VocabularyKind): string | undefined {
  if (token === '') return 'is empty (an editor may have removed the space of a character vocabulary)';
  if (kind === 'text' && isSpecialToken(token)) return 'is a special token, which may only stand on top';
  if (token.includes('\n')) return 'holds a line break';
  if (/\p{Surrogate}/u.test(token)) return 'holds half a surrogate pair';
  if (kind === 'text' && hasWhitespace(token) && trimWhitespace(token) !== '')
    return 'holds whitespace (one token per line, no counts)';
  return undefined;
}

/**
 * The lines of a vocabulary file. A CR is part of the line end only if every line has one: in a file with plain
 * LF it may be a token of its own.
 */
function vocabularyLines(text: string): string[] {
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const terminated = text.endsWith('\n') ? lines : lines.slice(0, -1);
  const windows = terminated.length > 0 && terminated.every((line) => line.endsWith('\r'));
  return windows ? lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)) : lines;
}
