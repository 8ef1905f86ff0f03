/** `batch_multiplier`: the gradients of several micro-batches weigh as those of one large batch would. */
import { describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import type { Batch } from '../../src/data/batches.ts';
import { fillBatch } from '../../src/data/batches.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { type EngineOptions, TrainingEngine } from '../../src/train/engine.ts';
import { expectClose, gradientTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { plainModel, toyConfig, toyModel, toyPairs } from '../setup/toy.ts';

const gpu = await testGpu();
const tolerance = 1e-5;
const pairs = toyPairs(11, 24);

/** Plain descent at rate 1: the weights move by the gradient, so that a wrong factor cannot hide. */
const config = toyConfig({ model: plainModel, training: { optimizer: 'sgd', learning_rate: 1 } });

/** The weights after these updates, and what the engine counted. */
async function train(updates: readonly (readonly Batch[])[], options: Partial<EngineOptions>, rate = 1) {
  const model = toyModel(gpu, config, pairs);
  const engine = await TrainingEngine.create(gpu, model.network, new ScratchPool(gpu), {
    optimizer: config.training,
    labelSmoothing: 0.1,
    normalization: 'tokens',
    clipGradNorm: null,
    seed: 1,
    maxInFlight: 2,
    ...options,
  });
  for (const batches of updates) await engine.update(batches, rate);
  const statistics = await engine.statistics();
  const weights = await model.network.parameters.read();
  const state = engine.state;
  engine.dispose();
  model.dispose();
  return { weights, statistics, state };
}

/** Rows of the dataset as one batch, in a shape larger than they need. */
function batchOf(indices: readonly number[]): Batch {
  const model = toyModel(gpu, config, pairs);
  const dataset = model.encodeTraining(pairs);
  model.dispose();
  const longest = (lengthOf: (index: number) => number) => Math.max(...indices.map(lengthOf));
  const S = longest((index) => dataset.source.lengthOf(index)) + 1;
  const T = longest((index) => dataset.target.lengthOf(index));
  return fillBatch(dataset, { B: indices.length + 1, S, T, indices });
}

const byLength = pairs.target
  .map((target, index) => ({ length: target.length, index }))
  .sort((a, b) => a.length - b.length)
  .map(({ index }) => index);
/** Short and long sentences apart, in batches of different size: a mean of means would weigh them wrongly. */
const parts = [byLength.slice(0, 4), byLength.slice(4, 14), byLength.slice(14)].map(batchOf);
const whole = batchOf(byLength);

const cases: Partial<EngineOptions>[] = [
  { normalization: 'tokens' },
  { normalization: 'batch' },
  { normalization: 'none', clipGradNorm: 0.5 },
  { normalization: 'tokens', clipGradNorm: 0.05 },
];

describe.each(cases)('normalised and clipped by %o', (options) => {
  test('three micro-batches move the weights as one batch does', async () => {
    // A step about as long as the weights, so that what is compared is not how a tiny one is rounded.
    const rate = 1 / (options.clipGradNorm ?? 1);
    const together = await train([[whole]], options, rate);
    const apart = await train([parts], options, rate);
    const initial = await train([], options);
    for (const [name, expected] of together.weights) {
      const before = initial.weights.get(name)!;
      const moved = (weights: Float32Array) => weights.map((value, i) => value - before[i]!);
      expectClose(moved(apart.weights.get(name)!), moved(expected), gradientTolerance, `step of ${name}`);
      expectClose(apart.weights.get(name)!, expected, tolerance, name);
    }
    expectClose([apart.statistics.loss], [together.statistics.loss], tolerance, 'loss');
    expectClose([apart.statistics.gradientNorm], [together.statistics.gradientNorm], tolerance, 'norm');
    expect(apart.statistics.tokens).toBe(together.statistics.tokens);
    expect(apart.statistics.updates).toBe(1);
    expect(apart.state).toMatchObject({ updates: 1, microSteps: 3 });
  });
});

test('the normalisations differ by the factors they are named for', async () => {
  const norm = async (normalization: EngineOptions['normalization']) =>
    (await train([parts], { normalization })).statistics.gradientNorm;
  const [none, tokens, sentences] = [await norm('none'), await norm('tokens'), await norm('batch')];
  expectClose([none / tokens], [whole.targetTokens], tolerance, 'tokens');
  expectClose([none / sentences], [whole.sentences], tolerance, 'sentences');
  expect(whole.sentences).toBe(24);
});

test('a micro-batch is one submit, the update part of the last', async () => {
  const model = toyModel(gpu, config, pairs);
  const engine = await TrainingEngine.create(gpu, model.network, new ScratchPool(gpu), {
    optimizer: config.training,
    labelSmoothing: 0,
    normalization: 'tokens',
    clipGradNorm: 1,
    seed: 1,
    maxInFlight: 2,
  });
  await engine.update(parts, 0.1);
  const calls = countCalls(gpu.device);
  try {
    await engine.update(parts, 0.1);
    expect(calls.count('GPUQueue.submit')).toBe(3);
    expect(calls.made()).toEqual([]);
  } finally {
    calls.stop();
  }
  engine.dispose();
  model.dispose();
});

test('batch_multiplier of the trainer: two halves of an epoch are one update, as the whole is', async () => {
  const run = async (batch_size: number, batch_multiplier: number) => {
    const training = {
      ...{ optimizer: 'sgd' as const, learning_rate: 0.5, epochs: 4, bucket_width: 32, pool_batches: 1 },
      ...{ batch_size, batch_multiplier },
    };
    const model = toyModel(gpu, toyConfig({ model: plainModel, training }), pairs);
    const trainer = await model.trainer(model.encodeTraining(pairs));
    const losses: number[] = [];
    for await (const report of trainer.run()) if (report.kind === 'progress') losses.push(report.loss);
    const weights = await model.network.parameters.read();
    const updates = trainer.engine.updates;
    trainer.dispose();
    model.dispose();
    return { losses, weights, updates };
  };
  const [together, apart] = [await run(24, 1), await run(12, 2)];
  expect([together.updates, apart.updates]).toEqual([4, 4]);
  expectClose(apart.losses, together.losses, tolerance, 'losses');
  for (const [name, expected] of together.weights) {
    expectClose(apart.weights.get(name)!, expected, tolerance, name);
  }
});
