/** Groups of parameters over a whole training: learning rates, release in the middle, and a stop in between. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { OptimizerOptions } from '../../src/optim/optimizer.ts';
import { type ParameterGroupOptions, parameterGroups } from '../../src/optim/parameter-groups.ts';
import { createOptimizer } from '../../src/optim/registry.ts';
import { ParameterStore } from '../../src/scheduler/parameters.ts';
import { destroyTensor, persistentTensor, readTensor } from '../../src/scheduler/persistent.ts';
import { submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { UpdatePlan } from '../../src/train/update-plan.ts';
import { expectClose } from '../setup/compare.ts';
import { type SeededDescription, seededValues } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { limitedGpu } from '../setup/limited-gpu.ts';

type Written = { readonly data: number[] };
type Drawn = Readonly<Record<string, SeededDescription>>;

interface GroupedUpdates {
  readonly groups: ParameterGroupOptions[];
  readonly epochSteps: number;
  readonly cases: {
    readonly name: string;
    /** 0: not clipped. */
    readonly maxNorm: number;
    readonly optimizer: OptimizerOptions['optimizer'];
    readonly momentum?: number;
    readonly beta1?: number;
    readonly beta2?: number;
    readonly epsilon?: number;
    readonly weightDecay: number;
    readonly initial: Drawn;
    readonly learningRates: number[];
    readonly gradients: Drawn[];
    readonly norms: number[];
    /** By number of the update, from 1. Moments are only of what was ever trained. */
    readonly after: Record<
      string,
      { parameters: Record<string, Written>; moments: Record<string, Record<string, Written>> }
    >;
  }[];
}

const golden: GroupedUpdates = JSON.parse(
  readFileSync(new URL('../golden/ops/update-groups.json', import.meta.url), 'utf8'),
);
type Case = GroupedUpdates['cases'][number];

const made: { dispose(): void }[] = [];
afterAll(() => {
  for (const one of made) one.dispose();
});

const drawn = (descriptions: Drawn) =>
  new Map(Object.entries(descriptions).map(([name, one]) => [name, seededValues(one)]));

/** A run of the case that can be stopped and saved. `limit` cuts segments. */
async function training(given: Case, limit = 2 ** 20) {
  const gpu = await testGpu();
  const { optimizer, momentum = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay } = given;
  const specs = Object.entries(given.initial).map(([name, { shape }]) => ({ name, shape }));
  const store = new ParameterStore(limitedGpu(gpu, { maxStorageBufferBindingSize: limit }), specs);
  store.writeAll(drawn(given.initial));
  const statistics = persistentTensor(gpu, 'statistics', [8]);
  const adam = { adam_betas: [beta1, beta2] as const, eps: epsilon };
  const groupsOf = (epoch: number) => parameterGroups(golden.groups, store.places, epoch);
  const update = await UpdatePlan.create(gpu, new ScratchPool(gpu), store, {
    optimizer: createOptimizer({ optimizer, momentum, weight_decay: weightDecay, ...adam }),
    maxNorm: given.maxNorm,
    statistics,
    groups: groupsOf(1),
  });
  made.push({
    dispose() {
      update.dispose();
      store.dispose();
      destroyTensor(statistics);
    },
  });
  const gradients = store.segments.map((segment) => segment.gradients);
  let done = 0;
  return {
    store,
    update,
    async step() {
      await update.regroup(groupsOf(1 + Math.floor(done / golden.epochSteps)), done);
      store.writeAll(drawn(given.gradients[done]!), gradients);
      update.writeStep(done + 1, given.learningRates[done]!);
      submit(gpu, 'update', [update.plan]);
      done += 1;
    },
    sumOfNorms: async () => (await readTensor(gpu, statistics))[4]!,
    async save() {
      const [values, moments] = [await store.read(), await update.readMoments()];
      return { values, moments, done, stepOffsets: JSON.stringify(update.stepOffsets) };
    },
    restore(saved: Awaited<ReturnType<typeof this.save>>) {
      store.writeAll(saved.values);
      update.writeMoments(saved.moments);
      update.restoreStepOffsets(JSON.parse(saved.stepOffsets));
      done = saved.done;
    },
  };
}

