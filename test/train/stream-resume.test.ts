/**
 * A language model stopped in the middle of its stream goes on bit-equal from a checkpoint: the states that the next
 * chunk starts from are in it. The same with a decoder that reads its own words, and with groups of parameters.
 */
import { expect, test } from 'vitest';
import { restoreCheckpoint, saveCheckpoint } from '../../src/models/checkpoint.ts';
import { type AnyModel, createModel, LanguageModel, type Seq2Seq } from '../../src/models/kinds.ts';
import { readModelDescription } from '../../src/models/model-files.ts';
import type { Trainer, TrainerState } from '../../src/train/trainer.ts';
import { expectSameBits, sameBits } from '../setup/bits.ts';
import { testGpu } from '../setup/gpu.ts';
import { toyConfig, toyModel, toyPairs } from '../setup/toy.ts';

const gpu = await testGpu();
const lines = toyPairs(5, 18).target;
const pairs = toyPairs(6, 28);
const logging_freq = 1;

const makers: Record<string, () => AnyModel> = {
  'a language model of two layers, with dropout': () =>
    LanguageModel.fromPairs(gpu, lines, {
      data: { trg: { level: 'char' } },
      model: {
        type: 'language_model',
        decoder: { hidden_size: 5, num_layers: 2, dropout: 0.2, embeddings: { embedding_dim: 4 } },
      },
      training: { batch_size: 3, bptt_length: 10, epochs: 2, learning_rate: 0.02, logging_freq },
    }),
  'scheduled sampling, drawn, and groups that an epoch releases': () =>
    toyModel(
      gpu,
      toyConfig({
        training: {
          ...{ epochs: 2, logging_freq, forcing: 'scheduled_sampling' },
          scheduled_sampling: { token: 'sample', schedule: 'exponential', k: 0.9 },
          parameter_groups: [
            { pattern: 'decoder.attention.*', lr: 0.3 },
            { pattern: 'encoder.*', frozen_epochs: 1 },
          ],
        },
      }),
      pairs,
    ),
};

const examplesOf = (model: AnyModel) =>
  model.type === 'language_model' ? { name: 'lines', source: lines.map(() => ''), target: lines } : pairs;

interface Training {
  readonly model: AnyModel;
  readonly trainer: Trainer;
}

async function begin(model: AnyModel): Promise<Training> {
  return { model, trainer: await model.trainer(model.encodeTraining(examplesOf(model))) };
}

function end({ model, trainer }: Training): void {
  trainer.dispose();
  model.dispose();
}

async function trainUntil({ trainer }: Training, stop?: number): Promise<number[]> {
  const losses: number[] = [];
  for await (const report of trainer.run()) {
    if (report.kind !== 'progress') continue;
    losses.push(report.loss);
    if (report.update === stop) break;
  }
  return losses;
}

interface Outcome {
  readonly losses: readonly number[];
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly state: TrainerState;
}

async function outcomeOf(training: Training, losses: readonly number[]): Promise<Outcome> {
  const { model, trainer } = training;
  const tensors = new Map<string, Float32Array>(await model.network.parameters.read());
  for (const [moment, values] of (await trainer.engine.readOptimizer()).moments) {
    for (const [name, data] of values) tensors.set(`${moment}.${name}`, data);
  }
  const carried = await trainer.engine.readCarried();
  if (carried) tensors.set('carried', carried);
  const { state } = trainer;
  end(training);
  return { losses, tensors, state };
}

async function whole(make: () => AnyModel): Promise<Outcome> {
  const training = await begin(make());
  return outcomeOf(training, await trainUntil(training));
}

/** Stopped after an update; what goes on has nothing but the checkpoint's bytes. `forget` names one to leave out. */
async function inTwoParts(make: () => AnyModel, stop: number, forget?: string): Promise<Outcome> {
  const first = await begin(make());
  const before = await trainUntil(first, stop);
  const files = await saveCheckpoint(first.model, first.trainer);
  const { config, vocabularies } = readModelDescription(first.model.description());
  end(first);
  if (forget !== undefined) expect(files.delete(forget)).toBe(true);
  const second = await begin(createModel(gpu, config, vocabularies));
  restoreCheckpoint(second.model, second.trainer, files, 'the checkpoint');
  return outcomeOf(second, [...before, ...(await trainUntil(second))]);
}

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: in two parts as in one`, async () => {
    const expected = await whole(make);
    const updates = expected.losses.length / 2;
    expect(updates).toBeGreaterThan(3);
    // In the middle of the first epoch, and after the second has begun.
    for (const stop of [2, updates + 1]) {
      const parts = await inTwoParts(make, stop);
      expect(parts.losses).toEqual(expected.losses);
      expect(parts.state).toEqual(expected.state);
      expectSameBits(parts.tensors, expected.tensors, `stopped after update ${stop}`);
    }
  });
}

test('without the carried states it would not go on as it was', async () => {
  const [make] = Object.values(makers);
  const [expected, forgetful] = [await whole(make!), await inTwoParts(make!, 2, 'carried.safetensors')];
  const name = 'decoder.output.weight';
  expect(sameBits(forgetful.tensors.get(name)!, expected.tensors.get(name)!)).toBe(false);
});

test('a frozen encoder learns from its epoch on, and the schedule goes on where it was', async () => {
  const make = Object.values(makers)[1]!;
  const model = make() as Seq2Seq;
  const start = await model.network.parameters.read();
  const training = await begin(model);
  const updates = Math.ceil(pairs.source.length / 8);
  await trainUntil(training, updates);
  const name = 'encoder.rnn.weight_hh_l0';
  const read = async () => (await model.network.parameters.read()).get(name)!;
  expect(sameBits(await read(), start.get(name)!)).toBe(true);
  await trainUntil(training, updates + 1);
  expect(sameBits(await read(), start.get(name)!)).toBe(false);
  end(training);
});
