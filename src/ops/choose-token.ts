/**
 * Scheduled sampling (Bengio, Vinyals, Jaitly & Shazeer, "Scheduled Sampling for Sequence Prediction with Recurrent
 * Neural Networks", NIPS 2015): what a decoder in training reads next is its own choice with probability p, else the
 * teacher's token; p = 1 is free running. Drawn and chosen on the device. Nothing to differentiate: as in the paper,
 * no gradient flows through the choice.
 */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { choiceLanes, type SpecialIds } from './greedy-step.ts';

/** The decoder's own choice: its most probable token, or a draw from its distribution. */
export type OwnToken = 'argmax' | 'sample';

export interface ChooseTokenOptions {
  /** [B, V] of step `step`. */
  readonly logits: Tensor;
  /** u32 [T, B]: what teacher forcing reads, `<s>` in slot 0 and `<pad>` behind each row's end. */
  readonly teacher: Tensor;
  /** u32 [at least T, B]: what the decoder really reads. Slot `step + 1` is written; not the teacher's buffer. */
  readonly tokens: Tensor;
  /** From 0 to T - 2: nobody reads what follows the last step. */
  readonly step: number;
  /** f32 [at least 1]: p first, the probability of the model's own token. The host may change it between runs. */
  readonly sampling: Tensor;
  /** u32 [4]: seed low, seed high, step low, step high. */
  readonly random: Tensor;
  /** Keeps these numbers apart from all others of a step, as a dropout's site does. */
  readonly site: number;
  readonly mode: OwnToken;
  readonly specials: SpecialIds;
}

/**
 * Writes slot `step + 1` of the tokens. A row that is over (its teacher has `<pad>`) keeps `<pad>`; a row whose own
 * token is `</s>` goes on to the teacher's length. p = 0 always takes the teacher's token, p = 1 never.
 *
 * @throws ShapeError where the tensors do not fit together, or nothing follows the step
 */
export function recordChooseToken(tape: Tape, options: ChooseTokenOptions): void {
  const { logits, teacher, tokens, step, sampling, random, site, mode, specials } = options;
  const [batch, vocabulary] = [logits.dim(0), logits.dim(1)];
  expectShape(teacher, teacher.dim(0), batch);
  expectShape(tokens, tokens.dim(0), batch);
  expectShape(random, 4);
  if (step + 1 >= teacher.dim(0) || step + 1 >= tokens.dim(0)) {
    throw new ShapeError(`choose-token: nothing follows step ${step} in ${teacher} and ${tokens}`);
  }
  tape.dispatch('choose-token', 'scheduled', {
    bindings: { logits, random, teacher, sampling, tokens },
    params: { batch, vocabulary, step, site, ...specials, temperature: mode === 'sample' ? 1 : 0 },
    workgroups: [batch],
    constants: choiceLanes(tape),
  });
}
