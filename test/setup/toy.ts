/** A small task and small models for tests of training and decoding: words of many lengths, spelt backwards. */

import type { Batch } from '../../src/data/batches.ts';
import { evaluationBatches } from '../../src/data/batches.ts';
import type { ParallelText } from '../../src/data/parallel.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { type AnyModel, Seq2Seq } from '../../src/models/kinds.ts';
import { type PartialConfig, resolveConfig } from '../../src/train/config/resolve-config.ts';
import type { Config } from '../../src/train/config/types.ts';
import type { TrainingEngine } from '../../src/train/engine.ts';
import { hashIds } from './hash-numbers.ts';

/** Words of 1 to `longest` of ten letters; the target is the word backwards in capitals, vowels twice. */
export function toyPairs(seed: number, count: number, longest = 11): ParallelText {
  const lengths = hashIds(seed, count, 1, longest + 1);
  const source = Array.from(lengths, (length, index) =>
    String.fromCharCode(...Array.from(hashIds(seed + 1000 + index, length, 97, 107))),
  );
  const target = source.map((word) =>
    [...word]
      .reverse()
      .map((letter) => ('aei'.includes(letter) ? letter.toUpperCase().repeat(2) : letter.toUpperCase()))
      .join(''),
  );
  return { name: `toy ${seed}`, source, target };
}

export type ToyOptions = Pick<PartialConfig, 'model' | 'training' | 'testing'>;

/** Small, with everything that could go wrong in it: two directions, two layers, dropout everywhere, buckets. */
export function toyConfig({ model, training, testing }: ToyOptions = {}): Config<'seq2seq'> {
  return resolveConfig({
    name: 'toy',
    data: { src: { level: 'char' }, trg: { level: 'char' } },
    model: {
      ...model,
      encoder: {
        hidden_size: 5,
        num_layers: 2,
        dropout: 0.2,
        ...model?.encoder,
        embeddings: { embedding_dim: 6, dropout: 0.3, ...model?.encoder?.embeddings },
      },
      decoder: {
        hidden_dropout: 0.3,
        dropout: 0.2,
        ...model?.decoder,
        embeddings: { dropout: 0.3, ...model?.decoder?.embeddings },
      },
    },
    training: {
      batch_size: 8,
      epochs: 2,
      learning_rate: 0.01,
      clip_grad_norm: 1,
      logging_freq: 1,
      pool_batches: 3,
      ...training,
    },
    testing: { batch_size: 8, max_output_length: 12, ...testing },
  });
}

/** No dropout, one layer: for what is compared with a tolerance, or must be quick. */
export const plainModel: NonNullable<ToyOptions['model']> = {
  encoder: { num_layers: 1, dropout: 0, embeddings: { dropout: 0 } },
  decoder: { dropout: 0, hidden_dropout: 0, embeddings: { dropout: 0 } },
};

export const toyTraining = toyPairs(1, 60);
export const toyDev = toyPairs(2, 12);

export function toyModel(gpu: Gpu, config: Config<'seq2seq'>, text: ParallelText = toyTraining): Seq2Seq {
  return Seq2Seq.fromPairs(gpu, text, config);
}

/** All pairs in batches of `size`, in buckets, in order of length. */
export function toyBatches(model: Seq2Seq, size: number, text: ParallelText = toyTraining): Batch[] {
  return [...evaluationBatches(model.encodeTraining(text), { batchSize: size, bucketWidth: 4 })];
}

/** Weights and moments, by name. */
export async function everythingOf(
  model: AnyModel,
  engine?: TrainingEngine,
): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>(await model.network.parameters.read());
  if (!engine) return all;
  for (const [moment, values] of (await engine.readOptimizer()).moments) {
    for (const [name, data] of values) all.set(`${moment}.${name}`, data);
  }
  return all;
}
