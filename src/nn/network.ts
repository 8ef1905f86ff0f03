/**
 * What training, evaluation and decoding know of a model: its parameters, the tensors that a batch is written into, and
 * what records its passes on a tape. Each model (`seq2seq.ts`, `tagger.ts`, …) is one of these.
 */
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { CommonConfig, ModelConfig, StackConfig } from './model-config.ts';

/** The sources of a batch on the device. */
export interface SourceTensors {
  /** u32 [S, B]; of frames f32 [S, B, F] */
  readonly source: Tensor;
  /** u32 [B] */
  readonly sourceLengths: Tensor;
  /** u32 [C, S·B] and u32 [S·B], where the model reads characters. */
  readonly characters?: Tensor;
  readonly characterLengths?: Tensor;
}

/** A batch on the device. */
export interface BatchTensors extends SourceTensors {
  /** u32 [T, B]: what a decoder reads, from `<s>` on. */
  readonly targetInput: Tensor;
  /** u32 [T, B]: what is to be predicted: words up to `</s>`, tags, or a class. */
  readonly targetOutput: Tensor;
}

/** What every training step shares and the host rewrites. */
export interface StepTensors {
  /** u32 [4]: seed and step of the dropout masks and of scheduled sampling. */
  readonly random: Tensor;
  /** f32 [1]: what the summed loss is multiplied by before it is differentiated. */
  readonly scale: Tensor;
  /** f32 [8]: sums over steps, see `crossEntropy`. */
  readonly statistics: Tensor;
  /** f32 [1]: the probability that a decoder reads its own token instead of the teacher's. */
  readonly sampling: Tensor;
}

/** How a decoder's words come about in training. */
export type TeacherForcing = 'teacher' | 'argmax' | 'sample';

export interface LossOptions {
  readonly labelSmoothing: number;
  /**
   * `teacher`: the decoder reads the reference. Else it reads its own token with the probability `step.sampling`, the
   * most probable one or one drawn from its distribution.
   */
  readonly forcing?: TeacherForcing;
  /** f32 [classes]: how much each class counts. */
  readonly classWeights?: Tensor | undefined;
  /** States that a stream's chunk starts from, and that it leaves behind: by layer and state [B, H]. */
  readonly carried?: readonly (readonly Tensor[])[] | undefined;
}

/** The sizes that a model takes from its data. */
export interface DataSizes {
  /** Tokens, classes, or numbers a frame. */
  readonly source: number;
  readonly target: number;
  /** Of the vocabulary of characters, where the model reads them. */
  readonly characters?: number;
}

export interface Network {
  readonly config: ModelConfig & CommonConfig;
  readonly parameters: ParameterStore;
  /** F, where the source is frames; undefined where it is ids. */
  readonly frameSize: number | undefined;
  /** Whether batches need the characters of their source tokens. */
  readonly readsCharacters: boolean;
  /** Of models that may go through a stream: what a layer carries from chunk to chunk. */
  readonly carries?: { readonly stack: StackConfig; readonly stateCount: number };
  /** Draws new initial values. */
  initialize(seed: number): void;
  /** The summed loss, added to `step.statistics`; on a training tape the backward pass too. */
  recordLoss(tape: Tape, batch: BatchTensors, step: StepTensors, options: LossOptions): void;
  dispose(): void;
}
