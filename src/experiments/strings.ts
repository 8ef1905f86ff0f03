/** Random strings of letters: made-up tasks whose one difficulty is known. */
import type { Pair } from '../data/parallel.ts';
import { Random } from '../data/random.ts';

/** The first so many letters are the alphabet of a task. */
const letters = 'abcdefghijklmnopqrstuvwxyz';

export interface StringOptions {
  readonly count: number;
  readonly shortest: number;
  readonly longest: number;
  /** Letters to choose from, at most 26. */
  readonly alphabet: number;
  /** Strings of other keys are others. */
  readonly keys: readonly number[];
}

/** Strings whose lengths and letters are all equally likely. */
export function randomStrings({ count, shortest, longest, alphabet, keys }: StringOptions): string[] {
  const random = new Random(...keys);
  return Array.from({ length: count }, () => {
    const length = shortest + random.below(longest - shortest + 1);
    return Array.from({ length }, () => letters[random.below(alphabet)]!).join('');
  });
}

/** To write a string from its end to its beginning: all of it must be remembered. */
export function reversal(source: string): Pair {
  return { source, target: Array.from(source).reverse().join('') };
}

/** To name a string's first letter after all have been read: one letter must be remembered, across all others. */
export function recall(source: string): Pair {
  return { source, target: source[0]! };
}
