/** Columns of a matrix in groups of their own: as if each input's weights were a parameter by itself, to the bit. */
import { afterAll, describe, expect, test } from 'vitest';
import { hyperSize, type OptimizerOptions, updateSize } from '../../src/optim/optimizer.ts';
import { type ParameterGroupOptions, parameterGroups } from '../../src/optim/parameter-groups.ts';
import { createOptimizer } from '../../src/optim/registry.ts';
import { recordUpdate } from '../../src/optim/update.ts';
import { type ParameterSpec, ParameterStore } from '../../src/scheduler/parameters.ts';
import { destroyTensor, persistentTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';

const gpu = await testGpu();
const [rows, widths] = [13, { words: 5, context: 7, feed: 3 }] as const;
const width = widths.words + widths.context + widths.feed;
const inputs = Object.entries(widths).map(([name, width]) => ({ name, width }));
const whole: ParameterSpec[] = [
  { name: 'a', shape: [9] },
  { name: 'ih', shape: [rows, width], inputs },
  { name: 'z', shape: [70] },
];
/** The same with a parameter for each input; random numbers are drawn for the whole. */
const split: ParameterSpec[] = [
  whole[0]!,
  ...inputs.map(({ name, width }) => ({ name: `ih.${name}`, shape: [rows, width] })),
  whole[2]!,
];

const cleanup: (() => void)[] = [];
afterAll(() => {
  for (const clean of cleanup) clean();
});

/** Those of the split parameters, cut out of the matrix. */
function cut(values: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  const all = new Map(values);
  const matrix = values.get('ih')!;
  let column = 0;
  for (const { name, width: own } of inputs) {
    const from = column;
    const part = Float32Array.from({ length: rows * own }, (_, index) => {
      return matrix[Math.floor(index / own) * width + from + (index % own)]!;
    });
    all.set(`ih.${name}`, part);
    column += own;
  }
  all.delete('ih');
  return all;
}

/** Values, moments and gradients after two updates. */
async function afterUpdates(
  specs: readonly ParameterSpec[],
  groups: readonly ParameterGroupOptions[],
  options: OptimizerOptions,
): Promise<Map<string, Uint32Array>> {
  const store = new ParameterStore(gpu, specs);
  const optimizer = createOptimizer(options);
  const moments = optimizer.moments.map((name) => store.createArenas(name));
  const [update, statistics] = [
    persistentTensor(gpu, 'update', [updateSize]),
    persistentTensor(gpu, 'statistics', [8]),
  ];
  const owned: Tensor[] = [update, statistics, ...moments.flat()];
  const draw = (seed: number): Map<string, Float32Array> => {
    const drawn = new Map(whole.map(({ name, shape }, i) => [name, randomFloats(seed + i, shape, 1).data]));
    return specs === whole ? drawn : cut(drawn);
  };
  const arenas = store.segments.map(({ gradients }) => gradients);
  store.writeAll(draw(1));
  for (const [index, own] of moments.entries()) {
    store.writeAll(new Map([...draw(30 + index)].map(([name, data]) => [name, data.map(Math.abs)])), own);
  }
  const made = parameterGroups(groups, store.places, 1).map(({ ranges, frozen, multiplier }) => {
    const hyper = frozen ? undefined : persistentTensor(gpu, 'hyper', [hyperSize]);
    if (hyper) {
      writeTensor(gpu, hyper, optimizer.hyper(3, 0.1 * multiplier));
      owned.push(hyper);
    }
    return { ranges, hyper };
  });
  const tape = new Tape({ software: gpu.software, training: true });
  recordUpdate(tape, store, { optimizer, moments, groups: made, update, statistics, maxNorm: 0 });
  const plan = await Plan.build(gpu, new ScratchPool(gpu), 'update', tape);
  cleanup.push(() => {
    plan.dispose();
    store.dispose();
    for (const tensor of owned) destroyTensor(tensor);
  });
  for (const seed of [60, 90]) {
    store.writeAll(draw(seed), arenas);
    submit(gpu, 'update', [plan]);
  }
  const named = new Map<string, Uint32Array>();
  for (const [kind, own] of [
    ['values', undefined],
    ['gradients', arenas],
    ...optimizer.moments.map((name, i) => [name, moments[i]]),
  ] as const) {
    const read = await store.read(own as readonly Tensor[] | undefined);
    const parts = specs === whole ? cut(read) : read;
    for (const [name, data] of parts) named.set(`${kind} ${name}`, new Uint32Array(data.slice().buffer));
  }
  return named;
}

const adamw = {
  optimizer: 'adamw',
  momentum: 0,
  adam_betas: [0.9, 0.99],
  eps: 1e-8,
  weight_decay: 0.1,
} as const;
const optimizers: Record<string, OptimizerOptions> = {
  adamw,
  adam: { ...adamw, optimizer: 'adam' },
  sgd: { ...adamw, optimizer: 'sgd' },
  momentum: { ...adamw, optimizer: 'sgd', momentum: 0.9 },
};

describe.each(Object.entries(optimizers))('%s', (_, options) => {
  test('the context’s columns at a rate of their own, the others frozen or at the common rate', async () => {
    const groups = [
      { pattern: 'ih.context', lr: 0.5 },
      { pattern: 'ih.feed', frozen_epochs: 1 },
    ];
    expect(await afterUpdates(whole, groups, options)).toEqual(await afterUpdates(split, groups, options));
  });
});

test('frozen columns keep the bits of values and moments, weight decay or not', async () => {
  const groups = [{ pattern: 'ih.context' }, { pattern: 'ih', frozen_epochs: 'always' as const }];
  const [after, before] = [
    await afterUpdates(whole, groups, adamw),
    await afterUpdates(whole, [{ pattern: '*', frozen_epochs: 'always' }], adamw),
  ];
  const changed = [...after].filter(([name, bits]) => bits.some((bit, i) => bit !== before.get(name)![i]));
  const kinds = ['values', 'exp_avg', 'exp_avg_sq'];
  expect(changed.map(([name]) => name).sort()).toEqual(
    kinds.flatMap((kind) => ['a', 'ih.context', 'z'].map((name) => `${kind} ${name}`)).sort(),
  );
});

test('a pattern of the whole name takes all columns; columns of one group are no pieces', () => {
  const store = new ParameterStore(gpu, whole);
  cleanup.push(() => store.dispose());
  const rangesOf = (...patterns: string[]) =>
    parameterGroups(
      patterns.map((pattern) => ({ pattern })),
      store.places,
      1,
    ).map(({ name, ranges }) => [name, ranges.map(({ columns }) => columns?.column)]);
  expect(rangesOf('ih')).toEqual([
    ['ih', [undefined]],
    ['*', [undefined, undefined]],
  ]);
  expect(rangesOf('ih.*')).toEqual(
    rangesOf('ih').map(([name, ranges]) => [name === 'ih' ? 'ih.*' : name, ranges]),
  );
  expect(rangesOf('*.context', 'i*')).toEqual([
    ['*.context', [5]],
    ['i*', [0, 12]],
    ['*', [undefined, undefined]],
  ]);
  expect(() => rangesOf('ih', 'ih.context')).toThrow(
    "all that 'ih.context' matches (such as ih.context) belongs",
  );
  expect(() => rangesOf('ih.contxt')).toThrow("did you mean 'ih.context'?");
});
