import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { shaderInfo } from '../../src/gpu/shader.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { hyperSize, type OptimizerOptions, updateSize } from '../../src/optim/optimizer.ts';
import { createOptimizer } from '../../src/optim/registry.ts';
import { allAlike, recordUpdate } from '../../src/optim/update.ts';
import { type ParameterSpec, ParameterStore } from '../../src/scheduler/parameters.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { expectClose } from '../setup/compare.ts';
import { loadClip, loadOptimizers, type SeededDescription, seededValues } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { limitedGpu } from '../setup/limited-gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats } from '../setup/random.ts';

type Named = Readonly<Record<string, Float32Array>>;

const defaults: OptimizerOptions = {
  optimizer: 'adam',
  momentum: 0,
  adam_betas: [0.9, 0.999],
  eps: 1e-8,
  weight_decay: 0,
};
const tolerance = 1e-5;
const made: { dispose(): void }[] = [];
afterAll(() => {
  for (const trainer of made) trainer.dispose();
});

/** The device as if it bound no more than `bytes`, so that few parameters already make several segments. */
const binding = (gpu: Gpu, bytes: number): Gpu => limitedGpu(gpu, { maxStorageBufferBindingSize: bytes });

/** Parameters with an update plan, fed with gradients from outside. */
async function trainer(options: Partial<OptimizerOptions>, maxNorm: number, initial: Named, limit?: number) {
  const gpu = await testGpu();
  const specs: ParameterSpec[] = Object.entries(initial).map(([name, { length }]) => ({
    name,
    shape: [length],
  }));
  const store = new ParameterStore(limit ? binding(gpu, limit) : gpu, specs);
  store.writeAll(new Map(Object.entries(initial)));
  const optimizer = createOptimizer({ ...defaults, ...options });
  const moments = optimizer.moments.map((name) => store.createArenas(name));
  const hyper = persistentTensor(gpu, 'hyper', [hyperSize]);
  const update = persistentTensor(gpu, 'update', [updateSize]);
  const statistics = persistentTensor(gpu, 'statistics', [8]);
  const tape = new Tape({ software: gpu.software, training: true });
  const groups = allAlike(store, hyper);
  recordUpdate(tape, store, { optimizer, moments, groups, update, statistics, maxNorm });
  const plan = await Plan.build(gpu, new ScratchPool(gpu), 'update', tape);
  const gradientArenas = store.segments.map(({ gradients }) => gradients);
  let step = 0;
  const self = {
    store,
    plan,
    moments,
    step(gradients: Named, learningRate: number): void {
      step += 1;
      store.writeAll(new Map(Object.entries(gradients)), gradientArenas);
      writeTensor(gpu, hyper, optimizer.hyper(step, learningRate));
      submit(gpu, 'update', [plan]);
    },
    readUpdate: () => readTensor(gpu, update),
    readStatistics: () => readTensor(gpu, statistics),
    async readMoments(): Promise<Record<string, Map<string, Float32Array>>> {
      const read = await Promise.all(moments.map((arenas) => store.read(arenas)));
      return Object.fromEntries(optimizer.moments.map((name, i) => [name, read[i]!]));
    },
    /** Every bit of parameters and moments, and of what lies between them. */
    async readState(): Promise<Uint32Array[]> {
      const arenas = [...store.segments.map(({ values }) => values), ...moments.flat()];
      const contents = await Promise.all(arenas.map((arena) => readTensor(gpu, arena)));
      return contents.map(({ buffer }) => new Uint32Array(buffer));
    },
    async expectClearedGradients(): Promise<void> {
      const contents = await Promise.all(gradientArenas.map((arena) => readTensor(gpu, arena)));
      const bits = contents.flatMap(({ buffer }) => [...new Uint32Array(buffer)]);
      expect(bits.every((word) => word === 0)).toBe(true);
    },
    dispose(): void {
      plan.dispose();
      store.dispose();
      for (const tensor of [...moments.flat(), hyper, update, statistics]) destroyTensor(tensor);
    },
  };
  made.push(self);
  return self;
}

interface UpdateFixture {
  readonly name: string;
  /** 0: not clipped. */
  readonly maxNorm: number;
  readonly optimizer: OptimizerOptions['optimizer'];
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay: number;
  readonly initial: Record<string, SeededDescription>;
  readonly learningRates: number[];
  readonly gradients: Record<string, SeededDescription>[];
  readonly norms: number[];
  readonly after: Record<
    string,
    { parameters: Record<string, Written>; moments: Record<string, Record<string, Written>> }
  >;
}
type Written = { readonly data: number[] };

