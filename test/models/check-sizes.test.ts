import { expect, test } from 'vitest';
import { checkParameterSizes } from '../../src/models/check-sizes.ts';
import { parseConfig } from '../../src/train/config/parse.ts';

const MiB = 2 ** 20;
const limits = { maxBufferSize: 256 * MiB, maxStorageBufferBindingSize: 128 * MiB };
const sizes = { source: 1000, target: 2000 };
const check = (overrides: string[], vocabulary = sizes, memory?: number) =>
  checkParameterSizes(parseConfig('data: { train: a.tsv }', { overrides }), vocabulary, { limits, memory });

test('gives the bytes of parameters, gradients and moments', () => {
  const [E, H] = [3, 4];
  const overrides = [
    'model.cell=rnn',
    `model.encoder.embeddings.embedding_dim=${E}`,
    `model.encoder.hidden_size=${H}`,
    'model.encoder.bidirectional=false',
    'model.decoder.attention.score=dot',
    'training.optimizer=sgd',
  ];
  const layer = H * E + H * H + 2 * H;
  const values = 1000 * E + 2000 * E + 2 * layer + 2 * H * H + 2000 * H + 2000;
  expect(check(overrides)).toBe(4 * 2 * values);
  expect(check([...overrides, 'training.momentum=0.9'])).toBe(4 * 3 * values);
  expect(check([...overrides, 'training.optimizer=adam'])).toBe(4 * 4 * values);
});

test.each([
  [
    ['model.encoder.hidden_size=3000'],
    sizes,
    'the parameter decoder.rnn.weight_hh_l0 [24000, 6000] needs 549.3 MiB, but this device binds at most 128.0 MiB: ' +
      'lower model.encoder.hidden_size (3000) or model.decoder.hidden_size (6000)',
  ],
  [
    [],
    { source: 10, target: 2_000_000 },
    'the parameter decoder.output.weight [2000000, 256] needs 1.91 GiB, but this device binds at most 128.0 MiB: ' +
      'lower data.trg.voc_limit (no limit)',
  ],
  [
    ['data.src.voc_limit=1000000', 'model.encoder.embeddings.embedding_dim=512'],
    { source: 1_000_004, target: 2000 },
    'the parameter encoder.embedding.weight [1000004, 512] needs 1.91 GiB, but this device binds at most 128.0 MiB: ' +
      'lower data.src.voc_limit (1000000)',
  ],
])('what one binding cannot hold is told with the keys to lower: %j', (overrides, vocabulary, message) => {
  expect(() => check(overrides, vocabulary)).toThrow(message);
});

test('the whole is compared with the memory, where that is known', () => {
  const overrides = ['model.encoder.hidden_size=1000', 'model.encoder.num_layers=8'];
  const bytes = check(overrides);
  expect(check(overrides, sizes, bytes)).toBe(bytes);
  expect(() => check(overrides, sizes, bytes - 1)).toThrow(
    /^the model's parameters with their gradients and the moments of adam need .* GiB, but this machine has .* GiB; most of it goes to .* or the number of layers$/,
  );
});
