/**
 * The names of classes or tags, and their ids: the position of each in the order of code points. There is no special
 * token among them, since nothing is padded, begun or unknown in what a classifier chooses from; `<s>` may be a class
 * like any other. A file holds one name per line.
 */

import { DataError } from '../errors.ts';
import { compareCodePoints } from './code-points.ts';
import type { TokenCounts } from './vocabulary.ts';
import { trimWhitespace } from './whitespace.ts';

export class Labels {
  /** Every name; the index is the id. */
  readonly tokens: readonly string[];
  /** A Map, so that a name such as `__proto__` is a name like any other. */
  readonly #ids = new Map<string, number>();

  /**
   * @param tokens the names, in the order of their ids.
   * @throws DataError if there is none, or one is empty, given twice or could not be written to a file.
   */
  constructor(tokens: Iterable<string>) {
    this.tokens = [...tokens];
    if (this.tokens.length === 0) throw new DataError('There are no labels to choose from.');
    for (const [id, token] of this.tokens.entries()) {
      const problem = problemWith(token);
      if (problem) throw new DataError(`The label ${JSON.stringify(token)} ${problem}.`);
      if (this.#ids.has(token)) throw new DataError(`The label ${JSON.stringify(token)} is given twice.`);
      this.#ids.set(token, id);
    }
  }

  /**
   * The labels that were seen, in the order of their code points: unlike an order by frequency it stays the same when a
   * corpus grows, and confusion matrices of two runs line up.
   */
  static build(counts: TokenCounts | readonly TokenCounts[]): Labels {
    const names = new Set<string>();
    for (const part of counts instanceof Map ? [counts] : (counts as readonly TokenCounts[])) {
      for (const name of part.keys()) names.add(name);
    }
    return new Labels([...names].sort(compareCodePoints));
  }

  /**
   * Reads a file of labels; ids are in the order of its lines.
   * @throws DataError naming `name` and the line: a label that stands twice, an empty line, whitespace at either end of
   * a label, or no label at all.
   */
  static fromText(text: string, name: string): Labels {
    const lines = labelLines(text);
    const lineOf = new Map<string, number>();
    for (const [index, label] of lines.entries()) {
      const here = `${name}: line ${index + 1}`;
      const earlier = lineOf.get(label);
      if (earlier !== undefined) {
        throw new DataError(`${here}: the label ${JSON.stringify(label)} already stands on line ${earlier}.`);
      }
      lineOf.set(label, index + 1);
      const problem = problemWith(label);
      if (problem) throw new DataError(`${here}: the label ${JSON.stringify(label)} ${problem}.`);
    }
    if (lines.length === 0) throw new DataError(`${name}: this file holds no labels.`);
    return new Labels(lines);
  }

  /** The content of a file of labels: each on a line of its own. */
  toText(): string {
    return `${this.tokens.join('\n')}\n`;
  }

  /** How many there are. */
  get size(): number {
    return this.tokens.length;
  }

  /** The id of a label; undefined where it is not known. */
  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** @throws DataError if the id is not of a label. */
  tokenOf(id: number): string {
    const token = this.tokens[id];
    if (token === undefined) {
      throw new DataError(`Label id ${id} is not one of the ${this.size} ids 0 to ${this.size - 1}.`);
    }
    return token;
  }
}

/** Why a name cannot be a label, if it cannot. */
function problemWith(token: string): string | undefined {
  if (token === '') return 'is empty';
  if (token.includes('\n')) return 'holds a line break';
  if (/\p{Surrogate}/u.test(token)) return 'holds half a surrogate pair';
  if (trimWhitespace(token) !== token) return 'has whitespace at an end';
  return undefined;
}

/** No label ends with a CR, so one at a line's end belongs to the line end. */
function labelLines(text: string): string[] {
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}
