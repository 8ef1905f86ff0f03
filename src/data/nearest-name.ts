/**
 * "Did you mean …?": the known name that a mistyped one most likely stands for.
 */

import { editDistance } from './edit-distance.ts';

/**
 * The candidate with the fewest edits, upper and lower case not told apart, if it is near enough to be a slip: at most
 * one edit for every three characters. The first one wins a tie.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let fewest = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) {
      nearest = candidate;
      fewest = edits;
    }
  }
  return nearest;
}
