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
  const gradient = tape.tensor(`d ${activation}`, y.shape);
  const { groups, stride } = linearGroups(y.size, 64);
  tape.dispatch('activation-gradient', 'main', {
    bindings: { y, dy: upstream, dx: gradient },
    params: { size: y.size, activation: activationCode[activation], stride },
    workgroups: groups,
  });
  return gradient;
}
