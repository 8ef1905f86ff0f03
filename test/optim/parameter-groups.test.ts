/** Which parameters belong together, and what the recorded update does to each group. */
import { afterAll, describe, expect, test } from 'vitest';
import type { OptimizerOptions } from '../../src/optim/optimizer.ts';
import { hyperSize, updateSize } from '../../src/optim/optimizer.ts';
import { type ParameterGroupOptions, parameterGroups, sameGroups } from '../../src/optim/parameter-groups.ts';
import { createOptimizer } from '../../src/optim/registry.ts';
import { allAlike, recordUpdate, type UpdateGroup } from '../../src/optim/update.ts';
import { type ParameterPlace, ParameterStore } from '../../src/scheduler/parameters.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { expectClose } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { limitedGpu } from '../setup/limited-gpu.ts';
import { randomFloats } from '../setup/random.ts';

/** Two segments: the encoder's three parameters, then the others. */
const places: ParameterPlace[] = [
  { name: 'encoder.embedding.weight', segment: 0, offset: 0, bytes: 1024 },
  { name: 'encoder.rnn.weight_ih_l0', segment: 0, offset: 1024, bytes: 512 },
  { name: 'encoder.rnn.bias_ih_l0', segment: 0, offset: 1536, bytes: 256 },
  { name: 'decoder.rnn.weight_ih_l0', segment: 1, offset: 0, bytes: 512 },
  { name: 'decoder.rnn.bias_ih_l0', segment: 1, offset: 512, bytes: 256 },
  { name: 'decoder.output.weight', segment: 1, offset: 768, bytes: 2048 },
];
const groupsOf = (options: readonly ParameterGroupOptions[], epoch = 1) =>
  parameterGroups(options, places, epoch);
const range = (segment: number, offset: number, bytes: number) => ({ segment, offset, bytes });

describe('the groups of patterns', () => {
  test('without patterns everything is one group of whole segments', () => {
    const ranges = [range(0, 0, 1792), range(1, 0, 2816)];
    expect(groupsOf([])).toEqual([{ name: '*', multiplier: 1, frozen: false, ranges }]);
  });

  test('the first pattern that matches the whole name counts; what is left is a group', () => {
    const groups = groupsOf([
      { pattern: 'encoder.embedding.weight', lr: 0 },
      { pattern: '*.bias_*', lr: 2 },
      { pattern: 'encoder.*', lr: 0.1 },
    ]);
    expect(groups).toEqual([
      { name: 'encoder.embedding.weight', multiplier: 0, frozen: false, ranges: [range(0, 0, 1024)] },
      { name: '*.bias_*', multiplier: 2, frozen: false, ranges: [range(0, 1536, 256), range(1, 512, 256)] },
      { name: 'encoder.*', multiplier: 0.1, frozen: false, ranges: [range(0, 1024, 512)] },
      { name: '*', multiplier: 1, frozen: false, ranges: [range(1, 0, 512), range(1, 768, 2048)] },
    ]);
  });

  test('together they cover every byte once', () => {
    const groups = groupsOf([{ pattern: '*rnn*' }, { pattern: 'decoder*' }]);
    const ranges = groups.flatMap(({ ranges }) => ranges);
    const bytes = ranges.flatMap(({ segment, offset, bytes }) =>
      Array.from({ length: bytes / 256 }, (_, i) => `${segment}:${offset + 256 * i}`),
    );
    expect(bytes.length).toBe((1792 + 2816) / 256);
    expect(new Set(bytes).size).toBe(bytes.length);
  });

  test('a pattern of everything leaves no rest', () => {
    expect(groupsOf([{ pattern: 'decoder.*' }, { pattern: '*', lr: 3 }]).map(({ name }) => name)).toEqual([
      'decoder.*',
      '*',
    ]);
  });

  test('a dot is a dot, and a pattern is no part of a name', () => {
    expect(() => groupsOf([{ pattern: 'encoder' }])).toThrow("no parameter matches 'encoder'");
    expect(() => groupsOf([{ pattern: 'decoder_output_weight' }])).toThrow('no parameter matches');
    expect(() => groupsOf([{ pattern: '[a-z]*.weight' }])).toThrow('no parameter matches');
  });

  test('frozen for the first epochs, or always', () => {
    const options = [
      { pattern: 'encoder.*', frozen_epochs: 2 },
      { pattern: '*.bias*', frozen_epochs: 'always' },
      { pattern: 'decoder.rnn.*', frozen_epochs: 0 },
    ] as const;
    const frozen = (epoch: number) => groupsOf(options, epoch).map((group) => group.frozen);
    expect(frozen(1)).toEqual([true, true, false, false]);
    expect(frozen(2)).toEqual([true, true, false, false]);
    expect(frozen(3)).toEqual([false, true, false, false]);
    expect(frozen(1e6)).toEqual([false, true, false, false]);
    expect(sameGroups(groupsOf(options, 1), groupsOf(options, 2))).toBe(true);
    expect(sameGroups(groupsOf(options, 2), groupsOf(options, 3))).toBe(false);
  });

  test.each([
    ['encodr.*', "did you mean 'encoder.*'?"],
    ['encoder.rnnn.*', "did you mean 'encoder.rnn.*'?"],
    ['decoder.output.wieght', "did you mean 'decoder.output.weight'?"],
    ['bridge.*', 'there are encoder.*, decoder.*'],
    ['', 'there are encoder.*, decoder.*'],
  ])("'%s' matches nothing: %s", (pattern, advice) => {
    const message = `parameter_groups: no parameter matches '${pattern}'; ${advice}`;
    expect(() => groupsOf([{ pattern }])).toThrow(message);
  });

  test('a pattern behind one that takes all of it is refused', () => {
    const hidden = [{ pattern: 'encoder.*' }, { pattern: 'encoder.rnn.*', lr: 0.1 }];
    expect(() => groupsOf(hidden)).toThrow(
      "all that 'encoder.rnn.*' matches (such as encoder.rnn.weight_ih_l0) belongs",
    );
    expect(() => groupsOf([{ pattern: 'encoder.*' }, { pattern: 'encoder.*' }])).toThrow(
      'the first match counts',
    );
  });
});

