/**
 * Any score, split by the length of the source: where models without attention fall off (Bahdanau et al. 2015, figure 2;
 * Luong et al. 2015, figure 6).
 */

import { ConfigError, DataError } from '../../errors.ts';
import { textTable } from './text-table.ts';

/** The score of the lines whose length is in one range. */
export interface LengthRow<Score> {
  /** The shortest and the longest length of the range; `to` is Infinity in the last one. */
  readonly from: number;
  readonly to: number;
  /** `11–20`, or `51+` for the last range. */
  readonly label: string;
  /** How many lines that is: at least 1. */
  readonly lines: number;
  readonly score: Score;
}

/** Where ranges end unless told otherwise: 1–10, 11–20, 21–30, 31–40, 41–50, 51+. */
export const defaultLengthEdges = [10, 20, 30, 40, 50] as const;

/**
 * Scores lines by length. Ranges without a line are left out; lines of length 0 have a range of their own.
 * @param lengths of each line, in tokens as its model reads them (`</s>` not counted).
 * @param score of the lines with these indices, in their order; never called with none.
 * @param edges the last length of each range, increasing; longer lines are in a range without end.
 * @throws DataError if there are no lines; ConfigError if the edges are not increasing positive integers.
 */
export function scoreByLength<Score>(
  lengths: ArrayLike<number>,
  score: (indices: readonly number[]) => Score,
  edges: readonly number[] = defaultLengthEdges,
): LengthRow<Score>[] {
  for (const [i, edge] of edges.entries()) {
    if (Number.isSafeInteger(edge) && edge > (edges[i - 1] ?? 0)) continue;
    throw new ConfigError(
      `The edges of length ranges must be increasing positive integers, not ${edges.join(', ')}.`,
    );
  }
  if (lengths.length === 0) throw new DataError('There are no lines to score by length.');
  const ends = [0, ...edges, Number.POSITIVE_INFINITY];
  const members: number[][] = ends.map(() => []);
  for (let line = 0; line < lengths.length; line++) {
    members[ends.findIndex((end) => lengths[line]! <= end)]!.push(line);
  }
  return members.flatMap((indices, range) => {
    if (indices.length === 0) return [];
    const from = range === 0 ? 0 : ends[range - 1]! + 1;
    const to = ends[range]!;
    return [{ from, to, label: labelOf(from, to), lines: indices.length, score: score(indices) }];
  });
}

/**
 * The rows under each other.
 * @param columns what of the score each column shows, by its heading.
 */
export function lengthTable<Score>(
  rows: readonly LengthRow<Score>[],
  columns: Readonly<Record<string, (score: Score) => string>>,
): string[] {
  const shown = Object.entries(columns);
  return textTable([
    ['length', 'lines', ...shown.map(([heading]) => heading)],
    ...rows.map(({ label, lines, score }) => [label, `${lines}`, ...shown.map(([, show]) => show(score))]),
  ]);
}

function labelOf(from: number, to: number): string {
  if (to === Number.POSITIVE_INFINITY) return `${from}+`;
  return from === to ? `${from}` : `${from}–${to}`;
}
