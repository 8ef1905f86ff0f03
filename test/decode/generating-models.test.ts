/**
 * Greedy decoding of the models without attention: every token is the most probable one after those before it, beyond the
 * borders of chunks of steps, whatever the batch. A language model goes on from prefixes of different lengths.
 */
import { describe, expect, test } from 'vitest';
import { type Batch, fillBatch } from '../../src/data/batches.ts';
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import { type Hypothesis, SequenceDecoder } from '../../src/decode/sequence-decoder.ts';
import { LanguageModel } from '../../src/models/kinds.ts';
import type { GeneratingNetwork } from '../../src/nn/generating.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { forwardTolerance } from '../setup/compare.ts';
import { tokensOf } from '../setup/decoding.ts';
import { forwardWords } from '../setup/generating.ts';
import { datasetOf, type GivenModel, type GoldenRows, networkOfModel } from '../setup/golden-networks.ts';
import { testGpu } from '../setup/gpu.ts';
import { hashIds, hashUniform } from '../setup/hash-numbers.ts';

const gpu = await testGpu();
const sizes = { source: 19, target: 23 };
const limit = 40;

const stack = { hidden_size: 10, embeddings: { embedding_dim: 7 } };
const encoder = { ...stack, hidden_size: 5 };
const alone = { ...stack, attention: { score: 'none' } } as const;

interface Case {
  readonly model: GivenModel;
  readonly frames?: boolean;
}
const cases: Record<string, Case> = {
  'generator, class at the first step, two residual layers of lstm': {
    model: {
      type: 'generator',
      input: { embedding_dim: 9, use: 'first_step' },
      decoder: { ...stack, num_layers: 2, residual: true },
    },
  },
  'generator, vector at every step, gru': {
    model: {
      type: 'generator',
      cell: 'gru',
      input: { embedding_dim: 9, use: 'every_step' },
      decoder: stack,
    },
    frames: true,
  },
  'lstm from last states, two layers': {
    model: { type: 'seq2seq', encoder: { ...encoder, num_layers: 2 }, decoder: alone },
  },
  'gru with the mean at the start and at every step, bridge': {
    model: {
      type: 'seq2seq',
      cell: 'gru',
      encoder,
      decoder: { ...alone, hidden_size: 11, bridge: 'linear', context: 'mean', context_use: 'both' },
    },
  },
  'rnn with a learned query over frames at every step': {
    model: {
      type: 'seq2seq',
      cell: 'rnn',
      encoder,
      decoder: { ...alone, context: 'attention-pooled', context_use: 'every_step' },
    },
    frames: true,
  },
};

/** Weights so large that rows get tokens of their own, of many lengths. */
async function networkOf(model: GivenModel, frames = false): Promise<GeneratingNetwork> {
  const given = { initializer: 'uniform', init_weight: 1.1, embed_init_weight: 2, ...model } as GivenModel;
  const network = networkOfModel(gpu, given, sizes, { frames }) as GeneratingNetwork;
  network.initialize(6);
  const bias = (await network.parameters.read()).get('decoder.output.bias')!;
  bias[END_ID] = bias[END_ID]! - 2;
  network.parameters.write('decoder.output.bias', bias);
  return network;
}

/** Sources of different lengths, of a generator of one step. */
function sourcesOf({ model, frames }: Case): GoldenRows['source'] {
  const lengths = model.type === 'generator' ? [1, 1, 1, 1, 1, 1] : [5, 1, 8, 3, 2, 6];
  if (!frames) return lengths.map((length, row) => [...hashIds(30 + row, length, 4, sizes.source)]);
  return lengths.map((length, row) => ({
    shape: [length, sizes.source],
    data: Float64Array.from(hashUniform(50 + row, length * sizes.source, 1.5)),
  }));
}

/** Sources with what the decoder is to read of each, as a batch with empty rows and steps. */
function batchOf(
  { model }: Case,
  source: GoldenRows['source'],
  read: readonly number[][],
  padding = 0,
): Batch {
  const dataset = datasetOf(model.type, { source, target: read.map((row) => [...row]) });
  const lengths = source.map((_, index) => dataset.source.lengthOf(index));
  return fillBatch(dataset, {
    B: source.length + padding,
    S: Math.max(1, ...lengths) + (model.type === 'generator' ? 0 : padding),
    T: Math.max(1, ...read.map(({ length }) => length)),
    indices: [...source.keys()],
  });
}

/** Each token of a row, from step `from` of logits on, is the most probable one that may be put out. */
function expectGreedy(
  logits: Float32Array,
  B: number,
  row: number,
  tokens: readonly number[],
  from = 0,
): void {
  const V = sizes.target;
  for (const [step, token] of tokens.entries()) {
    const at = ((from + step) * B + row) * V;
    const all = Array.from(logits.subarray(at, at + V));
    const scale = Math.max(...all.map(Math.abs));
    const most = Math.max(...all.filter((_, id) => id !== PAD_ID && id !== BEGIN_ID));
    expect(most - all[token]!, `row ${row}, step ${step}`).toBeLessThanOrEqual(forwardTolerance * scale);
  }
}

function expectVaried(hypotheses: readonly Hypothesis[]): void {
  const lengths = hypotheses.map(({ ids }) => ids.length);
  expect(Math.max(...lengths), 'more than two chunks of steps').toBeGreaterThan(32);
  expect(new Set(hypotheses.map(({ ids }) => ids.join())).size, 'different outputs').toBeGreaterThan(2);
}

