/**
 * Whether a generator writes something new, or what it has read; and whether it writes many things, or one again and again.
 */

import { DataError } from '../../errors.ts';

export interface Novelty {
  /** novel / lines. */
  readonly novelShare: number;
  /** distinct / lines. */
  readonly distinctShare: number;
  readonly lines: number;
  /** Generated lines, repeated ones included, that are not in the training text. */
  readonly novel: number;
  /** Different lines among the generated ones. */
  readonly distinct: number;
}

/**
 * Compares generated lines with the training text, character by character: bring both into one form first (case, spaces).
 * @throws DataError if no lines were generated.
 */
export function novelty(generated: readonly string[], training: Iterable<string>): Novelty {
  if (generated.length === 0) throw new DataError('There are no generated lines to look at.');
  const known = training instanceof Set ? (training as ReadonlySet<string>) : new Set(training);
  const novel = generated.filter((line) => !known.has(line)).length;
  const distinct = new Set(generated).size;
  const lines = generated.length;
  return { novelShare: novel / lines, distinctShare: distinct / lines, lines, novel, distinct };
}