const fixtures: UpdateFixture[] = JSON.parse(
  readFileSync(new URL('../golden/ops/updates.json', import.meta.url), 'utf8'),
);

function fixtureOptions(fixture: Omit<Partial<UpdateFixture>, 'initial' | 'after' | 'gradients'>) {
  const { optimizer = 'adam', momentum = 0, nesterov = false, weightDecay = 0 } = fixture;
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = fixture;
  const adam = { adam_betas: [beta1, beta2] as const, eps: epsilon };
  return { optimizer, momentum, nesterov, weight_decay: weightDecay, ...adam };
}

const drawn = (descriptions: Record<string, SeededDescription>): Named =>
  Object.fromEntries(Object.entries(descriptions).map(([name, one]) => [name, seededValues(one)]));

describe('thirty steps of torch.optim', () => {
  describe.each(fixtures)('$name', (fixture) => {
    // 13 × 9 values and 7 and 1 take 512, 256 and 256 bytes.
    test.each([
      ['in one segment', 'abc', undefined, 1],
      ['in two segments', 'abc', 600, 2],
      ['in three segments', 'bac', 512, 3],
    ])('%s', async (_, order, limit, segments) => {
      const initial = drawn(fixture.initial);
      const ordered = Object.fromEntries([...order].map((name) => [name, initial[name]!]));
      const own = await trainer(fixtureOptions(fixture), fixture.maxNorm, ordered, limit);
      expect(own.store.segments.length).toBe(segments);
      for (const [index, gradients] of fixture.gradients.entries()) {
        own.step(drawn(gradients), fixture.learningRates[index]!);
        if (index % 6 === 0) {
          expectClose([(await own.readUpdate())[0]!], [fixture.norms[index]!], 1e-6, 'norm');
        }
        const after = fixture.after[index + 1];
        if (!after) continue;
        const parameters = await own.store.read();
        const moments = await own.readMoments();
        expect(Object.keys(moments)).toEqual(Object.keys(after.moments));
        for (const [name, { data }] of Object.entries(after.parameters)) {
          expectClose(parameters.get(name)!, data, tolerance, `${name} after ${index + 1}`);
          for (const [moment, values] of Object.entries(after.moments)) {
            expectClose(moments[moment]!.get(name)!, values[name]!.data, tolerance, `${moment} of ${name}`);
          }
        }
      }
      const statistics = await own.readStatistics();
      const sum = fixture.norms.reduce((total, norm) => total + norm);
      expectClose([statistics[statistic.norm]!], [sum], 1e-6, 'sum of norms');
      expect([statistics[statistic.updates], statistics[statistic.skipped]]).toEqual([30, 0]);
    });
  });
});

describe('single updates of torch.optim', () => {
  test.each(loadOptimizers())('$name', async (golden) => {
    const floats = (tensors: Readonly<Record<string, { data: Float64Array }>>): Named =>
      Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, Float32Array.from(data)]));
    const own = await trainer(fixtureOptions(golden), 0, floats(golden.initial));
    for (const [index, { gradients, parameters }] of golden.steps.entries()) {
      own.step(floats(gradients), golden.learningRates[index]!);
      const values = await own.store.read();
      for (const [name, { data }] of Object.entries(parameters)) {
        expectClose(values.get(name)!, data, tolerance, `${name} after ${index + 1}`);
      }
    }
  });
});

