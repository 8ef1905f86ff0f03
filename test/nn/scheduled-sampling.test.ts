/**
 * Scheduled sampling in whole models: at p = 0 it is teacher forcing to the last bit; at any p it is teacher forcing with
 * the tokens that were really read (whose gradients the PyTorch fixtures check), so that nothing flows through the choice;
 * at p = 1 these tokens are those that the decoder finds by itself.
 */
import { describe, expect, test } from 'vitest';
import { type Batch, fillBatch } from '../../src/data/batches.ts';
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import { SequenceDecoder } from '../../src/decode/sequence-decoder.ts';
import type { GeneratingNetwork } from '../../src/nn/generating.ts';
import type { TeacherForcing } from '../../src/nn/network.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { writeTensor } from '../../src/scheduler/persistent.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import type { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { TrainingEngine } from '../../src/train/engine.ts';
import { expectSameBits } from '../setup/bits.ts';
import { forwardWords } from '../setup/generating.ts';
import { datasetOf, type GivenModel, networkOfModel, sgdOptions } from '../setup/golden-networks.ts';
import { testGpu } from '../setup/gpu.ts';
import { hashIds } from '../setup/hash-numbers.ts';

const gpu = await testGpu();
const sizes = { source: 15, target: 17 };

const stack = { hidden_size: 6, num_layers: 2, residual: true };
const encoder = { ...stack, hidden_size: 3, embeddings: { embedding_dim: 4 } };
const decoder = { ...stack, embeddings: { embedding_dim: 5 } };

const models: Record<string, GivenModel> = {
  'lstm with attention': { type: 'seq2seq', encoder, decoder },
  'gru with attention and input feeding': {
    type: 'seq2seq',
    cell: 'gru',
    encoder,
    decoder: { ...decoder, input_feeding: true },
  },
  'lstm with one context': {
    type: 'seq2seq',
    encoder,
    decoder: { ...decoder, attention: { score: 'none' }, context: 'mean', context_use: 'both' },
  },
  'generator, tied': {
    type: 'generator',
    cell: 'gru',
    input: { embedding_dim: 3, use: 'first_step' },
    decoder: { ...decoder, embeddings: { embedding_dim: 6 } },
    tied_softmax: true,
  },
  'language model': { type: 'language_model', decoder },
};

/** The same with dropout wherever there can be any. */
function dropping(model: GivenModel): GivenModel {
  const dropout = (section: typeof encoder | typeof decoder) => ({
    ...section,
    dropout: 0.2,
    embeddings: { ...section.embeddings, dropout: 0.3 },
  });
  const changed: Record<string, unknown> = { ...model };
  if ('encoder' in model) changed.encoder = dropout(model.encoder as typeof encoder);
  if ('decoder' in model) {
    changed.decoder = { ...dropout(model.decoder as typeof decoder), hidden_dropout: 0.4 };
  }
  return changed as GivenModel;
}

/** Weights so large that the decoder's own tokens are of all kinds. */
function networkOf(model: GivenModel, seed = 3): GeneratingNetwork {
  const given = { initializer: 'uniform', init_weight: 1, embed_init_weight: 1.5, ...model } as GivenModel;
  const network = networkOfModel(gpu, given, sizes) as GeneratingNetwork;
  network.initialize(seed);
  return network;
}

/** Rows of so many words, one of nothing but padding behind them. */
function batchOf({ type }: GivenModel, seed: number, lengths: readonly number[]): Batch {
  const sources =
    type === 'generator' ? lengths.map(() => 1) : lengths.map((_, row) => 1 + ((seed + row) % 4));
  const words = (count: number, row: number, size: number) => [
    ...hashIds(seed + row, count, type === 'generator' ? 0 : 4, size),
  ];
  const dataset = datasetOf(type, {
    source: sources.map((count, row) => words(count, row, sizes.source)),
    target: lengths.map((count, row) => [...hashIds(seed + 50 + row, count, 4, sizes.target), END_ID]),
  });
  const shape = { B: lengths.length + 1, S: type === 'generator' ? 1 : 5, T: Math.max(...lengths) + 1 };
  return fillBatch(dataset, { ...shape, indices: [...lengths.keys()] });
}

interface Run {
  readonly forcing: TeacherForcing;
  readonly sampling?: number;
  readonly randomStep?: number;
}

/** u32 [T, B]: where a tape's decoder writes what it reads. */
function tokensRead(tape: Tape): Tensor {
  const choice = tape.dispatches.find(({ shader }) => shader.name === 'choose-token');
  return choice!.bindings.find(({ name }) => name === 'tokens')!.tensor;
}

/** One training step's loss, gradients, and what the decoder read in it. */
async function step(
  network: GeneratingNetwork,
  batch: Batch,
  { forcing, sampling = 0, randomStep = 2 }: Run,
) {
  for (const { gradients } of network.parameters.segments) {
    writeTensor(gpu, gradients, new Float32Array(gradients.size));
  }
  const { B, S, T } = batch;
  const floats = (...values: number[]) => ({ data: Float32Array.from(values), shape: [values.length] });
  const inputs = {
    source: { data: batch.source, shape: [S, B] },
    sourceLengths: { data: batch.sourceLengths, shape: [B] },
    targetInput: { data: batch.targetInput, shape: [T, B] },
    targetOutput: { data: batch.targetOutput, shape: [T, B] },
    random: { data: Uint32Array.of(11, 0, randomStep, 0), shape: [4] },
    sampling: floats(sampling),
    scale: floats(1 / batch.targetTokens),
    statistics: floats(...new Array<number>(8).fill(0)),
  };
  const { outputs } = await evaluate(
    gpu,
    inputs,
    (tape, tensors) => {
      network.recordLoss(tape, tensors, tensors, { labelSmoothing: 0.1, forcing });
      const tokens = forcing === 'teacher' ? tensors.targetInput : tokensRead(tape);
      return { tokens, statistics: tensors.statistics };
    },
    'loss',
  );
  const left = new Map<string, Float32Array>(await network.parameters.readGradients());
  left.set('statistics', outputs.statistics.data);
  return { left, tokens: new Uint32Array(outputs.tokens.data.buffer) };
}

describe.each(Object.entries(models))('%s', (_, model) => {
  const lengths = [6, 2, 4, 0];

  test('p = 0 is teacher forcing, bit for bit, dropout and updates included', async () => {
    const batches = [batchOf(model, 20, lengths), batchOf(model, 30, [3, 6, 1, 5])];
    const train = async (forcing: TeacherForcing) => {
      const network = networkOf(dropping(model));
      const options = { ...sgdOptions(0.9, { clipGradNorm: 1, seed: 5 }), forcing };
      const engine = await TrainingEngine.create(gpu, network, new ScratchPool(gpu), options);
      const left = new Map<string, Float32Array>();
      for (let update = 0; update < 4; update++) {
        await engine.update([batches[update % 2]!], 0.1);
        const { loss, gradientNorm, correct } = await engine.statistics();
        left.set(`update ${update}`, Float32Array.of(loss, gradientNorm, correct));
      }
      for (const [name, values] of await network.parameters.read()) left.set(name, values);
      await engine.dispose();
      network.dispose();
      return left;
    };
    const taught = await train('teacher');
    for (const forcing of ['argmax', 'sample'] as const)
      expectSameBits(await train(forcing), taught, forcing);
  });

  test.each([
    { forcing: 'argmax', sampling: 0.5 },
    { forcing: 'sample', sampling: 1 },
  ] as const)(
    'loss and gradients of $forcing at p = $sampling are those of the tokens that were read',
    async (run) => {
      const network = networkOf(dropping(model));
      const batch = batchOf(model, 20, lengths);
      const { left, tokens } = await step(network, batch, run);
      const own = [...tokens].filter((token, at) => token !== batch.targetInput[at]).length;
      expect(own, 'tokens of its own').toBeGreaterThan(1);
      const forced = { ...batch, targetInput: tokens };
      const { left: expected } = await step(network, forced, { forcing: 'teacher' });
      expectSameBits(left, expected, 'as read');
      const { left: taught } = await step(network, batch, { forcing: 'teacher' });
      const losses = [left, taught].map((one) => one.get('statistics')![statistic.loss]!);
      expect(Math.abs(losses[0]! - losses[1]!)).toBeGreaterThan(0.01);
      network.dispose();
    },
  );

  test('at p = 1 with argmax the decoder reads what it finds by itself, past </s>', async () => {
    const network = networkOf(model);
    const bias = (await network.parameters.read()).get('decoder.output.bias')!;
    bias[END_ID] = 2;
    bias[BEGIN_ID] = 9;
    bias[PAD_ID] = 9; // neither is ever chosen
    network.parameters.write('decoder.output.bias', bias);
    const batch = batchOf(model, 40, [7, 7, 7, 7, 3, 5]);
    const { tokens } = await step(network, batch, { forcing: 'argmax', sampling: 1 });

    const { B, T, targetInput } = batch;
    const expected = targetInput.slice();
    for (let t = 1; t < T; t++) {
      const { logits } = await forwardWords(gpu, network, {
        ...batch,
        T: t,
        targetInput: expected.slice(0, t * B),
      });
      for (let b = 0; b < B; b++) {
        if (targetInput[t * B + b] === PAD_ID) continue;
        const at = ((t - 1) * B + b) * sizes.target;
        const allowed = Array.from(logits.data.subarray(at, at + sizes.target), (logit, id) =>
          id === PAD_ID || id === BEGIN_ID ? -Infinity : logit,
        );
        expected[t * B + b] = allowed.indexOf(Math.max(...allowed));
      }
    }
    expect([...tokens]).toEqual([...expected]);
    expect([...tokens].filter((token, at) => token !== targetInput[at]).length).toBeGreaterThan(20);
    const goesOn = tokens.some((token, at) => token === END_ID && (tokens[at + B] ?? PAD_ID) !== PAD_ID);
    expect(goesOn, 'a row that goes on after </s>').toBe(true);

    // And the greedy decoder's own, up to where it stops.
    const greedy = new SequenceDecoder(gpu, network, new ScratchPool(gpu));
    const limits = Array.from(batch.targetLengths, (length) => Math.max(0, length - 1));
    const prefixes = network.config.type === 'language_model' && {
      // Its source is a prefix: none.
      source: new Uint32Array(batch.S * B).fill(PAD_ID),
      sourceLengths: new Uint32Array(B),
      firstTokens: new Uint32Array(B).fill(BEGIN_ID),
    };
    const found = await greedy.decode({ ...batch, ...prefixes }, { limits, ...prefixes });
    for (const [b, { ids, ended }] of found.entries()) {
      const read = Array.from({ length: limits[b]! }, (_, t) => tokens[(t + 1) * B + b]!);
      const end = read.indexOf(END_ID);
      expect(ids, `row ${b}`).toEqual(end < 0 ? read : read.slice(0, end));
      if (limits[b]! > 0) expect(ended, `row ${b}`).toBe(end >= 0);
    }
    greedy.dispose();
    network.dispose();
  });
});

test.each(['argmax', 'sample'] as const)('%s: the share of its own tokens is p', async (forcing) => {
  const model = models['language model']!;
  const network = networkOf(model);
  const bias = (await network.parameters.read()).get('decoder.output.bias')!;
  bias[0] = 1000; // <unk>, which the teacher never says
  network.parameters.write('decoder.output.bias', bias);
  const batch = batchOf(model, 60, new Array<number>(32).fill(15));
  const choices = 32 * 15;
  const ownOf = (tokens: Uint32Array) => tokens.filter((token) => token === 0).length;
  const draws: Uint32Array[] = [];
  for (const sampling of [0, 0.1, 0.5, 0.8, 1]) {
    const { tokens } = await step(network, batch, { forcing, sampling });
    draws.push(tokens);
    const deviation = Math.sqrt(sampling * (1 - sampling) * choices);
    expect(Math.abs(ownOf(tokens) - sampling * choices), `p = ${sampling}`).toBeLessThanOrEqual(
      4 * deviation,
    );
  }
  const [, , half, most] = draws;
  const again = await step(network, batch, { forcing, sampling: 0.5 });
  expect(again.tokens, 'the same step draws the same').toEqual(half);
  const other = await step(network, batch, { forcing, sampling: 0.5, randomStep: 3 });
  expect(other.tokens, 'another step draws others').not.toEqual(half);
  // A larger p takes more, and all of those that a smaller one took.
  expect(half!.every((token, at) => token !== 0 || most![at] === 0)).toBe(true);
  network.dispose();
});