describe.each(Object.entries(cases))('%s', (_, one) => {
  test('every token is the most probable one, in any batch', async () => {
    const network = await networkOf(one.model, one.frames);
    const decoder = new SequenceDecoder(gpu, network, new ScratchPool(gpu));
    const source = sourcesOf(one);
    const decode = (batch: Batch) =>
      decoder.decode(batch, { limits: new Array<number>(batch.B).fill(limit), alignments: true });
    const nothing = source.map(() => []);
    const hypotheses = await decode(batchOf(one, source, nothing));
    expectVaried(hypotheses);
    for (const hypothesis of hypotheses) expect(hypothesis).not.toHaveProperty('alignments');

    const tokens = hypotheses.map(tokensOf);
    const forced = batchOf(one, source, tokens);
    const { logits } = await forwardWords(gpu, network, forced);
    for (const [row, ids] of tokens.entries()) expectGreedy(logits.data, forced.B, row, ids);

    const padded = await decode(batchOf(one, source, nothing, 3));
    expect(padded.slice(0, source.length), 'among empty rows').toEqual(hypotheses);
    const empty = { ids: [], ended: true };
    expect(padded.slice(source.length), 'empty rows').toEqual([empty, empty, empty]);
    const single = source.slice(2, 3) as GoldenRows['source'];
    expect(await decode(batchOf(one, single, [[]])), 'by itself').toEqual([hypotheses[2]]);
    decoder.dispose();
    network.dispose();
  });
});

describe('a language model', () => {
  // The third layer's states are the first that know of a residual connection.
  const model: GivenModel = { type: 'language_model', decoder: { ...stack, num_layers: 3, residual: true } };
  const prefixes = [0, 1, 9, 4, 2].map((count, row) => [...hashIds(70 + row, count, 4, sizes.target)]);

  /** Logits [T, V] of one line from `<s>` on, in one pass. */
  async function logitsOf(network: GeneratingNetwork, line: readonly number[]): Promise<Float32Array> {
    const dataset = datasetOf('language_model', { source: [[]], target: [[...line]] });
    const batch = fillBatch(dataset, { B: 1, S: 1, T: line.length, indices: [0] });
    return (await forwardWords(gpu, network, batch)).logits.data;
  }

  test('goes on from prefixes of different lengths in one batch as from each alone', async () => {
    const network = await networkOf(model);
    const decoder = new SequenceDecoder(gpu, network, new ScratchPool(gpu));
    const goOn = (from: readonly number[][], S: number) => {
      const B = from.length;
      const source = new Uint32Array(S * B).fill(PAD_ID);
      for (const [row, prefix] of from.entries()) {
        for (const [t, id] of [BEGIN_ID, ...prefix].slice(0, -1).entries()) source[t * B + row] = id;
      }
      return decoder.decode(
        { B, S, source, sourceLengths: Uint32Array.from(from, ({ length }) => length) },
        {
          limits: from.map(() => limit),
          firstTokens: Uint32Array.from(from, (prefix) => prefix.at(-1) ?? BEGIN_ID),
        },
      );
    };
    const hypotheses = await goOn(prefixes, 11);
    expectVaried(hypotheses);
    for (const [row, prefix] of prefixes.entries()) {
      const [single] = await goOn([prefix], Math.max(1, prefix.length));
      expect(single, `prefix ${row} by itself`).toEqual(hypotheses[row]);
      const tokens = tokensOf(hypotheses[row]!);
      expectGreedy(await logitsOf(network, [...prefix, ...tokens]), 1, 0, tokens, prefix.length);
    }
    decoder.dispose();
    network.dispose();
  });

  test('and so does what users hold, in batches of any size', async () => {
    const words = Array.from({ length: sizes.target - 4 }, (_, index) => `w${index}`);
    const lm = LanguageModel.fromPairs(gpu, [words.join(' ')], {
      model: { ...model, initializer: 'uniform', init_weight: 1.1, embed_init_weight: 2 },
      testing: { max_output_length: limit },
    } as Parameters<typeof LanguageModel.fromPairs>[2]);
    const lines = ['', 'w3', 'w7 w1 w0 w18 w5', 'w2 w2', 'w11 w4 w9'];
    const together = await lm.predict(lines);
    expect(new Set(together.map(({ continuation }) => continuation.join())).size).toBeGreaterThan(2);
    const { target } = lm.vocabularies;
    for (const [index, { tokens, continuation, ended }] of together.entries()) {
      const given = lines[index]!.split(' ').filter(Boolean);
      expect(tokens).toEqual([...given, ...continuation]);
      const put = [...target.encode(continuation), ...(ended ? [END_ID] : [])];
      expectGreedy(await logitsOf(lm.network, [...target.encode(given), ...put]), 1, 0, put, given.length);
    }
    expect(await lm.predict(lines, { batchSize: 2 })).toEqual(together);
    expect(await lm.predict(lines, { batchSize: 1 })).toEqual(together);

    // Of several lines the last is continued, and each is read from <s> on, as in a stream.
    const verses = 'w7 w1\n\nw5';
    const [both] = await lm.predict([verses]);
    const { tokens, continuation, ended, text } = both!;
    expect(text).toBe([verses, ...continuation].join(' '));
    expect(tokens).toEqual(['w5', ...continuation]);
    const put = [...target.encode(continuation), ...(ended ? [END_ID] : [])];
    const read = [...target.encode(['w7', 'w1']), BEGIN_ID, BEGIN_ID, ...target.encode(['w5'])];
    expectGreedy(await logitsOf(lm.network, [...read, ...put]), 1, 0, put, read.length);
    expect(continuation).not.toEqual((await lm.predict(['w5']))[0]!.continuation);
    expect(await lm.predict([...lines, verses])).toEqual([...together, both]);
    lm.dispose();
  });
});