const shapes = { a: [130], b: [3], c: [5001], d: [64], e: [7] } as const;
type Name = keyof typeof shapes;
const names = Object.keys(shapes) as Name[];
const options: OptimizerOptions = {
  optimizer: 'adamw',
  momentum: 0,
  adam_betas: [0.9, 0.999],
  eps: 1e-8,
  weight_decay: 0.1,
};
const made: { dispose(): void }[] = [];
afterAll(() => {
  for (const one of made) one.dispose();
});

/** A store with one recorded update of its groups, all of whose tensors hold random numbers. `limit` cuts segments. */
async function update(
  groupOptions: readonly ParameterGroupOptions[] | undefined,
  maxNorm = 0.5,
  limit = 2 ** 20,
  given: Partial<OptimizerOptions> = {},
) {
  const gpu = await testGpu();
  const store = new ParameterStore(
    limitedGpu(gpu, { maxStorageBufferBindingSize: limit }),
    names.map((name) => ({ name, shape: shapes[name] })),
  );
  const optimizer = createOptimizer({ ...options, ...given });
  const moments = optimizer.moments.map((name) => store.createArenas(name));
  const update = persistentTensor(gpu, 'update', [updateSize]);
  const statistics = persistentTensor(gpu, 'statistics', [8]);
  const owned: Tensor[] = [update, statistics, ...moments.flat()];
  const hyperOf = (learningRate: number, step = 1) => {
    const hyper = persistentTensor(gpu, 'hyper', [hyperSize]);
    writeTensor(gpu, hyper, optimizer.hyper(step, learningRate));
    owned.push(hyper);
    return hyper;
  };
  const rate = 0.1;
  const groups: UpdateGroup[] = groupOptions
    ? parameterGroups(groupOptions, store.places, 1).map(({ ranges, frozen, multiplier }) => ({
        ranges,
        hyper: frozen ? undefined : hyperOf(rate * multiplier),
      }))
    : allAlike(store, hyperOf(rate));
  const draw = (seed: number, scale: number) =>
    new Map(names.map((name, i) => [name as string, randomFloats(seed + i, shapes[name], scale).data]));
  const gradients = draw(100, 1);
  const arenas = store.segments.map((segment) => segment.gradients);
  store.writeAll(draw(200, 1));
  store.writeAll(gradients, arenas);
  for (const [index, own] of moments.entries()) {
    const drawn = draw(300 + 10 * index, 0.1);
    store.writeAll(
      new Map([...drawn].map(([name, data]) => [name, data.map((x) => (index ? x * x : x))])),
      own,
    );
  }
  const tape = new Tape({ software: gpu.software, training: true });
  recordUpdate(tape, store, { optimizer, moments, groups, update, statistics, maxNorm });
  const plan = await Plan.build(gpu, new ScratchPool(gpu), 'update', tape);
  made.push({
    dispose() {
      plan.dispose();
      store.dispose();
      for (const tensor of owned) destroyTensor(tensor);
    },
  });
  const bitsOf = async (own: readonly Tensor[]) => {
    const named = await store.read(own);
    return new Map([...named].map(([name, data]) => [name, [...new Uint32Array(data.buffer)]]));
  };
  return {
    store,
    plan,
    gradients,
    run: () => submit(gpu, 'update', [plan]),
    write: (values: ReadonlyMap<string, Float32Array>) => store.writeAll(values, arenas),
    readUpdate: async () => [...(await readTensor(gpu, update))],
    /** Bits of values and moments by parameter. */
    async state() {
      const parts = await Promise.all([store.segments.map(({ values }) => values), ...moments].map(bitsOf));
      return Object.fromEntries(names.map((name) => [name, parts.map((part) => part.get(name)!)]));
    },
    async expectClearedGradients() {
      const contents = await Promise.all(arenas.map((arena) => readTensor(gpu, arena)));
      expect(contents.every((data) => data.every((value) => Object.is(value, 0)))).toBe(true);
    },
  };
}

