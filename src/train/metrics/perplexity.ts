/**
 * Perplexity: the number of equally likely tokens that the model hesitates between, on average.
 */

import { DataError } from '../../errors.ts';

/**
 * exp(loss / tokens).
 * @param loss the negative natural logarithm of the targets' probability, summed over all tokens.
 * @param tokens how many tokens that is, every `</s>` included.
 * @returns at least 1 for a true loss; Infinity where the exponential overflows.
 * @throws DataError if there are no tokens.
 */
export function perplexity(loss: number, tokens: number): number {
  if (!(tokens > 0)) throw new DataError('Perplexity needs at least one target token.');
  return Math.exp(loss / tokens);
}
