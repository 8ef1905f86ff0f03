/**
 * Sums that the kernels keep on the device over many steps, so that the host reads back once in a while: what the
 * loss kernel adds a batch, and what the clipping kernel adds an update.
 */
import { statistic } from '../ops/cross-entropy.ts';

export interface Statistics {
  /** Summed loss, label smoothing included. */
  readonly loss: number;
  /** Summed negative log-likelihood, in nats. */
  readonly nll: number;
  /** Target tokens counted, `</s>` included. */
  readonly tokens: number;
  /** Target tokens that were the most probable ones. */
  readonly correct: number;
  /** Sum over updates of the gradient's norm before clipping. */
  readonly gradientNorm: number;
  readonly updates: number;
  /** Updates left out because the gradient was not finite. */
  readonly skipped: number;
  /** Of mixed precision: updates left out because the scale of the loss was too large, which has been halved. */
  readonly overflows: number;
}

export function readStatistics(values: Float32Array): Statistics {
  const at = (index: number) => values[index] ?? 0;
  return {
    loss: at(statistic.loss),
    nll: at(statistic.nll),
    tokens: at(statistic.tokens),
    correct: at(statistic.correct),
    gradientNorm: at(statistic.norm),
    updates: at(statistic.updates),
    skipped: at(statistic.skipped),
    overflows: at(statistic.overflows),
  };
}