const normOf = (gradients: ReadonlyMap<string, Float32Array>, which: readonly string[]) =>
  Math.sqrt(which.flatMap((name) => [...gradients.get(name)!]).reduce((sum, g) => sum + g * g, 0));

describe.each([
  ['one segment', 2 ** 20, 1],
  ['two segments', 21_000, 2],
] as const)('the update over %s', (_, limit, segments) => {
  test('groups that are all alike record what no groups record, and give the same bits', async () => {
    const plain = await update(undefined, 0.5, limit);
    const grouped = await update([], 0.5, limit);
    expect(plain.store.segments.length).toBe(segments);
    const recorded = ({ plan }: typeof plain) =>
      plan.dispatches.map(({ shader, entry, workgroups, params, bindings }) => ({
        kernel: `${shader.name}/${entry}`,
        workgroups,
        params: params && [...new Uint8Array(params)],
        bindings: bindings.map(({ name, tensor }) => `${name} ${tensor}`),
      }));
    expect(recorded(grouped)).toEqual(recorded(plain));
    for (const one of [plain, grouped]) one.run();
    expect(await grouped.state()).toEqual(await plain.state());
  });

  test('frozen parameters and their moments keep their bits; their gradients are cleared and not in the norm', async () => {
    const own = await update(
      [
        { pattern: 'b', frozen_epochs: 1 },
        { pattern: 'c', frozen_epochs: 'always' },
      ],
      0.5,
      limit,
    );
    const before = await own.state();
    own.run();
    const after = await own.state();
    for (const name of ['b', 'c']) expect(after[name]).toEqual(before[name]);
    for (const name of ['a', 'd', 'e']) {
      for (const [part, bits] of before[name]!.entries()) expect(after[name]![part]).not.toEqual(bits);
    }
    await own.expectClearedGradients();
    const norm = normOf(own.gradients, ['a', 'd', 'e']);
    const [measured, coefficient, skipped] = await own.readUpdate();
    expectClose([measured!, coefficient!], [norm, 0.5 / (norm + 1e-6)], 1e-6, 'norm and coefficient');
    expect(skipped).toBe(0);
  });

  test('a gradient that is not finite counts only where it is trained', async () => {
    const own = await update([{ pattern: 'c', frozen_epochs: 1 }], 0.5, limit);
    const bad = (which: Name) =>
      new Map(
        [...own.gradients].map(([name, data]) => [name, data.map((g) => (name === which ? Infinity : g))]),
      );
    own.write(bad('c'));
    own.run();
    expect((await own.readUpdate())[2]).toBe(0);
    await own.expectClearedGradients();
    const before = await own.state();
    own.write(bad('e'));
    own.run();
    expect((await own.readUpdate())[2]).toBe(1);
    expect(await own.state()).toEqual(before);
    await own.expectClearedGradients();
  });

  test('each group goes by its own rate', async () => {
    const sgd = { optimizer: 'sgd', weight_decay: 0 } as const;
    const own = await update(
      [
        { pattern: 'b', lr: 0.5 },
        { pattern: 'd', lr: 3 },
        { pattern: 'e', lr: 0 },
      ],
      0,
      limit,
      sgd,
    );
    const before = await own.store.read();
    own.run();
    const after = await own.store.read();
    for (const [name, rate] of Object.entries({ a: 0.1, b: 0.05, c: 0.1, d: 0.3, e: 0 })) {
      const gradient = own.gradients.get(name)!;
      const expected = before.get(name)!.map((w, i) => w - rate * gradient[i]!);
      expectClose(after.get(name)!, expected, 1e-6, name);
    }
  });

  test('where everything is frozen nothing happens but that gradients are cleared', async () => {
    const own = await update([{ pattern: '*', frozen_epochs: 1 }], 0.5, limit);
    const before = await own.state();
    own.run();
    expect(await own.state()).toEqual(before);
    expect(await own.readUpdate()).toEqual([0, 1, 0, 0]);
    await own.expectClearedGradients();
  });
});
