/** The choice of the most probable next token, on the device. Nothing to differentiate. */
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

/** Ids that a decoder treats in its own way. */
export interface SpecialIds {
  readonly padding: number;
  readonly begin: number;
  readonly end: number;
}

/** tokens [steps + 1, B]: writes slot `step + 1` from logits [B, V] and slot `step`. */
export function recordGreedyStep(
  tape: Tape,
  logits: Tensor,
  tokens: Tensor,
  step: number,
  ids: SpecialIds,
): void {
  const [batch, vocabulary] = [logits.dim(0), logits.dim(1)];
  tape.dispatch('greedy-step', 'main', {
    bindings: { logits, tokens },
    params: { batch, vocabulary, step, ...ids },
    workgroups: [batch],
    constants: choiceLanes(tape),
  });
}

/**
 * The lanes that look for a row's best word together: a wave or two of a GPU, as many as a software adapter has. What they
 * find does not depend on it.
 */
export function choiceLanes({ software }: Tape): { readonly lanes: number } {
  return { lanes: software ? 8 : 64 };
}
