/**
 * Viterbi's algorithm on the device: the best tag sequence of each row under a linear-chain CRF. A dispatch a step,
 * since the steps depend on each other and the rows and tags of one do not.
 */
import { ShapeError } from '../errors.ts';
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';

/** What scores a tag sequence; named as in pytorch-crf, with the emissions of a model below it. */
export interface CrfScores {
  /** [T, B, C]: the score of each tag at each position. */
  readonly emissions: Tensor;
  /** u32 [B]; positions beyond a row's length count for nothing. */
  readonly lengths: Tensor;
  /** [C, C]: [i, j] is the score of j after i. */
  readonly transitions: Tensor;
  /** [C]: the score of a row's first tag. */
  readonly start: Tensor;
  /** [C]: the score of a row's last tag. */
  readonly end: Tensor;
}

/**
 * The best tags u32 [T, B], 0 beyond a row's length, and their score [B], 0 of a row of length 0. Of equally good tags
 * the lower one wins, from a row's last position to its first. Nothing is differentiable.
 *
 * @throws ShapeError where the tensors do not fit together
 */
export function crfDecode(tape: Tape, given: CrfScores): { tags: Tensor; score: Tensor } {
  const [steps, batch, tags] = crfSizes(given);
  const { emissions, lengths, transitions, start, end } = given;
  const path = tape.tensor('crf path', [steps, batch], { dtype: 'u32' });
  const scores = tape.tensor('crf path score', [batch]);
  const best = tape.tensor('viterbi', [2, batch, tags]);
  const pointers = tape.tensor('viterbi pointers', [steps, batch, tags], { dtype: 'u32' });
  const params = { steps, batch, tags };
  const each = linearGroups(batch * tags, 64);
  for (let step = 0; step < steps; step++) {
    tape.dispatch('viterbi', 'forward', {
      bindings: { emissions, lengths, transitions, start, best, pointers, scores },
      params: { ...params, step, stride: each.stride },
      workgroups: each.groups,
    });
  }
  const { groups, stride } = linearGroups(batch, 64);
  tape.dispatch('viterbi', 'trace', {
    bindings: { lengths, end, best, pointers, scores, path },
    params: { ...params, step: 0, stride },
    workgroups: groups,
  });
  return { tags: path, score: scores };
}

/** T, B and C. Throws ShapeError where the tensors do not fit together. */
export function crfSizes({
  emissions,
  lengths,
  transitions,
  start,
  end,
}: CrfScores): [number, number, number] {
  if (emissions.shape.length !== 3 || emissions.size === 0) {
    throw new ShapeError(`crf: the emissions should be [T, B, C], with something in them, not ${emissions}`);
  }
  const [steps, batch, tags] = emissions.shape as [number, number, number];
  expectShape(lengths, batch);
  expectShape(transitions, tags, tags);
  expectShape(start, tags);
  expectShape(end, tags);
  if (lengths.dtype !== 'u32') throw new ShapeError(`crf: ${lengths} must be u32`);
  return [steps, batch, tags];
}
