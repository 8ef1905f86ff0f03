/**
 * How much is exactly right: token by token at the same position, and whole sequences.
 */

import type { Tokens } from './edit-distance.ts';
import { checkPaired, sequenceErrorRate } from './error-rate.ts';

export interface Accuracy {
  /** correct / total: 0 to 1. */
  readonly rate: number;
  readonly correct: number;
  readonly total: number;
}

/**
 * Tokens that equal the reference's at the same position. The total counts the longer of hypothesis and reference, so
 * that missing and surplus tokens are errors; for sequence labelling, where both are equally long, this is plain accuracy.
 * It is 1 if there are no tokens at all.
 * @throws DataError if there are no sequences or the lists are not equally long.
 */
export function tokenAccuracy(hypotheses: readonly Tokens[], references: readonly Tokens[]): Accuracy {
  checkPaired(hypotheses, references);
  let correct = 0;
  let total = 0;
  for (const [index, reference] of references.entries()) {
    const hypothesis = hypotheses[index]!;
    for (let i = 0; i < Math.min(hypothesis.length, reference.length); i++) {
      if (hypothesis[i] === reference[i]) correct++;
    }
    total += Math.max(hypothesis.length, reference.length);
  }
  return { rate: total === 0 ? 1 : correct / total, correct, total };
}

/**
 * The share of sequences that are exactly right ("exact match"): 1 − `sequenceErrorRate`.
 * @throws DataError if there are no sequences or the lists are not equally long.
 */
export function sequenceAccuracy(hypotheses: readonly Tokens[], references: readonly Tokens[]): Accuracy {
  const { wrong, sequences } = sequenceErrorRate(hypotheses, references);
  const correct = sequences - wrong;
  return { rate: correct / sequences, correct, total: sequences };
}
