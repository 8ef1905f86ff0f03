/** One seed, one result, to the last bit: however plans were recorded, in whatever process. */
import { expect, test } from 'vitest';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { type EngineOptions, TrainingEngine } from '../../src/train/engine.ts';
import type { ProgressReport } from '../../src/train/reports.ts';
import { expectSameBits } from '../setup/bits.ts';
import { bundleScript, runScript } from '../setup/child-process.ts';
import { testGpu } from '../setup/gpu.ts';
import { everythingOf, plainModel, toyBatches, toyConfig, toyModel, toyTraining } from '../setup/toy.ts';
import { hashOf, trainedToy } from '../setup/train-toy.ts';

const gpu = await testGpu();

test('30 updates: replayed plans give the weights that fresh recordings give', async () => {
  const config = toyConfig({ model: { encoder: { num_layers: 1 }, decoder: { input_feeding: true } } });
  const options: EngineOptions = {
    optimizer: config.training,
    labelSmoothing: 0.1,
    normalization: 'tokens',
    clipGradNorm: 1,
    seed: 5,
    maxInFlight: 2,
  };
  const [replayed, recorded] = [toyModel(gpu, config), toyModel(gpu, config)];
  const batches = toyBatches(replayed, 8);
  const shapes = new Set(batches.map(({ B, S, T }) => `${B} ${S} ${T}`));
  expect(shapes.size, 'several buckets').toBeGreaterThan(3);
  expect(shapes.size, 'fewer than steps: plans are replayed').toBeLessThan(10);

  const engine = await TrainingEngine.create(gpu, replayed.network, new ScratchPool(gpu), options);
  let moments: Awaited<ReturnType<TrainingEngine['readOptimizer']>>['moments'] = new Map();
  for (let step = 0; step < 30; step++) {
    const batch = batches[(step * 5) % batches.length]!;
    await engine.update([batch], 0.01);
    // The same update by an engine and in memory made for it alone.
    const fresh = await TrainingEngine.create(gpu, recorded.network, new ScratchPool(gpu), options);
    fresh.restore({ ...fresh.state, updates: step, microSteps: step });
    if (step > 0) fresh.writeMoments(moments);
    await fresh.update([batch], 0.01);
    ({ moments } = await fresh.readOptimizer());
    if (step === 29) {
      expectSameBits(await everythingOf(recorded, fresh), await everythingOf(replayed, engine), '30 updates');
    }
    fresh.dispose();
  }
  await engine.statistics(); // throws where an update was left out
  engine.dispose();
  for (const model of [replayed, recorded]) model.dispose();
});

test('plans dropped for lack of room and recorded again give the same weights', async () => {
  const config = toyConfig({ model: plainModel });
  const train = async (planCapacity: number) => {
    const model = toyModel(gpu, config);
    const engine = await TrainingEngine.create(gpu, model.network, new ScratchPool(gpu), {
      optimizer: config.training,
      labelSmoothing: 0,
      normalization: 'tokens',
      clipGradNorm: 1,
      seed: 5,
      maxInFlight: 3,
      planCapacity,
    });
    const batches = toyBatches(model, 8);
    await engine.prepare(batches);
    for (let step = 0; step < 12; step++) await engine.update([batches[(step * 5) % batches.length]!], 0.01);
    const tensors = await everythingOf(model, engine);
    engine.dispose();
    model.dispose();
    return tensors;
  };
  const expected = await train(64);
  for (const capacity of [1, 2]) expectSameBits(await train(capacity), expected, `${capacity} plans`);
});

test('one seed gives one training: in this process twice, and in two others', async () => {
  const first = await trainedToy(gpu, 1);
  const second = await trainedToy(gpu, 1);
  expectSameBits(second.tensors, first.tensors, 'weights and moments');
  expect(second.losses).toEqual(first.losses);
  expect(first.losses.length).toBeGreaterThan(10);
  const other = await trainedToy(gpu, 2);
  expect(other.losses).not.toEqual(first.losses);

  const script = await bundleScript(new URL('./determinism-script.ts', import.meta.url));
  const adapter = process.env.COUPLET_ADAPTER ?? 'swiftshader';
  const runs = [await runScript(script, { args: [adapter] }), await runScript(script, { args: [adapter] })];
  for (const { code, stdout, stderr } of runs) {
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual({
      hash: hashOf(first.tensors),
      losses: first.losses,
    });
  }
});

test('an epoch sees every pair once, in another order each time', async () => {
  const model = toyModel(gpu, toyConfig({ training: { epochs: 2, logging_freq: 1 } }));
  const trainer = await model.trainer(model.encodeTraining(toyTraining));
  const reports: ProgressReport[] = [];
  for await (const report of trainer.run()) if (report.kind === 'progress') reports.push(report);
  const epochs = [1, 2].map((epoch) => reports.filter((report) => report.epoch === epoch));
  const tokens = toyBatches(model, 8).reduce((sum, batch) => sum + batch.targetTokens, 0);
  for (const epoch of epochs) expect(epoch.reduce((sum, report) => sum + report.tokens, 0)).toBe(tokens);
  const [first, second] = epochs.map((epoch) => epoch.map((report) => report.tokens));
  expect(second).not.toEqual(first);
  trainer.dispose();
  model.dispose();
});
