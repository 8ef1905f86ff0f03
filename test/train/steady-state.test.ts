/**
 * What a step of each type of model asks of WebGPU once its plan is there: one submit, no object made, nothing read back.
 * Counted through the real calls, as `speed-model.test.ts` does for the model by which speed is measured.
 */
import { describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import type { Batch } from '../../src/data/batches.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { createModel } from '../../src/models/kinds.ts';
import { buildVocabularies, tokenizeTraining } from '../../src/models/prepare-data.ts';
import type { ModelType } from '../../src/nn/model-config.ts';
import { type PartialConfig, resolveConfig } from '../../src/train/config/resolve-config.ts';
import type { Config } from '../../src/train/config/types.ts';
import type { TrainingEngine } from '../../src/train/engine.ts';
import { trainingSet } from '../../src/train/training-set.ts';
import { testGpu } from '../setup/gpu.ts';

const words = ['abc', 'cab', 'bca', 'acb', 'ba', 'caab'];
const encoder = { hidden_size: 5, embeddings: { embedding_dim: 4, dropout: 0.2 } };
const decoder = { hidden_size: 5, embeddings: { embedding_dim: 4 } };
const chars = { src: { level: 'char' }, trg: { level: 'char' } } as const;
const spelt = words.map((word) => [...word].join(' '));

interface Case {
  readonly source: readonly string[];
  readonly target: readonly string[];
  readonly config: { [T in ModelType]: PartialConfig<T> }[ModelType];
}

const cases: Readonly<Record<string, Case>> = {
  'a tagger with characters and a CRF': {
    source: spelt,
    target: spelt.map((line) => line.toUpperCase()),
    config: { model: { type: 'tagger', encoder, crf: true, characters: { use: true } } },
  },
  'a classifier with class weights and attention pooling': {
    source: words,
    target: words.map((word) => `${word.length}`),
    config: {
      data: chars,
      model: { type: 'classifier', encoder, pooling: 'attention-pooled', class_weights: 'balanced' },
    },
  },
  'a generator with scheduled sampling': {
    source: words.map((word) => `${word.length}`),
    target: words,
    config: {
      data: { trg: { level: 'char' } },
      model: { type: 'generator', decoder },
      training: { forcing: 'scheduled_sampling', scheduled_sampling: { token: 'sample' } },
    },
  },
  'an encoder–decoder with one context, some columns frozen': {
    source: words,
    target: words,
    config: {
      data: chars,
      model: {
        type: 'seq2seq',
        encoder: { ...encoder, bidirectional: false },
        decoder: { attention: { score: 'none' }, context: 'mean', context_use: 'both' },
      },
      training: {
        parameter_groups: [{ pattern: 'decoder.rnn.weight_ih_l0.words', frozen_epochs: 'always' }],
      },
    },
  },
  'a language model on a stream': {
    source: words.map(() => ''),
    target: words,
    config: { data: chars, model: { type: 'language_model', decoder }, training: { bptt_length: 3 } },
  },
};

describe.each(Object.entries(cases))('%s', (_, { source, target, config: given }) => {
  test('one submit, nothing made, nothing read; in mixed precision too where the device can', async () => {
    const gpu = await testGpu();
    for (const precision of gpu.halves ? (['f32', 'mixed'] as const) : (['f32'] as const)) {
      const training = { batch_size: 2, bucket_width: 8, precision, ...given.training };
      const config = resolveConfig({ ...given, training } as PartialConfig) as Config;
      const corpus = tokenizeTraining({ name: 'words', source, target }, config);
      const model = createModel(gpu, config, buildVocabularies(corpus, config));
      const dataset = model.encodeTraining({ name: 'words', source, target });
      const trainer = await model.trainer(dataset);
      const set = trainingSet(dataset, config.training);
      const batches = set.plan(config.training, 0).map((plan) => set.fill(plan));
      await expectSteady(gpu, trainer.engine, batches);
      trainer.dispose();
      model.dispose();
    }
  });
});

async function expectSteady(gpu: Gpu, engine: TrainingEngine, batches: readonly Batch[]): Promise<void> {
  const calls = countCalls(gpu.device);
  try {
    // Every shape and the epoch's groups first.
    await engine.beginEpoch(1);
    for (const batch of batches) await engine.update([batch], 0.01, 0.5);
    for (const batch of batches) {
      calls.reset();
      await engine.update([batch], 0.01, 0.5);
      expect(calls.made()).toEqual([]);
      expect(calls.count('GPUQueue.submit')).toBe(1);
      expect(calls.count('GPUComputePassEncoder.dispatchWorkgroups')).toBeGreaterThan(10);
      expect(calls.count('GPUBuffer.mapAsync')).toBe(0);
    }
  } finally {
    calls.stop();
  }
}
