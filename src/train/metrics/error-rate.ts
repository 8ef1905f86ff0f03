/**
 * Error rates of predicted sequences. Names differ between fields:
 *
 * | here                | grapheme-to-phoneme (SIGMORPHON) | speech recognition |
 * |---------------------|----------------------------------|--------------------|
 * | `tokenErrorRate`    | PER, phoneme error rate          | WER, tokens = words |
 * | `sequenceErrorRate` | WER, word error rate: a word is a sequence of phonemes | sentence error rate |
 */

import { DataError } from '../../errors.ts';
import { editDistance, type Tokens } from './edit-distance.ts';

export interface TokenErrorRate {
  /** edits / tokens: 0 is perfect; above 1 if hypotheses are far too long. Infinity for edits without any token. */
  readonly rate: number;
  /** Insertions, deletions and substitutions, the fewest that turn hypotheses into references. */
  readonly edits: number;
  /** Tokens of the references. */
  readonly tokens: number;
}

export interface SequenceErrorRate {
  /** wrong / sequences: 0 to 1. */
  readonly rate: number;
  /** Sequences with any error. */
  readonly wrong: number;
  readonly sequences: number;
}

/**
 * Edits per reference token, over the whole corpus.
 * @throws DataError if there are no sequences or the lists are not equally long.
 */
export function tokenErrorRate(hypotheses: readonly Tokens[], references: readonly Tokens[]): TokenErrorRate {
  checkPaired(hypotheses, references);
  let edits = 0;
  let tokens = 0;
  for (const [index, reference] of references.entries()) {
    edits += editDistance(hypotheses[index]!, reference);
    tokens += reference.length;
  }
  return { rate: edits === 0 ? 0 : edits / tokens, edits, tokens };
}

/**
 * The share of sequences that are not exactly right.
 * @throws DataError if there are no sequences or the lists are not equally long.
 */
export function sequenceErrorRate(
  hypotheses: readonly Tokens[],
  references: readonly Tokens[],
): SequenceErrorRate {
  checkPaired(hypotheses, references);
  const wrong = references.filter((reference, index) => !equalTokens(hypotheses[index]!, reference)).length;
  return { rate: wrong / references.length, wrong, sequences: references.length };
}

/** Whether two sequences are the same, token by token. */
export function equalTokens(a: Tokens, b: Tokens): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** @throws DataError if there is nothing to compare. */
export function checkPaired(hypotheses: readonly unknown[], references: readonly unknown[]): void {
  if (hypotheses.length !== references.length) {
    throw new DataError(`There are ${hypotheses.length} hypotheses but ${references.length} references.`);
  }
  if (references.length === 0) throw new DataError('There are no sequences to compare.');
}
