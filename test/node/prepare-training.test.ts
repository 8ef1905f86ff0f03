/** A training that the device cannot hold is refused before it begins, with the keys to lower. */
import { expect, test } from 'vitest';
import { LimitsError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { buildVocabularies, tokenizeTraining } from '../../src/models/prepare-data.ts';
import type { TrainingData } from '../../src/node/load-data.ts';
import { prepareTraining } from '../../src/node/prepare-training.ts';
import { parseConfig } from '../../src/train/config/parse.ts';
import { testGpu } from '../setup/gpu.ts';
import { limitedGpu } from '../setup/limited-gpu.ts';

const config = parseConfig('data: { train: a.tsv, src: { level: char } }', {
  overrides: [
    'model.encoder.hidden_size=8',
    'model.encoder.embeddings.embedding_dim=8',
    'training.batch_size=32',
  ],
});
const lines = Array.from({ length: 40 }, (_, i) => 'abcdefghij'.slice(i % 10).repeat(4));
const text = { name: 'a.tsv', source: lines, target: lines.map((line) => [...line].join(' ')) };
const data: TrainingData = {
  text,
  corpus: tokenizeTraining(text, config),
  dev: undefined,
  test: undefined,
};

async function prepare(gpu: Gpu, memory?: number): Promise<void> {
  const vocabularies = buildVocabularies(data.corpus, config);
  const { model, trainer } = await prepareTraining(gpu, config, data, vocabularies, memory);
  trainer.dispose();
  model.dispose();
}

test('a batch whose scratch memory does not fit a binding', async () => {
  const limits = { maxStorageBufferBindingSize: 2 ** 16, maxBufferSize: 2 ** 16 };
  const attempt = prepare(limitedGpu(await testGpu(), limits));
  await expect(attempt).rejects.toThrow(LimitsError);
  await expect(attempt).rejects.toThrow(
    /^train B32 S\d+ T\d+: .* needs .* KiB, but this device binds at most 64\.0 KiB.*; the largest batch has 32 sentences of up to \d+ source and \d+ target tokens: lower training\.batch_size \(32\), data\.src\.max_length \(100\)/,
  );
});

test('a training that does not fit the memory, as far as that is known', async () => {
  const gpu = await testGpu();
  await prepare(gpu, 2 ** 30);
  await expect(prepare(gpu, 2 ** 21)).rejects.toThrow(
    /^training needs .* MiB, but this machine has 2\.0 MiB; the largest batch has 32 sentences/,
  );
  await expect(prepare(gpu, 2 ** 10)).rejects.toThrow(/^the model's parameters with their gradients/);
});
