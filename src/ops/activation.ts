/** The activations that a product's epilogue can apply, and their gradients from the activated value. */
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

export type Activation = 'none' | 'tanh' | 'relu' | 'sigmoid';

/** As the shaders number them. */
export const activationCode: Readonly<Record<Activation, number>> = { none: 0, tanh: 1, relu: 2, sigmoid: 3 };

/**
 * The gradient before the activation, from the activated `y` and the gradient after it: a new scratch tensor, or
 * `upstream` itself for 'none'.
 */
export function recordActivationGradient(
  tape: Tape,
  activation: Activation,
  y: Tensor,
  upstream: Tensor,
): Tensor {
  if (activation === 'none') return upstream;
  const gradient = tape.tensor(`d ${activation}`, y.shape, { dtype: y.dtype });
  recordActivationGradientRange(tape, activation, y, upstream, gradient, { start: 0, end: y.size });
  return gradient;
}

/** The same for a range of elements (`end` exclusive), into a tensor that is there: `gradient` ← upstream ⊙ act′. */
export function recordActivationGradientRange(
  tape: Tape,
  activation: Exclude<Activation, 'none'>,
  y: Tensor,
  upstream: Tensor,
  gradient: Tensor,
  { start, end }: { readonly start: number; readonly end: number },
): void {
  const inFours = start % 4 === 0 && end % 4 === 0;
  const unit = inFours ? 4 : 1;
  const { groups: workgroups, stride } = linearGroups((end - start) / unit, 64);
  const params = { start: start / unit, end: end / unit, stride };
  const call = { params, workgroups, constants: { activation: activationCode[activation] } };
  if (inFours) {
    const bindings = { yFours: y, dyFours: upstream, dxFours: gradient };
    tape.dispatch('activation-gradient', 'fours', { bindings, ...call });
  } else {
    const bindings = { y, dy: upstream, dx: gradient };
    tape.dispatch('activation-gradient', 'main', { bindings, ...call });
  }
}
