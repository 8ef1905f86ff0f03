/**
 * What the PyTorch fixtures cannot show: gradients through dropout (against differences of the loss under the same
 * masks), tables that source and target share, and rows and steps of nothing but padding.
 */
import { describe, expect, test } from 'vitest';
import type { Batch } from '../../src/data/batches.ts';
import { fillBatch } from '../../src/data/batches.ts';
import { textForms } from '../../src/data/forms.ts';
import { Sequences } from '../../src/data/sequences.ts';
import { END_ID } from '../../src/data/special-tokens.ts';
import type { DeepPartial } from '../../src/nn/config/spec.ts';
import { resolveModelConfig, type Seq2SeqConfig } from '../../src/nn/model-config.ts';
import { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Evaluator } from '../../src/train/evaluator.ts';
import { expectClose, gradientTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { hashIds } from '../setup/hash-numbers.ts';
import { createStepRunner } from '../setup/step-runner.ts';

const gpu = await testGpu();
const vocabulary = 14;

function sequences(seed: number, lengths: readonly number[]): Sequences {
  return Sequences.from(
    lengths.map((length, row) => Uint32Array.from([...hashIds(seed + row, length, 4, vocabulary), END_ID])),
  );
}

const dataset = {
  name: 'random',
  forms: textForms,
  source: sequences(1, [5, 2, 0, 7, 3]),
  target: sequences(50, [3, 6, 1, 0, 4]),
  lines: Uint32Array.of(0, 1, 2, 3, 4),
  sourceUnknown: { unknown: 0, tokens: 0, rate: 0 },
  targetUnknown: { unknown: 0, tokens: 0, rate: 0 },
};
const indices = [0, 1, 2, 3, 4];
const batch = fillBatch(dataset, { B: 5, S: 8, T: 7, indices });

function networkOf(model: DeepPartial<Seq2SeqConfig>): Seq2SeqNetwork {
  const config = resolveModelConfig({
    initializer: 'uniform',
    init_weight: 0.6,
    embed_init_weight: 0.8,
    ...model,
  });
  const network = new Seq2SeqNetwork(gpu, config, { source: vocabulary, target: vocabulary });
  network.initialize(4);
  return network;
}

async function gradientsOf(network: Seq2SeqNetwork, of: Batch, labelSmoothing = 0) {
  const step = await createStepRunner(gpu, new ScratchPool(gpu), network, of, { scale: 1, labelSmoothing });
  const result = await step.run();
  step.dispose();
  return result;
}

const withDropout: Record<string, DeepPartial<Seq2SeqConfig>> = {
  'two layers of lstm, input feeding': {
    encoder: { hidden_size: 5, num_layers: 2, dropout: 0.3, embeddings: { embedding_dim: 6, dropout: 0.4 } },
    decoder: { dropout: 0.3, hidden_dropout: 0.4, input_feeding: true, embeddings: { dropout: 0.3 } },
  },
  'two layers of gru': {
    cell: 'gru',
    encoder: { hidden_size: 5, num_layers: 2, dropout: 0.3, embeddings: { embedding_dim: 6, dropout: 0.4 } },
    decoder: {
      dropout: 0.3,
      hidden_dropout: 0.4,
      embeddings: { dropout: 0.3 },
      attention: { score: 'concat' },
    },
  },
};

describe.each(Object.entries(withDropout))('dropout everywhere: %s', (_, model) => {
  test('gradients are the slopes of the loss under the same masks', async () => {
    const network = networkOf(model);
    const step = await createStepRunner(gpu, new ScratchPool(gpu), network, batch, { scale: 1 });
    const gradients = await step.run();
    const weights = await network.parameters.read();
    const lossWith = async (name: string, values: Float32Array) => {
      network.parameters.write(name, values);
      return (await step.run()).get('statistics')![statistic.loss]!;
    };
    for (const [name, values] of weights) {
      // Along the gradient itself, where the slope is its length.
      const gradient = gradients.get(name)!;
      const length = Math.hypot(...gradient);
      expect(length, name).toBeGreaterThan(0.01);
      const distance = 0.01;
      const moved = (sign: number) =>
        values.map((value, i) => value + (sign * distance * gradient[i]!) / length);
      const slope = ((await lossWith(name, moved(1))) - (await lossWith(name, moved(-1)))) / (2 * distance);
      network.parameters.write(name, values);
      // Two float32 losses of about 60, 2 · distance apart, tell slopes to 5e-4.
      const error = Math.abs(slope - length);
      expect(error, `${name}: slope ${slope}, gradient ${length}`).toBeLessThan(0.02 * length + 5e-4);
    }
    step.dispose();
    network.dispose();
  });

  test('evaluation drops nothing', async () => {
    const dropping = networkOf(model);
    const { encoder, decoder, ...rest } = structuredClone(model) as DeepPartial<Seq2SeqConfig>;
    const plain = networkOf({
      ...rest,
      encoder: { ...encoder, dropout: 0, embeddings: { embedding_dim: 6, dropout: 0 } },
      decoder: { ...decoder, dropout: 0, hidden_dropout: 0, embeddings: { dropout: 0 } },
    });
    const evaluate = async (network: Seq2SeqNetwork) => {
      const evaluator = new Evaluator(gpu, network, new ScratchPool(gpu));
      const statistics = await evaluator.run([batch]);
      evaluator.dispose();
      return statistics;
    };
    const expected = await evaluate(plain);
    expect(await evaluate(dropping)).toEqual(expected);
    const trained = (await gradientsOf(plain, batch)).get('statistics')!;
    expect(trained[statistic.loss]).toBe(expected.loss);
    expect((await gradientsOf(dropping, batch)).get('statistics')![statistic.loss]).not.toBe(expected.loss);
    for (const network of [dropping, plain]) network.dispose();
  });
});

test.each([{ tied_softmax: false }, { tied_softmax: true }])(
  'one table for source and target (%o) gets the gradients of all its uses',
  async ({ tied_softmax }) => {
    const model: DeepPartial<Seq2SeqConfig> = {
      encoder: { hidden_size: 4, embeddings: { embedding_dim: 8 } },
      decoder: { input_feeding: true },
    };
    const tied = networkOf({ ...model, tied_embeddings: true, tied_softmax });
    const apart = networkOf(model);
    const weights = new Map(await tied.parameters.read());
    const table = weights.get('encoder.embedding.weight')!;
    weights.set('decoder.embedding.weight', table);
    if (tied_softmax) weights.set('decoder.output.weight', table);
    apart.parameters.writeAll(weights);
    const [together, alone] = [await gradientsOf(tied, batch, 0.1), await gradientsOf(apart, batch, 0.1)];
    expect(together.get('statistics')).toEqual(alone.get('statistics'));
    const uses = ['encoder.embedding.weight', 'decoder.embedding.weight'];
    if (tied_softmax) uses.push('decoder.output.weight');
    const sum = table.map((_, i) => uses.reduce((total, name) => total + alone.get(name)![i]!, 0));
    expectClose(together.get('encoder.embedding.weight')!, sum, gradientTolerance, 'the shared table');
    for (const [name, gradient] of together) {
      if (!uses.includes(name)) expect(gradient, name).toEqual(alone.get(name));
    }
    for (const network of [tied, apart]) network.dispose();
  },
);

test.each(['lstm', 'gru', 'rnn'] as const)('%s: padding changes neither loss nor gradients', async (cell) => {
  const network = networkOf({
    cell,
    encoder: { hidden_size: 5, num_layers: 2, embeddings: { embedding_dim: 6 } },
    decoder: { input_feeding: cell !== 'gru' },
  });
  const expected = await gradientsOf(network, batch, 0.1);
  for (const shape of [
    { B: 9, S: 8, T: 7 },
    { B: 5, S: 13, T: 7 },
    { B: 5, S: 8, T: 12 },
    { B: 8, S: 17, T: 16 },
  ]) {
    const padded = await gradientsOf(network, fillBatch(dataset, { ...shape, indices }), 0.1);
    for (const [name, values] of expected) {
      expectClose(padded.get(name)!, values, 1e-6, `${name} in B${shape.B} S${shape.S} T${shape.T}`);
    }
  }
  network.dispose();
});
