/** What models start from: word vectors, exactly, frozen and released; a decoder that begins as a language model. */
import { afterAll, describe, expect, test } from 'vitest';
import { readWordVectors } from '../../src/data/word-vectors.ts';
import { ForwardRunner } from '../../src/decode/forward-runner.ts';
import { ConfigError } from '../../src/errors.ts';
import { restoreCheckpoint, saveCheckpoint } from '../../src/models/checkpoint.ts';
import { LanguageModel, Seq2Seq, SequenceClassifier } from '../../src/models/kinds.ts';
import { readModelDescription } from '../../src/models/model-files.ts';
import { type GeneratingNetwork, recordDecoder, recordLogits } from '../../src/nn/generating.ts';
import { persistentTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { type PartialConfig, resolveConfig } from '../../src/train/config/resolve-config.ts';
import type { TrainerState } from '../../src/train/trainer.ts';
import { expectSameBits, sameBits } from '../setup/bits.ts';
import { testGpu } from '../setup/gpu.ts';

const gpu = await testGpu();
const made: { dispose(): void }[] = [];
afterAll(() => {
  for (const one of made.reverse()) one.dispose();
});
function kept<Made extends { dispose(): void }>(one: Made): Made {
  made.push(one);
  return one;
}

const table = 'encoder.embedding.weight';
const sentences = [
  'the cat sat',
  'a dog ran',
  'the dog sat',
  'a cat ran off',
  'the bird sang',
  'a bird flew off',
];
const labelled = sentences.map((source) => ({ source, target: source.includes('bird') ? 'air' : 'land' }));
const vectorLines = [
  '4 4',
  'cat 0.1 -2 3.5 1e-7',
  'The 9 9 9 9',
  'bird 0.3333333333333333 -0 16777217 5',
  'zebra 1 1 1 1',
];

type Settings = NonNullable<PartialConfig<'classifier'>['training']>;

function classifierConfig(embeddings: Record<string, unknown>, training: Settings = {}) {
  return resolveConfig<'classifier'>({
    model: {
      type: 'classifier',
      cell: 'gru',
      encoder: { hidden_size: 5, embeddings: { embedding_dim: 4, ...embeddings } },
    },
    training: { batch_size: 2, epochs: 3, learning_rate: 0.05, logging_freq: 100, ...training },
  });
}

function classifier(embeddings: Record<string, unknown> = {}, training: Settings = {}): SequenceClassifier {
  const model = kept(SequenceClassifier.fromPairs(gpu, labelled, classifierConfig(embeddings, training)));
  const vectors = readWordVectors(vectorLines, model.vocabularies.source, 'vectors.txt');
  model.loadEmbeddings('encoder', vectors);
  return model;
}

describe('word vectors', () => {
  test('replace the rows of their words to the bit, and nothing else', async () => {
    const plain = kept(SequenceClassifier.fromPairs(gpu, labelled, classifierConfig({})));
    const expected = await plain.network.parameters.read();
    const rows = expected.get(table)!;
    const { source } = plain.vocabularies;
    rows.set([0.1, -2, 3.5, 1e-7], source.idOf('cat') * 4);
    rows.set([1 / 3, -0, 16777216, 5], source.idOf('bird') * 4);
    expectSameBits(await classifier().network.parameters.read(), expected, 'the model with vectors');
  });

  test('with tied tables either side’s are those of the one table', async () => {
    const model = kept(
      Seq2Seq.fromPairs(
        gpu,
        sentences.map((line) => ({ source: line, target: line })),
        {
          data: { share_vocab: true, src: { level: 'word' }, trg: { level: 'word' } },
          model: { tied_embeddings: true, encoder: { hidden_size: 3, embeddings: { embedding_dim: 4 } } },
        },
      ),
    );
    model.loadEmbeddings('decoder', readWordVectors(vectorLines, model.vocabularies.target, 'vectors.txt'));
    const row = model.vocabularies.source.idOf('bird') * 4;
    const values = (await model.network.parameters.read()).get(table)!.subarray(row, row + 4);
    expect([...values]).toEqual([Math.fround(1 / 3), -0, 16777216, 5]);
  });

  test('of another size, or for a table that is not there', () => {
    const model = classifier();
    const { source } = model.vocabularies;
    expect(() => model.loadEmbeddings('encoder', readWordVectors(['cat 1 2 3'], source, 'v.txt'))).toThrow(
      new ConfigError(
        'v.txt has vectors of 3 numbers, but model.encoder.embeddings.embedding_dim is 4; make them the same',
      ),
    );
    const vectors = readWordVectors(vectorLines, source, 'v.txt');
    expect(() => model.loadEmbeddings('decoder', vectors)).toThrow(
      new ConfigError('this classifier has no table decoder.embedding of words to load vectors into'),
    );
  });
});

/** The parameters after each epoch, the first before training. `stop` carries everything into a new model at that update. */
async function trained(model: SequenceClassifier, stop?: number) {
  const epochs = [await model.network.parameters.read()];
  const states: TrainerState[] = [];
  let own = { model, trainer: kept(await model.trainer(model.encodeTraining({ name: 't', ...columns() }))) };
  for (let running = true; running; ) {
    running = false;
    for await (const report of own.trainer.run()) {
      if (report.kind === 'progress' && states.length < report.epoch && report.update % 3 === 0) {
        epochs.push(await own.model.network.parameters.read());
        states.push(own.trainer.state);
      }
      if (report.kind === 'progress' && report.update === stop) {
        running = true;
        break;
      }
    }
    if (!running) break;
    stop = undefined;
    const files = await saveCheckpoint(own.model, own.trainer);
    const { config, vocabularies } = readModelDescription(own.model.description());
    const next = kept(SequenceClassifier.create(gpu, config as never, vocabularies));
    own = {
      model: next,
      trainer: kept(await next.trainer(next.encodeTraining({ name: 't', ...columns() }))),
    };
    restoreCheckpoint(next, own.trainer, files, 'the checkpoint');
  }
  const { moments } = await own.trainer.engine.readOptimizer();
  return { epochs, moments, state: own.trainer.state };
}

const columns = () => ({
  source: labelled.map(({ source }) => source),
  target: labelled.map(({ target }) => target),
});

describe('a frozen table', () => {
  test('stays as it is to the bit, while the rest learns', async () => {
    const { epochs } = await trained(classifier({ freeze: true }));
    expect(epochs.length).toBe(4);
    for (const values of epochs.slice(1)) {
      expect(sameBits(values.get(table)!, epochs[0]!.get(table)!)).toBe(true);
      expect(sameBits(values.get('output.weight')!, epochs[0]!.get('output.weight')!)).toBe(false);
    }
  });

  const released = { freeze: true, unfreeze_epoch: 3 };
  test('is released in its epoch', async () => {
    const { epochs } = await trained(classifier(released));
    const same = epochs.map((values) => sameBits(values.get(table)!, epochs[0]!.get(table)!));
    expect(same).toEqual([true, true, true, false]);
  });

  // Reports, and so stops, are at every update: 4 in the middle of a frozen epoch, 6 before the release, 7 after it.
  test.each([4, 6, 7])('a run stopped after update %i goes on bit-equal', async (stop) => {
    const often: Settings = { logging_freq: 1, parameter_groups: [{ pattern: 'encoder.*', lr: 0.5 }] };
    const whole = await trained(classifier(released, often));
    const parts = await trained(classifier(released, often), stop);
    expect(parts.state).toEqual(whole.state);
    expect(whole.state.engine.stepOffsets).toEqual({ [table]: 6, 'encoder.*': 0, '*': 0 });
    expectSameBits(parts.epochs.at(-1)!, whole.epochs.at(-1)!, 'weights');
    for (const [name, moment] of whole.moments) expectSameBits(parts.moments.get(name)!, moment, name);
  });
});

/** logits [B, V] of every step of a decoder that reads `words` [T, B]. */
async function logitsOf(
  network: GeneratingNetwork,
  words: readonly (readonly number[])[],
): Promise<Map<string, Float32Array>> {
  const [T, B] = [words.length, words[0]!.length];
  const targetInput = persistentTensor(gpu, 'words', [T, B], 'u32');
  writeTensor(gpu, targetInput, Uint32Array.from(words.flat()));
  const sampling = persistentTensor(gpu, 'sampling', [1]);
  const isAlone = network.memorySize === 0 && network.config.type === 'language_model';
  const runner = kept(
    new ForwardRunner<string>(gpu, network, new ScratchPool(gpu), (tape, sources, random) => {
      const start = isAlone ? { initial: [] } : network.recordStart(tape, sources, random);
      const decoder = recordDecoder(tape, network, start, { targetInput }, { random, sampling });
      return Object.fromEntries(
        words.map((_, step) => {
          const logits = tape.tensor('logits', [B, network.outputWeight.dim(0)]);
          recordLogits(tape, network, decoder.output, step, logits);
          return [`step ${step}`, logits];
        }),
      );
    }),
  );
  const source = Uint32Array.from({ length: 3 * B }, (_, index) => 4 + (index % 3));
  const batch = {
    B,
    S: 3,
    source,
    sourceLengths: new Uint32Array(B).fill(3),
    sourceTokens: 3 * B,
    sentences: B,
    indices: [],
  };
  const found = await runner.run(batch);
  return new Map(Object.entries(found).map(([name, result]) => [name, result!.data as Float32Array]));
}

const targetText = ['ka lo mi', 'lo lo ka', 'mi ra', 'ra ka mi lo', 'ka ka ra'];
const pairs = sentences.slice(0, 5).map((source, line) => ({ source, target: targetText[line]! }));

type DecoderSettings = Record<string, unknown>;
const decoderKeys = { hidden_size: 6, embeddings: { embedding_dim: 5 } };

function languageModel(model: Record<string, unknown>, decoder: DecoderSettings = {}) {
  return kept(
    LanguageModel.fromPairs(
      gpu,
      { name: 'text', source: targetText.map(() => ''), target: targetText },
      {
        data: { trg: { level: 'word' } },
        model: { type: 'language_model', ...model, decoder: { ...decoderKeys, ...decoder } },
        training: { batch_size: 2, epochs: 2, learning_rate: 0.05 },
      },
    ),
  );
}

function translator(model: Record<string, unknown>, decoder: DecoderSettings, training: object = {}) {
  const config = resolveConfig<'seq2seq'>({
    data: { src: { level: 'word' }, trg: { level: 'word' } },
    model: {
      ...model,
      encoder: {
        hidden_size: 4,
        embeddings: { embedding_dim: 3 },
        num_layers: (decoder.num_layers as number) ?? 1,
      },
      decoder: { ...decoderKeys, attention: { score: 'none' }, bridge: 'linear', ...decoder },
    },
    training: { batch_size: 2, epochs: 2, learning_rate: 0.05, ...training },
  });
  return Seq2Seq.fromPairs(gpu, pairs, config);
}

describe('a decoder that begins as a language model', () => {
  test.each([
    [{ cell: 'lstm' }, { context_use: 'initial_state', num_layers: 2 }],
    [{ cell: 'gru' }, { context_use: 'every_step', bridge: 'none' }],
    [{ cell: 'lstm' }, { context_use: 'both', context: 'mean' }],
    [
      { cell: 'rnn', nonlinearity: 'relu', tied_softmax: true },
      { context_use: 'both', embeddings: { embedding_dim: 6 } },
    ],
  ])('%j %j: its logits are the language model’s at every step, to the bit', async (model, decoder) => {
    const { num_layers = 1, embeddings = decoderKeys.embeddings } = decoder as DecoderSettings;
    const language = languageModel(model, { num_layers, embeddings });
    await language.fit({ name: 'text', source: targetText.map(() => ''), target: targetText });
    const seq2seq = kept(translator(model, decoder));
    const words = [
      [1, 1],
      [4, 5],
      [6, 7],
      [5, 4],
    ];
    const before = await logitsOf(seq2seq.network, words);
    await seq2seq.loadDecoder(language);
    const expected = await logitsOf(language.network, words);
    expectSameBits(await logitsOf(seq2seq.network, words), expected, 'logits');
    for (const [name, logits] of expected) expect(sameBits(before.get(name)!, logits)).toBe(false);
  });

  test('frozen for an epoch: context, bridge and encoder learn, what came from the language model stays', async () => {
    const columns = 'decoder.rnn.weight_ih_l0';
    const groups = [{ pattern: `${columns}.context` }, { pattern: 'decoder.*', frozen_epochs: 1 }];
    const decoder = { context_use: 'both' };
    const language = languageModel({ cell: 'gru' });
    const seq2seq = kept(
      translator({ cell: 'gru' }, decoder, {
        parameter_groups: groups,
        weight_decay: 0.1,
        optimizer: 'adamw',
      }),
    );
    await seq2seq.loadDecoder(language);
    const [E, M] = [5, 8];
    /** `decoder.rnn.weight_ih_l0` as its two parts. */
    const read = async () => {
      const all = new Map<string, Float32Array>(await seq2seq.network.parameters.read());
      const matrix = all.get(columns)!;
      const part = (wanted: (column: number) => boolean) => matrix.filter((_, at) => wanted(at % (E + M)));
      all.delete(columns);
      all.set(
        'words',
        part((column) => column < E),
      );
      return all.set(
        'context',
        part((column) => column >= E),
      );
    };
    const start = await read();
    expect(start.get('context')!.every((value) => value === 0)).toBe(true);
    const changed = async (before: ReadonlyMap<string, Float32Array>) => {
      const after = await read();
      return [...after]
        .filter(([name, values]) => !sameBits(values, before.get(name)!))
        .map(([name]) => name);
    };
    await seq2seq.fit(pairs, { epochs: 1 });
    const open = [...start.keys()].filter((name) => /^(encoder|bridge)\.|^context$/.test(name));
    expect(await changed(start)).toEqual(open);
    const middle = await read();
    await seq2seq.fit(pairs, { epochs: 1 });
    expect(await changed(middle)).toEqual([...middle.keys()]);
  });

  test.each([
    [
      { attention: { score: 'general' }, hidden_size: 8 },
      /a decoder with attention .* `attention: \{ score: none \}`/,
    ],
    [{ bridge: 'none', hidden_size: 8 }, /starts from a state of zeros.* `bridge: linear`/],
    [{ hidden_size: 7 }, /model\.decoder\.hidden_size \(7 here, 6 there\) must be the same/],
  ] as const)('%j does not fit', async (decoder, message) => {
    const model = kept(translator({ cell: 'gru' }, decoder));
    await expect(model.loadDecoder(languageModel({ cell: 'gru' }))).rejects.toThrow(message);
  });

  test('of another cell and vocabulary', async () => {
    const model = kept(translator({ cell: 'gru' }, {}));
    await expect(
      model.loadDecoder(languageModel({ cell: 'lstm', tied_softmax: true }, { hidden_size: 5 })),
    ).rejects.toThrow(
      'another kind than the decoder: model.cell (gru here, lstm there), model.tied_softmax (false here, true there), model.decoder.hidden_size (6 here, 5 there) must',
    );
    const other = kept(
      LanguageModel.fromPairs(
        gpu,
        { name: 'text', source: [''], target: ['ka lo mi xu'] },
        {
          data: { trg: { level: 'word' } },
          model: { type: 'language_model', cell: 'gru', decoder: decoderKeys },
        },
      ),
    );
    await expect(model.loadDecoder(other)).rejects.toThrow(
      "the target vocabulary has 8 tokens and the language model's 8; token 7 is 'ra' here and 'xu' there. Take the language model's: data.trg.voc_file",
    );
  });
});
