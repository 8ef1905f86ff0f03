/** The next token of generation, drawn on the device. Its kernel is that of `choose-token.ts`. */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { choiceLanes, type SpecialIds } from './greedy-step.ts';

export interface SampleStepOptions extends SpecialIds {
  /** f32 [1]: at 0 the most probable token is taken, as `recordGreedyStep` does; at 1 it is drawn from softmax(logits). */
  readonly temperature: Tensor;
  /** u32 [4]: seed low, seed high, step low, step high. Runs that differ in none of them draw the same tokens. */
  readonly random: Tensor;
  /** Keeps these numbers apart from all others of a step, as a dropout's site does. */
  readonly site: number;
}

/**
 * tokens [steps + 1, B]: writes slot `step + 1`, drawn from softmax(logits / temperature) with logits [B, V]; `<pad>`
 * where slot `step` holds `</s>` or `<pad>`. `<pad>` and `<s>` are never drawn.
 *
 * @throws ShapeError where the tensors do not fit together
 */
export function recordSampleStep(
  tape: Tape,
  logits: Tensor,
  tokens: Tensor,
  step: number,
  { temperature, random, site, padding, begin, end }: SampleStepOptions,
): void {
  const [batch, vocabulary] = [logits.dim(0), logits.dim(1)];
  expectShape(tokens, tokens.dim(0), batch);
  expectShape(temperature, 1);
  expectShape(random, 4);
  if (step + 1 >= tokens.dim(0))
    throw new ShapeError(`sample-step: nothing follows step ${step} in ${tokens}`);
  tape.dispatch('choose-token', 'sampled', {
    bindings: { logits, random, temperature, tokens },
    params: { batch, vocabulary, step, site, padding, begin, end, temperature: 0 },
    workgroups: [batch],
    constants: choiceLanes(tape),
  });
}
