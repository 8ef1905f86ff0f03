/**
 * What an attention score declares. The score of a decoder state h_t and an encoder state m_s is computed from h and
 * from keys that are made of m once, for all steps; everything after the scores is the same for all (`../attention.ts`).
 */
import type { Tape } from '../../scheduler/tape.ts';
import type { Tensor } from '../../scheduler/tensor.ts';

export interface AttentionWeights {
  /** [H, M], of `general` */
  readonly linearIn?: Tensor | undefined;
  /** [A, H], of `concat` */
  readonly linearQuery?: Tensor | undefined;
  /** [A, M], of `concat` */
  readonly linearContext?: Tensor | undefined;
  /** [1, A], of `concat` */
  readonly v?: Tensor | undefined;
  /** [H, M + H]: h̃ = tanh(W [context; h]) */
  readonly linearOut: Tensor;
}

export interface ScoreOperands {
  readonly label: string;
  /** Decoder states [T, B, H]. */
  readonly query: Tensor;
  /** What `keys` made: [S, B, A]. */
  readonly keys: Tensor;
  /** u32 [B] */
  readonly lengths: Tensor;
  readonly weights: AttentionWeights;
  /** Written: [T, B, S]. Entries beyond a row's length are never read. */
  readonly scores: Tensor;
}

/** A score over some operands, to be recorded for ranges of steps (`end` exclusive). */
export interface RecordedScore {
  /** Writes the scores of the steps. */
  forward(start: number, end: number): void;
  /**
   * Adds to `dQuery` [T, B, H] (undefined: not needed) what the scores' gradients of the steps give. `dScores`
   * [T, B, S] is 0 beyond a row's length.
   */
  backward(dScores: Tensor, dQuery: Tensor | undefined, start: number, end: number): void;
  /** After the last `backward`: the gradients of the keys and of the score's weights, from all steps. */
  finishBackward(dScores: Tensor): void;
}

export interface Score {
  /** The score is the inner product of query and key. */
  readonly product: boolean;
  /** Keys [S, B, A] from memory [S, B, M], differentiable; recorded once. Checks memory and weights. */
  keys(tape: Tape, memory: Tensor, weights: AttentionWeights): Tensor;
  record(tape: Tape, operands: ScoreOperands): RecordedScore;
}
