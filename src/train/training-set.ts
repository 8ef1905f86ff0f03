/** What a trainer trains on: examples cut into batches anew in every epoch, or one stream cut into chunks. */
import { type BatchPlan, planEpoch } from '../data/batch-plan.ts';
import { type Batch, fillBatch } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import {
  fillStream,
  planStream,
  type StreamChunk,
  type StreamOptions,
  streamChunks,
  streamIds,
} from '../data/streams.ts';
import type { TrainingConfig } from './config/types.ts';

export interface TrainingSet {
  /** The batches of an epoch, counted from 0, in order. */
  plan(training: TrainingConfig, epoch: number): BatchPlan[];
  fill(plan: BatchPlan): Batch;
}

export function trainingSet(dataset: Dataset, training: TrainingConfig): TrainingSet {
  const { bptt_length: bptt, batch_size: batchSize } = training;
  if (bptt === null) {
    return {
      plan: (options, epoch) => planEpoch(dataset, epochOptions(options), epoch),
      fill: (plan) => fillBatch(dataset, plan),
    };
  }
  const stream = streamIds(dataset.target);
  const cut = planStream(stream.length, { batchSize, bptt });
  return {
    plan: () =>
      Array.from({ length: cut.chunks }, (_, chunk) => ({ B: cut.B, S: 1, T: cut.T, indices: [], chunk })),
    fill: ({ chunk }) => chunkBatch(fillStream(stream, cut, chunk!)),
  };
}

/** All chunks of the stream of a dataset's targets, in order. */
export function* streamBatches(dataset: Dataset, options: StreamOptions): Generator<Batch> {
  for (const chunk of streamChunks(streamIds(dataset.target), options)) yield chunkBatch(chunk);
}

function chunkBatch({ B, T, input, output, lengths, tokens, isFirst }: StreamChunk): Batch {
  return {
    B,
    S: 1,
    T,
    source: new Uint32Array(B),
    sourceLengths: new Uint32Array(B),
    sourceTokens: 0,
    sentences: B,
    indices: [],
    targetInput: input,
    targetOutput: output,
    targetLengths: lengths,
    targetTokens: tokens,
    isFirst,
  };
}

function epochOptions(training: TrainingConfig) {
  return {
    batchSize: training.batch_size,
    batchType: training.batch_type,
    bucketWidth: training.bucket_width,
    poolBatches: training.pool_batches,
    seed: training.random_seed,
  };
}