describe.each(golden.cases)('torch.optim with groups: $name', (given) => {
  test.each([
    ['one segment', 2 ** 20, 1],
    ['three segments', 512, 3],
  ])('%s', async (_, limit, segments) => {
    const own = await training(given, limit);
    expect(own.store.segments.length).toBe(segments);
    for (const index of given.gradients.keys()) {
      await own.step();
      const after = given.after[index + 1];
      if (!after) continue;
      const [parameters, moments] = [await own.store.read(), await own.update.readMoments()];
      for (const [name, { data }] of Object.entries(after.parameters)) {
        expectClose(parameters.get(name)!, data, 1e-5, `${name} after ${index + 1}`);
      }
      for (const [moment, values] of Object.entries(after.moments)) {
        for (const [name, found] of moments.get(moment)!) {
          const expected = values[name]?.data ?? Array(found.length).fill(0);
          expectClose(found, expected, 1e-5, `${moment} of ${name} after ${index + 1}`);
        }
      }
    }
    const sum = given.norms.reduce((total, norm) => total + norm);
    expectClose([await own.sumOfNorms()], [sum], 1e-6, 'sum of norms');
    expect(own.update.stepOffsets).toEqual({ 'encoder.weight': 8, '*.bias': 0, '*': 0 });
  });

  test.each([3, 8, 9])('stopped after %i updates and resumed it ends bit-equal', async (stop) => {
    const [whole, first] = [await training(given), await training(given)];
    for (const _ of given.gradients) await whole.step();
    for (let step = 0; step < stop; step++) await first.step();
    const second = await training(given);
    second.restore(await first.save());
    for (let step = stop; step < given.gradients.length; step++) await second.step();
    expect(await second.save()).toEqual(await whole.save());
  });
});

describe('regroup', () => {
  test('records anew only where something changes, over the same moments', async () => {
    const own = await training(golden.cases[1]!);
    const first = own.update.plan;
    for (let step = 0; step < 8; step++) await own.step();
    expect(own.update.plan).toBe(first);
    const before = await own.update.readMoments();
    await own.step();
    expect(own.update.plan).not.toBe(first);
    expect(() => first.encode(undefined as never)).toThrow('was disposed');
    const released = (moments: typeof before) =>
      moments
        .get('exp_avg')!
        .get('encoder.weight')!
        .some((m) => m !== 0);
    expect([released(before), released(await own.update.readMoments())]).toEqual([false, true]);
  });

  test('the first step after the release is that of a fresh Adam', async () => {
    const own = await training(golden.cases[1]!);
    for (let step = 0; step < 8; step++) await own.step();
    const before = (await own.store.read()).get('encoder.weight')!;
    await own.step();
    const after = (await own.store.read()).get('encoder.weight')!;
    // A fresh Adam's first step is the learning rate itself in every element: here half of 0.02.
    const moved = after.map((value, i) => Math.abs(value - before[i]!));
    expectClose(moved, new Float32Array(moved.length).fill(0.01), 1e-3, 'length of the step');
  });

  test('without groups all parameters are one', async () => {
    const gpu = await testGpu();
    const store = new ParameterStore(gpu, [{ name: 'w', shape: [5] }]);
    const statistics = persistentTensor(gpu, 'statistics', [8]);
    const options = { optimizer: 'sgd', momentum: 0, adam_betas: [0, 0], eps: 1, weight_decay: 0 } as const;
    const update = await UpdatePlan.create(gpu, new ScratchPool(gpu), store, {
      optimizer: createOptimizer(options),
      maxNorm: 0,
      statistics,
    });
    expect(update.plan.dispatches.map(({ entry }) => entry)).toEqual(['partial', 'finish', 'plain']);
    expect(update.stepOffsets).toEqual({ '*': 0 });
    update.dispose();
    store.dispose();
    destroyTensor(statistics);
  });
});
