/**
 * Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training"). Gradients that are stored as f16 vanish
 * below 6e-8, so the loss is multiplied by a large power of two before it is differentiated, and the gradients' norm and
 * clipping coefficient, from which the optimiser works in f32, are divided by it. A gradient that is not finite means that
 * the scale was too large: the update is left out and the scale halved; after many updates that were made it is doubled.
 * All of that happens on the device (`shaders/gradient-norm.wgsl`): nothing is read back, and a checkpoint that holds the
 * state goes on bit-equal.
 */
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';

/** Length of the state (f32): scale, its inverse, updates made since it last changed, unused. */
export const lossScaleSize = 4;

/** What PyTorch's GradScaler starts from: the first updates halve it where that is too much. */
export const initialLossScale: readonly number[] = [2 ** 16, 2 ** -16, 0, 0];

/** `factor` (f32 [1]) times the scale: a new scratch tensor. */
export function recordLossScale(tape: Tape, factor: Tensor, lossScale: Tensor): Tensor {
  expectShape(lossScale, lossScaleSize);
  const scaled = tape.tensor('scaled loss factor', [1]);
  tape.dispatch('loss-scale', 'main', {
    bindings: { factor, lossScale, scaled },
    params: {},
    workgroups: [1],
  });
  return scaled;
}