describe('clipping', () => {
  test.each(loadClip())('as PyTorch: $name', async (golden) => {
    const gradients = Object.fromEntries(
      Object.entries(golden.gradients).map(([name, { data }]) => [name, Float32Array.from(data)]),
    );
    const zeros = Object.fromEntries(
      Object.entries(gradients).map(([name, { length }]) => [name, new Float32Array(length)]),
    );
    // Plain descent from zero with rate 1 leaves the negated clipped gradient in the weights.
    const own = await trainer({ optimizer: 'sgd' }, golden.maxNorm, zeros, 300);
    own.step(gradients, 1);
    const values = await own.store.read();
    for (const [name, { data }] of Object.entries(golden.clipped)) {
      expectClose(
        values.get(name)!.map((w) => -w),
        data,
        tolerance,
        name,
      );
    }
    const [norm, coefficient, skip] = await own.readUpdate();
    expectClose([norm!], [golden.norm], 1e-6, 'norm');
    expectClose([coefficient!], [Math.min(1, golden.maxNorm / (golden.norm + 1e-6))], 1e-6, 'coefficient');
    expect(skip).toBe(0);
    await own.expectClearedGradients();
  });

  test('maxNorm 0 never clips', async () => {
    const own = await trainer({ optimizer: 'sgd' }, 0, { w: new Float32Array(5) });
    own.step({ w: Float32Array.of(3e5, 4e5, 0, 0, 0) }, 1);
    expect([...(await own.readUpdate())]).toEqual([5e5, 1, 0, 0]);
    expect((await own.store.read()).get('w')![0]).toBe(-3e5);
  });

  test('the norm over many workgroups and segments', async () => {
    const shapes = { a: 70_001, b: 4097, c: 30_000, d: 1 };
    const gradients = Object.fromEntries(
      Object.entries(shapes).map(([name, size], i) => [
        name,
        randomFloats(400 + i, [size], 10 ** (i - 1)).data,
      ]),
    );
    let squares = 0;
    for (const values of Object.values(gradients)) for (const g of values) squares += g * g;
    for (const [limit, segments] of [
      [undefined, 1],
      [300_000, 2],
    ] as const) {
      const zeros = Object.fromEntries(
        Object.entries(shapes).map(([name, size]) => [name, new Float32Array(size)]),
      );
      const own = await trainer({ optimizer: 'sgd' }, 1, zeros, limit);
      expect(own.store.segments.length).toBe(segments);
      own.step(gradients, 1);
      expectClose([(await own.readUpdate())[0]!], [Math.sqrt(squares)], 1e-6, 'norm');
      const values = await own.store.read();
      for (const [name, g] of Object.entries(gradients)) {
        expectClose(
          values.get(name)!,
          Float64Array.from(g, (x) => -x / Math.sqrt(squares)),
          tolerance,
          name,
        );
      }
      await own.expectClearedGradients();
    }
  });
});

describe('a gradient that is not finite changes nothing', () => {
  const names = ['sgd', 'momentum', 'adam', 'adamw'] as const;
  const options = {
    sgd: { optimizer: 'sgd', weight_decay: 0.1 },
    momentum: { optimizer: 'sgd', momentum: 0.9, weight_decay: 0.1 },
    adam: { optimizer: 'adam', weight_decay: 0.1 },
    adamw: { optimizer: 'adamw', weight_decay: 0.1 },
  } as const;
  const quietNaN = new Float32Array(Uint32Array.of(0x7fc00000).buffer)[0]!;
  const bad = { NaN: quietNaN, Infinity: Infinity, '-Infinity': -Infinity, 'an overflowing square': 1e30 };

  describe.each(names)('%s', (name) => {
    test.each(Object.keys(bad) as (keyof typeof bad)[])('%s', async (kind) => {
      const initial = { a: randomFloats(500, [300]).data, b: randomFloats(501, [77]).data };
      const good = { a: randomFloats(502, [300]).data, b: randomFloats(503, [77]).data };
      const own = await trainer(options[name], 5, initial, 1300);
      expect(own.store.segments.length).toBe(2);
      own.step(good, 0.1);
      const before = await own.readState();
      for (const [parameter, place] of [
        ['a', 0],
        ['a', 299],
        ['b', 76],
      ] as const) {
        const gradients = { a: good.a.slice(), b: good.b.slice() };
        gradients[parameter][place] = bad[kind];
        own.step(gradients, 0.1);
        expect([...(await own.readUpdate())]).toEqual([0, 0, 1, 0]);
        expect(await own.readState()).toEqual(before);
        await own.expectClearedGradients();
      }
      const statistics = await own.readStatistics();
      expect([statistics[statistic.updates], statistics[statistic.skipped]]).toEqual([1, 3]);
      expect(Number.isFinite(statistics[statistic.norm])).toBe(true);
      own.step(good, 0.1); // and goes on
      expect(await own.readState()).not.toEqual(before);
      expect((await own.readUpdate())[2]).toBe(0);
    });
  });

  test('NaN with any payload and sign, in every lane of a vector', async () => {
    const own = await trainer({ optimizer: 'sgd' }, 0, { w: new Float32Array(8) });
    let count = 0;
    for (const bits of [0x7f800001, 0xffc00000, 0xff800001, 0x7fffffff]) {
      for (let lane = 0; lane < 4; lane++) {
        const words = new Uint32Array(8);
        words[lane + 4] = bits;
        own.step({ w: new Float32Array(words.buffer) }, 1);
        count += 1;
      }
    }
    expect((await own.readStatistics())[statistic.skipped]).toBe(count);
    expect([...(await own.store.read()).get('w')!]).toEqual(Array(8).fill(0));
  });
});

