/**
 * Sentence pairs as text: from two files whose lines belong together, or from the columns of one
 * tab-separated file. Whatever would shift the two sides against each other is an error.
 */

import { DataError } from '../errors.ts';
import { checkFrames, type Frames } from './frames.ts';
import type { NamedLines } from './text.ts';
import { trimWhitespace } from './whitespace.ts';

/** Sentence pairs: `source[i]` belongs to `target[i]`. */
export interface ParallelText {
  /** What messages call it: a path, or two. */
  readonly name: string;
  readonly source: readonly string[];
  readonly target: readonly string[];
  /** Where the sources are real-valued vectors: theirs, in the same order. `source` then says where each is from. */
  readonly frames?: readonly Frames[];
}

export interface Pair {
  /** Text, or real-valued vectors. */
  readonly source: string | Frames;
  readonly target: string;
}

/** Examples one by one, or side by side; for language models lines alone. */
export type Pairs = readonly Pair[] | readonly string[] | ParallelText;

/**
 * Pairs side by side.
 * @throws DataError where something is no pair of strings, or of vectors and a string; ShapeError for vectors that are no
 * matrix
 */
export function parallelText(pairs: Pairs, name = 'the pairs'): ParallelText {
  if ('source' in pairs) return pairs;
  const all: Pair[] = [];
  for (const [index, pair] of pairs.entries()) {
    const whole = typeof pair === 'string' ? { source: '', target: pair } : pair;
    if (!isPair(whole)) {
      throw new DataError(`${name}: the one with index ${index} is not { source: string, target: string }.`);
    }
    if (typeof whole.source !== 'string') checkFrames(whole.source, `${name}: the one with index ${index}`);
    all.push(whole);
  }
  const frames = all.flatMap(({ source }) => (typeof source === 'string' ? [] : [source]));
  if (frames.length > 0 && frames.length < all.length) {
    throw new DataError(
      `${name}: ${frames.length} of ${all.length} sources are vectors; either all are or none is.`,
    );
  }
  return {
    name,
    source: all.map(({ source }, index) => (typeof source === 'string' ? source : `frames ${index}`)),
    target: all.map(({ target }) => target),
    ...(frames.length > 0 && { frames }),
  };
}

function isPair(value: Pair | undefined): value is Pair {
  const source = value?.source;
  const isSource = typeof source === 'string' || (typeof source === 'object' && 'steps' in source);
  return isSource && typeof value?.target === 'string';
}

/**
 * Puts the lines of two files side by side.
 * @throws DataError naming both files and both counts if they do not have the same number of lines.
 */
export function pairLines(source: NamedLines, target: NamedLines): ParallelText {
  const counts = [source.lines.length, target.lines.length] as const;
  if (counts[0] !== counts[1]) {
    throw new DataError(
      `Parallel files must have the same number of lines, but ${source.name} has ${counts[0]} and ` +
        `${target.name} has ${counts[1]}.`,
    );
  }
  return { name: `${source.name} and ${target.name}`, source: source.lines, target: target.lines };
}

export interface TsvOptions {
  /** The column of the source, counted from 1 as `cut -f` does. Default 1. */
  readonly sourceColumn?: number;
  /** The column of the target, counted from 1. Default 2. */
  readonly targetColumn?: number;
}

/**
 * Reads sentence pairs from tab-separated lines: no header, no quoting. A blank line is an empty pair, which
 * training drops and counts. Columns other than the two are ignored, but every line must have as many as the
 * first one, so that a stray tab is found.
 * @throws DataError naming the line and both counts if a line has too few columns or not as many as the first.
 */
export function parseTsv({ name, lines }: NamedLines, options: TsvOptions = {}): ParallelText {
  const { sourceColumn = 1, targetColumn = 2 } = options;
  const needed = Math.max(sourceColumn, targetColumn);
  const source: string[] = [];
  const target: string[] = [];
  let first: { line: number; columns: number } | undefined;
  for (const [index, line] of lines.entries()) {
    if (trimWhitespace(line) === '') {
      source.push('');
      target.push('');
      continue;
    }
    const cells = line.split('\t');
    first ??= { line: index + 1, columns: cells.length };
    if (cells.length < needed) {
      throw new DataError(
        `${name}: line ${index + 1} has ${plural(cells.length, 'column')}, and ${needed} are needed ` +
          '(source and target, separated by a tab).',
      );
    }
    if (cells.length !== first.columns) {
      throw new DataError(
        `${name}: line ${index + 1} has ${plural(cells.length, 'column')}, but line ${first.line} has ` +
          `${first.columns}. Is there a tab too many or too few?`,
      );
    }
    source.push(cells[sourceColumn - 1]!);
    target.push(cells[targetColumn - 1]!);
  }
  return { name, source, target };
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
