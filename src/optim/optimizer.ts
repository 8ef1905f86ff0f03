/**
 * What an optimiser is (those there are: `registry.ts`). It changes one range of an arena segment a dispatch, from
 * gradients scaled by the clipping coefficient, and clears the gradients afterwards; everything that differs from
 * update to update reaches it through `hyper`, which the host writes before, so one recorded plan serves all updates.
 */
import type { Segment } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

export type OptimizerName = 'sgd' | 'adam' | 'adamw';

/** Length of the `hyper` tensor (f32), whatever the optimiser. */
export const hyperSize = 8;
/** Length of the `update` tensor (f32): norm, clipping coefficient, 1 where the update is to be left out, unused. */
export const updateSize = 4;

/** The keys of a `training` configuration that concern the optimiser. */
export interface OptimizerOptions {
  readonly optimizer: OptimizerName;
  /** Of sgd. */
  readonly momentum: number;
  /** Of sgd with momentum. Default: false. */
  readonly nesterov?: boolean;
  /** Of adam and adamw. */
  readonly adam_betas: readonly [number, number];
  readonly eps: number;
  /** adamw takes it off the weights, sgd and adam add it to the gradient. */
  readonly weight_decay: number;
}

export interface Optimizer {
  readonly name: OptimizerName;
  /** What it keeps beside each parameter, by PyTorch's names; each is zero at first. */
  readonly moments: readonly string[];
  /**
   * The `hyperSize` numbers of one update, computed in float64.
   *
   * @param step the number of this update, counted from 1
   */
  hyper(step: number, learningRate: number): Float32Array<ArrayBuffer>;
  /** Records the update of a segment or a range of one. `moments` are the same range's, in the order of the names. */
  recordUpdate(tape: Tape, segment: Segment, moments: readonly Tensor[], hyper: Tensor, update: Tensor): void;
}