test('the space between parameters stays zero', async () => {
  const initial = { a: randomFloats(600, [3]).data, b: randomFloats(601, [1]).data };
  for (const optimizer of ['sgd', 'adam', 'adamw'] as const) {
    const own = await trainer({ optimizer, momentum: 0.9, weight_decay: 0.1 }, 1, initial);
    for (let step = 0; step < 3; step++) own.step({ a: initial.a, b: initial.b }, 0.1);
    for (const words of await own.readState()) {
      expect(words.every((word, i) => word === 0 || i < 3 || i === 64)).toBe(true);
      expect(words[2]).not.toBe(0);
    }
  }
});

test('two runs are bit-equal', async () => {
  const initial = { a: randomFloats(700, [9001]).data, b: randomFloats(701, [77]).data };
  const states = [];
  for (let run = 0; run < 2; run++) {
    const own = await trainer({ optimizer: 'adam', weight_decay: 0.01 }, 1, initial);
    for (let step = 0; step < 5; step++) {
      own.step({ a: randomFloats(710 + step, [9001]).data, b: randomFloats(720 + step, [77]).data }, 0.01);
    }
    states.push(await own.readState());
  }
  expect(states[0]).toEqual(states[1]);
});

test('one dispatch a segment for the norm and one for the update', async () => {
  const own = await trainer({}, 1, { a: new Float32Array(100), b: new Float32Array(100) }, 512);
  const entries = own.plan.dispatches.map(({ shader, entry }) => `${shader.name}/${entry}`);
  const norm = ['gradient-norm/partial', 'gradient-norm/partial', 'gradient-norm/finish'];
  expect(entries).toEqual([...norm, 'adam/coupled', 'adam/coupled']);
});

describe('what the host computes', () => {
  test("Adam's bias corrections in float64", () => {
    const adam = createOptimizer(defaults);
    for (const step of [1, 2, 1000, 1_000_000]) {
      const [beta1, rest1, beta2, rest2, rate, inverseRoot, eps] = adam.hyper(step, 0.003);
      const expected = [0.9, 1 - 0.9, 0.999, 1 - 0.999, 0.003 / (1 - 0.9 ** step)];
      expect([beta1, rest1, beta2, rest2, rate]).toEqual(expected.map(Math.fround));
      expect(inverseRoot).toBe(Math.fround(1 / Math.sqrt(1 - 0.999 ** step)));
      expect(eps).toBe(Math.fround(1e-8));
    }
  });
  test('all are hyperSize long and have the names of PyTorch', () => {
    const moments = { sgd: [], adam: ['exp_avg', 'exp_avg_sq'], adamw: ['exp_avg', 'exp_avg_sq'] } as const;
    for (const optimizer of ['sgd', 'adam', 'adamw'] as const) {
      const own = createOptimizer({ ...defaults, optimizer });
      expect(own.hyper(1, 0.1).length).toBe(hyperSize);
      expect([own.name, own.moments]).toEqual([optimizer, moments[optimizer]]);
    }
    expect(createOptimizer({ ...defaults, optimizer: 'sgd', momentum: 0.5 }).moments).toEqual([
      'momentum_buffer',
    ]);
  });
  test('an unknown optimizer is refused', () => {
    const options = { ...defaults, optimizer: 'constructor' as 'sgd' };
    expect(() => createOptimizer(options)).toThrow("no optimizer 'constructor'; there are: sgd, adam, adamw");
  });
});

describe('races', () => {
  const buffers = {
    gradients: new Float32Array(4 * 130).fill(1),
    partials: new Float32Array(70),
    update: new Float32Array(4),
    statistics: new Float32Array(8),
  };
  const params = { size: 130, groups: 2, offset: 3, count: 70, maxNorm: 1 };
  const code = shaderInfo('gradient-norm').code.replaceAll('workgroupBarrier();', '');
  test.each([
    ['partial', 2],
    ['finish', 1],
  ] as const)('%s has none, but some without its barrier', (entry, groups) => {
    const check = { buffers, params, workgroups: [groups, 1, 1] } as const;
    expect(findRaces('gradient-norm', entry, check)).toEqual([]);
    expect(findRaces('gradient-norm', entry, { ...check, code })).not.toEqual([]);
  });
});
