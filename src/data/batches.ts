/**
 * Batches as the device takes them: time-major arrays, padded to the plan's shape. Entry `[t, b]` of an `[S, B]` array is
 * at `t * B + b`.
 */

import {
  type BatchOptions,
  type BatchPlan,
  type EpochOptions,
  planEpoch,
  planInOrder,
  planSources,
} from './batch-plan.ts';
import { type Characters, fillCharacters } from './characters.ts';
import type { Dataset } from './dataset.ts';
import { type Forms, isLabels, textForms } from './forms.ts';
import type { Frames } from './frames.ts';
import type { Sequences } from './sequences.ts';
import { BEGIN_ID, IGNORED_LABEL, PAD_ID } from './special-tokens.ts';

/** Sources without targets, for translation. */
export interface SourceBatch {
  /** Rows, empty ones included. */
  readonly B: number;
  /** Source steps. */
  readonly S: number;
  /** [S, B] ids, padded with `<pad>` (labels with 0); or of frames [S, B, F] numbers, padded with zeros. */
  readonly source: Uint32Array | Float32Array;
  /** [C, S · B] ids of the tokens' characters, padded with `<pad>`, where a model reads them. */
  readonly characters?: Uint32Array;
  /** [S · B] characters of each token, 0 for padding. */
  readonly characterLengths?: Uint32Array;
  /** C */
  readonly C?: number;
  /** [B] steps of each row, `</s>` included; 0 for an empty row. */
  readonly sourceLengths: Uint32Array;
  /** The sum of `sourceLengths`. */
  readonly sourceTokens: number;
  /** Rows that hold a sentence; they come first. */
  readonly sentences: number;
  /** For each of those rows, the index of its sentence in the dataset. */
  readonly indices: readonly number[];
}

/** Sentence pairs, for training and for the loss. */
export interface Batch extends SourceBatch {
  /** Target steps. */
  readonly T: number;
  /** [T, B] what the decoder reads: `<s>` and the target without its `</s>`, padded with `<pad>`. Zeros for labels. */
  readonly targetInput: Uint32Array;
  /** [T, B] what is to be predicted: the target with its `</s>`, padded with `<pad>`; labels with `IGNORED_LABEL`. */
  readonly targetOutput: Uint32Array;
  /** [B] steps of each row, `</s>` included; 0 for an empty row. */
  readonly targetLengths: Uint32Array;
  /** What the loss is averaged over: the sum of `targetLengths`, of labels those that count. */
  readonly targetTokens: number;
  /** Of a stream: true where nothing comes before this chunk, so that carried states start from zero. */
  readonly isFirst?: boolean;
}

/**
 * The batches of a training epoch, from batch number `from` on.
 * @param epoch the number of the epoch, from 0.
 */
export function* trainingBatches(
  dataset: Dataset,
  options: EpochOptions,
  epoch: number,
  from = 0,
): Generator<Batch> {
  for (const plan of planEpoch(dataset, options, epoch).slice(from)) yield fillBatch(dataset, plan);
}

/** All pairs of a dataset, batched by length. */
export function* evaluationBatches(dataset: Dataset, options: BatchOptions): Generator<Batch> {
  for (const plan of planInOrder(dataset, options)) yield fillBatch(dataset, plan);
}

/** All sources that are not empty, batched by length. */
export function* translationBatches(
  sources: Sources | Sequences,
  options: BatchOptions,
): Generator<SourceBatch> {
  const whole = 'source' in sources ? sources : { source: sources, forms: textForms };
  const emptyLength = whole.forms.source === 'text' ? 1 : 0;
  for (const plan of planSources(whole.source, options, emptyLength)) yield fillSourceBatch(whole, plan);
}

/** What the sources of a batch are filled from; a `Dataset` is one. */
export interface Sources {
  readonly forms: Pick<Forms, 'source'>;
  readonly source: Sequences;
  readonly frames?: readonly Frames[];
  readonly characters?: Characters;
}

/** The arrays of a planned batch. */
export function fillBatch(dataset: Dataset, plan: BatchPlan): Batch {
  const { B, T, indices } = plan;
  const labels = isLabels(dataset.forms.target);
  const targetInput = new Uint32Array(T * B).fill(labels ? 0 : PAD_ID);
  const targetOutput = new Uint32Array(T * B).fill(labels ? IGNORED_LABEL : PAD_ID);
  const targetLengths = new Uint32Array(B);
  let targetTokens = 0;
  for (const [row, index] of indices.entries()) {
    const target = dataset.target.at(index);
    let previous = BEGIN_ID;
    for (let t = 0; t < target.length; t++) {
      if (!labels) targetInput[t * B + row] = previous;
      previous = target[t]!;
      targetOutput[t * B + row] = previous;
    }
    targetLengths[row] = target.length;
    targetTokens += labels ? target.filter((id) => id !== IGNORED_LABEL).length : target.length;
  }
  return {
    ...fillSourceBatch(dataset, plan),
    T,
    targetInput,
    targetOutput,
    targetLengths,
    targetTokens,
  };
}

/** The arrays of a planned batch, without targets. */
export function fillSourceBatch(sources: Sources, plan: BatchPlan): SourceBatch {
  const { B, S, indices } = plan;
  const sourceLengths = new Uint32Array(B);
  let sourceTokens = 0;
  for (const [row, index] of indices.entries()) {
    sourceLengths[row] = sources.source.lengthOf(index);
    sourceTokens += sourceLengths[row]!;
  }
  const source = sources.frames ? fillFrames(sources.frames, plan) : fillIds(sources, plan);
  const characters =
    sources.characters && fillCharacters(sources.characters, plan, { maxLength: longestWord });
  return { B, S, source, ...characters, sourceLengths, sourceTokens, sentences: indices.length, indices };
}

function fillIds({ forms, source }: Sources, { B, S, indices }: BatchPlan): Uint32Array {
  const filled = new Uint32Array(S * B).fill(isLabels(forms.source) ? 0 : PAD_ID);
  for (const [row, index] of indices.entries()) {
    const ids = source.at(index);
    for (let t = 0; t < ids.length; t++) filled[t * B + row] = ids[t]!;
  }
  return filled;
}

function fillFrames(frames: readonly Frames[], { B, S, indices }: BatchPlan): Float32Array {
  const size = frames[0]!.size;
  const filled = new Float32Array(S * B * size);
  for (const [row, index] of indices.entries()) {
    const { data, steps } = frames[index]!;
    for (let t = 0; t < steps; t++) filled.set(data.subarray(t * size, (t + 1) * size), (t * B + row) * size);
  }
  return filled;
}

/**
 * Puts the results of batches back into the order of their sentences.
 * @param count how many sentences there are.
 * @param batches the `indices` of each batch with one result for each of them.
 * @param absent the result of sentences that are in no batch (empty lines).
 */
export function restoreOrder<Result>(
  count: number,
  batches: Iterable<{ readonly indices: readonly number[]; readonly results: readonly Result[] }>,
  absent: Result,
): Result[] {
  const ordered = new Array<Result>(count).fill(absent);
  for (const { indices, results } of batches) {
    for (const [row, index] of indices.entries()) ordered[index] = results[row]!;
  }
  return ordered;
}

/** Characters beyond this are not read: one long word must not make a batch of long ones. */
export const longestWord = 24;
