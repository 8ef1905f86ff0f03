/**
 * Batches as the device takes them: time-major arrays of ids, padded to the plan's shape. Entry `[t, b]` of an
 * `[S, B]` array is at `t * B + b`.
 */

import {
  type BatchOptions,
  type BatchPlan,
  type EpochOptions,
  planEpoch,
  planInOrder,
  planSources,
} from './batch-plan.ts';
import type { Dataset } from './dataset.ts';
import type { Sequences } from './sequences.ts';
import { BEGIN_ID, PAD_ID } from './special-tokens.ts';

/** Sources without targets, for translation. */
export interface SourceBatch {
  /** Rows, empty ones included. */
  readonly B: number;
  /** Source steps. */
  readonly S: number;
  /** [S, B] ids; each row ends with `</s>` and is padded with `<pad>`. */
  readonly source: Uint32Array;
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
  /** [T, B] what the decoder reads: `<s>` and the target without its `</s>`, padded with `<pad>`. */
  readonly targetInput: Uint32Array;
  /** [T, B] what the decoder is to predict: the target with its `</s>`, padded with `<pad>`. */
  readonly targetOutput: Uint32Array;
  /** [B] steps of each row, `</s>` included; 0 for an empty row. */
  readonly targetLengths: Uint32Array;
  /** The sum of `targetLengths`: what the loss is averaged over. */
  readonly targetTokens: number;
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
export function* translationBatches(sources: Sequences, options: BatchOptions): Generator<SourceBatch> {
  for (const plan of planSources(sources, options)) yield fillSourceBatch(sources, plan);
}

/** The arrays of a planned batch. */
export function fillBatch(dataset: Dataset, plan: BatchPlan): Batch {
  const { B, T, indices } = plan;
  const targetInput = new Uint32Array(T * B).fill(PAD_ID);
  const targetOutput = new Uint32Array(T * B).fill(PAD_ID);
  const targetLengths = new Uint32Array(B);
  let targetTokens = 0;
  for (const [row, index] of indices.entries()) {
    const target = dataset.target.at(index);
    let previous = BEGIN_ID;
    for (let t = 0; t < target.length; t++) {
      targetInput[t * B + row] = previous;
      previous = target[t]!;
      targetOutput[t * B + row] = previous;
    }
    targetLengths[row] = target.length;
    targetTokens += target.length;
  }
  return {
    ...fillSourceBatch(dataset.source, plan),
    T,
    targetInput,
    targetOutput,
    targetLengths,
    targetTokens,
  };
}

/** The arrays of a planned batch, without targets. */
export function fillSourceBatch(sources: Sequences, { B, S, indices }: BatchPlan): SourceBatch {
  const source = new Uint32Array(S * B).fill(PAD_ID);
  const sourceLengths = new Uint32Array(B);
  let sourceTokens = 0;
  for (const [row, index] of indices.entries()) {
    const ids = sources.at(index);
    for (let t = 0; t < ids.length; t++) source[t * B + row] = ids[t]!;
    sourceLengths[row] = ids.length;
    sourceTokens += ids.length;
  }
  return { B, S, source, sourceLengths, sourceTokens, sentences: indices.length, indices };
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
