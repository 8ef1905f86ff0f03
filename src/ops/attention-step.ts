/**
 * Attention of a step in one dispatch each way: scores, softmax and context, and from the context's gradient to the
 * query's. For loops that must go step by step, where the three products of a step are too small to fill a device and
 * each would be a dispatch of its own. Over many steps at once the batched products of `attention.ts` are faster: they
 * read a source once for all steps.
 */
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

/** The sequences of an attention whose scores are products of query and key. */
export interface AttentionStep {
  /** Steps `start` to `end` (exclusive): any number is right, one is what the kernel is made for. */
  readonly start: number;
  readonly end: number;
  /** Encoder states m [S, B, M]. */
  readonly memory: Tensor;
  /** [S, B, H] */
  readonly keys: Tensor;
  /** u32 [B] */
  readonly lengths: Tensor;
  /** Alignments [T, B, S]. */
  readonly weights: Tensor;
}

export interface AttentionStepForward extends AttentionStep {
  /** Decoder states h [T, B, H]. */
  readonly query: Tensor;
  /** Scratch [T, B, S]. */
  readonly terms: Tensor;
  /** [T, B, M+H]: the step's contexts and beside them its queries are written. */
  readonly joined: Tensor;
}

export interface AttentionStepBackward extends AttentionStep {
  /** [T, B, M+H] */
  readonly dJoined: Tensor;
  /** [T, B, S]: read where `addsWeights` is 1, and overwritten. */
  readonly dWeights: Tensor;
  readonly addsWeights: 0 | 1;
  /** [T, B, S], written. */
  readonly dScores: Tensor;
  /** [T, B, H], added to. */
  readonly dQuery: Tensor;
}

/**
 * The kernel loads by 16 bytes. It is not asked how long the sources are: that differs from batch to batch, and a row's
 * bits may not.
 */
export function fitsAttentionStep(query: Tensor, memory: Tensor): boolean {
  return query.dim(2) % 4 === 0 && memory.dim(2) % 4 === 0;
}

export function recordAttentionStep(tape: Tape, options: AttentionStepForward): void {
  const { query, memory, keys, lengths, weights, terms, joined } = options;
  tape.dispatch('attention-step', 'forward', {
    bindings: { vectors: query, left: keys, right: memory, lengths, weights, terms, sums: joined },
    ...grid(tape, options, query.dim(2), { addsWeights: 0, addsSums: 0 }),
  });
}

export function recordAttentionStepGradient(tape: Tape, options: AttentionStepBackward): void {
  const { memory, keys, lengths, weights, dJoined, dWeights, addsWeights, dScores, dQuery } = options;
  tape.dispatch('attention-step', 'backward', {
    bindings: {
      vectors: dJoined,
      left: memory,
      right: keys,
      lengths,
      weightsRead: weights,
      terms: dWeights,
      sums: dQuery,
      dScores,
    },
    ...grid(tape, options, dQuery.dim(2), { addsWeights, addsSums: 1 }),
  });
}

/**
 * A workgroup a row. On a GPU a quarter wave reads a source's row together and the workgroup covers the sums' width. A
 * software adapter has 4 or 8 lanes and no use for neighbours that read neighbouring places: each lane takes sources of
 * its own, and sums them as the batched products do.
 */
function grid(
  tape: Tape,
  { start, end, memory, weights }: AttentionStep,
  H: number,
  adds: { readonly addsWeights: 0 | 1; readonly addsSums: 0 | 1 },
) {
  const [batch, sources, M] = [weights.dim(1), weights.dim(2), memory.dim(2)];
  const wide = Math.max(H, M) > 256 ? 256 : 64;
  return {
    params: { start: start * batch, batch, sources, units: H / 4, memoryUnits: M / 4, ...adds },
    constants: tape.software ? { lanes: 8, across: 1 } : { lanes: wide, across: 16 },
    workgroups: [(end - start) * batch] as const,
  };
}
