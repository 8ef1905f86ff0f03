import { describe, expect, test } from 'vitest';
import { shaderInfo } from '../../src/gpu/shader.ts';
import {
  chunkBytes,
  chunkWidth,
  crossEntropy,
  statistic,
  statisticsSize,
} from '../../src/ops/cross-entropy.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { type CrossEntropyCase, crossEntropyReference } from '../../src/reference/cross-entropy.ts';
import { ParameterStore } from '../../src/scheduler/parameters.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { Tensor } from '../../src/scheduler/tensor.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { loadCrossEntropy } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats, randomIds } from '../setup/random.ts';

const padding = 1;

interface Case {
  readonly hidden: Value;
  readonly weight: Value;
  readonly bias?: Value | undefined;
  readonly targets: Value;
  readonly smoothing: number;
  readonly classWeights?: Value | undefined;
  readonly scale: number;
  readonly chunk?: number;
}

/** Random tensors; every fourth row or so is padding where the vocabulary allows it. */
function randomCase(
  seed: number,
  rows: number,
  size: number,
  vocabulary: number,
  options: Partial<Case> = {},
): Case {
  const targets = randomIds(seed + 3, [rows], 0, vocabulary);
  for (let row = 2; row < rows; row += 4) targets.data[row] = padding;
  return {
    hidden: randomFloats(seed, [rows, size], 1.5),
    weight: randomFloats(seed + 1, [vocabulary, size], 1.2),
    bias: randomFloats(seed + 2, [vocabulary], 0.7),
    targets,
    smoothing: 0,
    scale: 0.37,
    ...options,
  };
}

async function run(given: Case, ignoreIndex = padding) {
  const { hidden, weight, bias, targets, smoothing, classWeights, scale, chunk } = given;
  const one = (value: number): Value => ({ data: Float32Array.of(value), shape: [1] });
  const inputs: Record<string, Value> = {
    hidden,
    weight,
    targets,
    ...(bias && { bias }),
    ...(classWeights && { classWeights }),
    scale: one(scale),
    statistics: { data: new Float32Array(8), shape: [8] },
  };
  const { outputs, gradients } = await evaluate(
    await testGpu(),
    inputs,
    (tape, tensors) => {
      crossEntropy(tape, {
        hidden: tensors.hidden!,
        weight: tensors.weight!,
        bias: tensors.bias,
        targets: tensors.targets!,
        scale: tensors.scale!,
        statistics: tensors.statistics!,
        classWeights: tensors.classWeights,
        ignoreIndex,
        labelSmoothing: smoothing,
        ...(chunk !== undefined && { chunk }),
      });
      return { statistics: tensors.statistics! };
    },
    'loss',
  );
  return { statistics: outputs.statistics!.data, gradients };
}

function referenceCase(given: Case, ignoreIndex = padding): CrossEntropyCase {
  const { hidden, weight, bias, targets, smoothing, classWeights, scale } = given;
  const [vocabulary, size] = [weight.shape[0]!, weight.shape[1]!];
  const arrays = { hidden: hidden.data, weight: weight.data, bias: bias?.data, targets: targets.data };
  const options = { ignoreIndex, smoothing, classWeights: classWeights?.data };
  return { ...arrays, ...options, size, vocabulary, scale: Math.fround(scale) };
}

async function expectReference(given: Case, ignoreIndex = padding): Promise<void> {
  const { statistics, gradients } = await run(given, ignoreIndex);
  const expected = crossEntropyReference(referenceCase(given, ignoreIndex));
  const { loss, nll, tokens, correct } = expected;
  expectClose([statistics[statistic.loss]!], [loss], forwardTolerance, 'loss');
  expectClose([statistics[statistic.nll]!], [nll], forwardTolerance, 'nll');
  expect([...statistics.slice(2)]).toEqual([tokens, correct, 0, 0, 0, 0]);
  const compare = (name: 'hidden' | 'weight' | 'bias') =>
    expectClose(gradients[name]!.data, expected.gradients[name], gradientTolerance, `gradient of ${name}`);
  compare('hidden');
  compare('weight');
  if (given.bias) compare('bias');
}

describe('against PyTorch', () => {
  describe.each(loadCrossEntropy())('$name', (golden) => {
    test.each([undefined, 4])('chunk %s', async (chunk) => {
      const value = ({ data, shape }: { data: Float64Array; shape: readonly number[] }): Value => ({
        data: Float32Array.from(data),
        shape,
      });
      const { statistics, gradients } = await run({
        hidden: value(golden.input),
        weight: value(golden.weight),
        bias: value(golden.bias),
        targets: { data: Uint32Array.from(golden.targets), shape: [golden.targets.length] },
        smoothing: golden.labelSmoothing,
        classWeights: golden.classWeights && value(golden.classWeights),
        scale: 1,
        ...(chunk !== undefined && { chunk }),
      });
      expect(golden.paddingId).toBe(padding);
      // What the host divides by.
      const weights = golden.targets.map((id) => (id === padding ? 0 : (golden.classWeights?.data[id] ?? 1)));
      const normaliser = weights.reduce((sum, weight) => sum + weight, 0);
      expectClose([golden.sum / normaliser], [golden.mean], 1e-12, 'mean');
      expectClose([statistics[statistic.loss]!], [golden.sum], forwardTolerance, 'sum');
      const { input, weight, bias } = golden.gradients;
      expectClose(gradients.hidden!.data, input.data, gradientTolerance, 'gradient of input');
      expectClose(gradients.weight!.data, weight.data, gradientTolerance, 'gradient of weight');
      expectClose(gradients.bias!.data, bias.data, gradientTolerance, 'gradient of bias');
    });
  });
});

describe('against the float64 reference', () => {
  const sizes = [
    [1, 1, 1],
    [1, 5, 3],
    [7, 3, 63],
    [9, 33, 64],
    [65, 17, 65],
    [131, 31, 2000],
  ] as const;
  describe.each(sizes)('N %i, H %i, V %i', (rows, size, vocabulary) => {
    const smoothing = 0.1;
    test('one chunk', () => expectReference(randomCase(10, rows, size, vocabulary)));
    test('one chunk, smoothing', () =>
      expectReference(randomCase(20, rows, size, vocabulary, { smoothing })));
    test('chunks that do not divide V', () => {
      const chunk = Math.max(1, Math.floor(vocabulary / 3) - 1);
      return expectReference(randomCase(30, rows, size, vocabulary, { smoothing, chunk }));
    });
    test('class weights', () => {
      const classWeights = randomFloats(50, [vocabulary], 2);
      for (const [v, weight] of classWeights.data.entries()) classWeights.data[v] = Math.max(0, weight);
      const given = randomCase(51, rows, size, vocabulary, { smoothing, classWeights });
      return expectReference(vocabulary < 100 ? { ...given, chunk: 20 } : given);
    });
    test('without bias', () =>
      expectReference(randomCase(40, rows, size, vocabulary, { bias: undefined, chunk: 32 })));
  });

  test('[T, B, H] is as good as [N, H]', () => {
    const given = randomCase(50, 15, 4, 11);
    const hidden = { ...given.hidden, shape: [5, 3, 4] };
    return expectReference({ ...given, hidden, targets: { ...given.targets, shape: [5, 3] } });
  });

  test('logits of ±10⁴', async () => {
    const given = randomCase(60, 9, 4, 67, {
      hidden: randomFloats(61, [9, 4], 4000),
      smoothing: 0.1,
      chunk: 20,
    });
    const scores = crossEntropyReference(referenceCase(given)).rowLosses;
    expect(Math.max(...scores)).toBeGreaterThan(5000);
    await expectReference(given);
  });

  test.each([undefined, randomFloats(71, [4], 2)])(
    'the reference itself, by finite differences',
    (weights) => {
      const given = referenceCase(randomCase(70, 5, 3, 4, { smoothing: 0.2, classWeights: weights }));
      const { gradients } = crossEntropyReference(given);
      for (const name of ['hidden', 'weight', 'bias'] as const) {
        const values = Float64Array.from(given[name]!);
        const differences = values.map((_, i) => {
          const at = (step: number) => {
            const moved = Float64Array.from(values);
            moved[i]! += step;
            return crossEntropyReference({ ...given, [name]: moved }).loss;
          };
          return (given.scale * (at(1e-5) - at(-1e-5))) / 2e-5;
        });
        expectClose(gradients[name], differences, 1e-8, name);
      }
    },
  );
});

describe('padding', () => {
  test('nothing but padding gives exactly nothing', async () => {
    const given = randomCase(80, 9, 5, 67, { smoothing: 0.1, chunk: 30 });
    given.targets.data.fill(padding);
    const { statistics, gradients } = await run(given);
    expect([...statistics]).toEqual(Array(8).fill(0));
    for (const name of ['hidden', 'weight', 'bias']) {
      expect(gradients[name]!.data.every((slope) => slope === 0)).toBe(true);
    }
  });

  test('padded rows get gradient exactly 0', async () => {
    const given = randomCase(90, 13, 5, 67, { smoothing: 0.1 });
    const { gradients } = await run(given);
    for (let row = 0; row < 13; row++) {
      const slopes = gradients.hidden!.data.slice(row * 5, row * 5 + 5);
      expect(slopes.every((slope) => slope === 0)).toBe(given.targets.data[row] === padding);
    }
  });
});

describe('no id stands for padding: 0xffffffff', () => {
  const none = 0xffff_ffff;
  test('every id counts, the smallest and the largest too', async () => {
    const given = randomCase(140, 9, 5, 67, { smoothing: 0.1, chunk: 30 });
    given.targets.data.set([0, 66], 3);
    expect((await run(given, none)).statistics[statistic.tokens]).toBe(9);
    await expectReference(given, none);
  });
  test.each([undefined, randomFloats(141, [67], 2)])(
    'rows marked with it count for nothing',
    async (classWeights) => {
      const given = randomCase(142, 9, 5, 67, { smoothing: 0.1, classWeights });
      given.targets.data.fill(none, 4, 7);
      const { statistics, gradients } = await run(given, none);
      expect(statistics[statistic.tokens]).toBe(6);
      expect([...gradients.hidden!.data.slice(20, 35)]).toEqual(Array(15).fill(0));
      await expectReference(given, none);
    },
  );
});

describe('class weights', () => {
  test('of 1 give what none give', async () => {
    const given = randomCase(143, 9, 5, 67, { smoothing: 0.1 });
    const ones = { data: new Float32Array(67).fill(1), shape: [67] };
    const [plain, weighted] = [await run(given), await run({ ...given, classWeights: ones })];
    expectClose(weighted.statistics, plain.statistics, 1e-6, 'statistics');
    expectClose(weighted.gradients.hidden!.data, plain.gradients.hidden!.data, 1e-6, 'gradient of hidden');
  });
  test('of 0 leave a class without loss and gradient, not without nll', async () => {
    const classWeights = { data: new Float32Array(67), shape: [67] };
    const { statistics, gradients } = await run(randomCase(144, 9, 5, 67, { classWeights }));
    expect(statistics[statistic.loss]).toBe(0);
    expect(statistics[statistic.nll]).toBeGreaterThan(1);
    for (const name of ['hidden', 'weight', 'bias']) {
      expect(gradients[name]!.data.every((slope) => slope === 0)).toBe(true);
    }
  });
  test('are one for each class', async () => {
    const classWeights = randomFloats(145, [66]);
    await expect(run(randomCase(146, 9, 5, 67, { classWeights }))).rejects.toThrow('[67]');
  });
});

describe('bits', () => {
  /** The loss of one row of `given`, among `rows` rows of which the others are padding. */
  async function lossOfRow(given: Case, rows: number, place: number, chunk?: number): Promise<number> {
    const size = given.hidden.shape[1]!;
    const hidden = randomFloats(123, [rows, size], 2);
    hidden.data.set(given.hidden.data.subarray(0, size), place * size);
    const targets = { data: new Uint32Array(rows).fill(padding), shape: [rows] };
    targets.data[place] = given.targets.data[0]!;
    const { statistics } = await run({ ...given, hidden, targets, ...(chunk !== undefined && { chunk }) });
    return statistics[statistic.loss]!;
  }

  test('a row has the same loss among any rows and with any chunks', async () => {
    const given = randomCase(100, 1, 19, 301, { smoothing: 0.1 });
    const alone = await lossOfRow(given, 1, 0);
    expect(alone).toBeGreaterThan(0.1);
    for (const [rows, place] of [
      [2, 1],
      [70, 37],
      [257, 200],
    ] as const) {
      expect(await lossOfRow(given, rows, place)).toBe(alone);
    }
    for (const chunk of [7, 32, 33, 64, 300, 301]) expect(await lossOfRow(given, 3, 1, chunk)).toBe(alone);
  });

  test('two runs are bit-equal', async () => {
    const given = randomCase(110, 67, 19, 301, { smoothing: 0.1, chunk: 100 });
    expect(await run(given)).toEqual(await run(given));
  });
});

test('of equal logits the first one counts as the choice', async () => {
  const zeros = (shape: number[]): Value => ({
    data: new Float32Array(shape.reduce((a, b) => a * b)),
    shape,
  });
  const targets = { data: Uint32Array.of(0, 2, 40, 69), shape: [4] };
  const given = randomCase(120, 4, 3, 70, { hidden: zeros([4, 3]), bias: zeros([70]), targets });
  expect((await run(given)).statistics[statistic.correct]).toBe(1);
});

test('parameters and statistics add up over runs; the state of others is added to', async () => {
  const gpu = await testGpu();
  const [rows, size, vocabulary] = [11, 6, 37];
  const given = randomCase(130, rows, size, vocabulary, { smoothing: 0.1, chunk: 10 });
  const store = new ParameterStore(gpu, [
    { name: 'other', shape: [3] },
    { name: 'weight', shape: [vocabulary, size] },
    { name: 'bias', shape: [vocabulary] },
  ]);
  store.write('weight', given.weight.data as Float32Array);
  store.write('bias', given.bias!.data as Float32Array);
  const hidden = persistentTensor(gpu, 'hidden', [rows, size], 'f32', true);
  const before = persistentTensor(gpu, 'gradient of another reader', [rows, size]);
  const targets = persistentTensor(gpu, 'targets', [rows], 'u32');
  const scale = persistentTensor(gpu, 'scale', [1]);
  const statistics = persistentTensor(gpu, 'statistics', [8]);
  const tape = new Tape({ software: gpu.software, training: true });
  const options = {
    hidden,
    weight: store.get('weight'),
    bias: store.get('bias'),
    targets,
    scale,
    statistics,
  };
  crossEntropy(tape, { ...options, ignoreIndex: padding, labelSmoothing: 0.1, chunk: 10 });
  tape.seedGradient(hidden, before);
  tape.backward();
  expect(tape.gradientOf(hidden)?.storage).toBe(before.storage);
  const pool = new ScratchPool(gpu);
  const plan = await Plan.build(gpu, pool, 'loss', tape);

  writeTensor(gpu, hidden, given.hidden.data);
  writeTensor(gpu, targets, given.targets.data);
  writeTensor(gpu, statistics, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const upstream = randomFloats(140, [rows, size]).data;
  writeTensor(gpu, before, upstream);
  for (const factor of [0.25, 0.5]) {
    writeTensor(gpu, scale, Float32Array.of(factor));
    submit(gpu, 'loss', [plan]);
  }
  const { loss, nll, tokens, correct, gradients } = crossEntropyReference(
    referenceCase({ ...given, scale: 0.75 }),
  );
  const sums = await readTensor(gpu, statistics);
  expectClose(sums.slice(0, 2), [1 + 2 * loss, 2 + 2 * nll], forwardTolerance, 'statistics');
  expect([...sums.slice(2)]).toEqual([3 + 2 * tokens, 4 + 2 * correct, 5, 6, 7, 8]);
  const named = await store.readGradients();
  expectClose(named.get('weight')!, gradients.weight, gradientTolerance, 'gradient of weight');
  expectClose(named.get('bias')!, gradients.bias, gradientTolerance, 'gradient of bias');
  expect([...named.get('other')!]).toEqual([0, 0, 0]);
  const total = gradients.hidden.map((slope, i) => slope + upstream[i]!);
  expectClose(await readTensor(gpu, before), total, gradientTolerance, 'gradient of hidden');
  plan.dispose();
  store.dispose();
  for (const tensor of [hidden, before, targets, scale, statistics]) destroyTensor(tensor);
});

describe('what is recorded', () => {
  async function record(vocabulary: number, training: boolean, chunk?: number): Promise<string[]> {
    const gpu = await testGpu();
    const inputs = {
      hidden: persistentTensor(gpu, 'hidden', [4, 3], 'f32', training),
      weight: persistentTensor(gpu, 'weight', [vocabulary, 3], 'f32', training),
      targets: persistentTensor(gpu, 'targets', [4], 'u32'),
      scale: persistentTensor(gpu, 'scale', [1]),
      statistics: persistentTensor(gpu, 'statistics', [8]),
    };
    const tape = new Tape({ software: gpu.software, training });
    crossEntropy(tape, { ...inputs, ignoreIndex: padding, labelSmoothing: 0, ...(chunk && { chunk }) });
    tape.backward();
    for (const tensor of Object.values(inputs)) destroyTensor(tensor);
    const own = tape.dispatches.filter(({ shader }) => shader.name === 'cross-entropy');
    const products = tape.dispatches.length - own.length;
    return [...own.map(({ entry }) => entry), `${products} products`];
  }

  test('one chunk keeps its logits', async () => {
    expect(await record(70, true)).toEqual(['scan', 'finish', 'reduce', 'gradient', '3 products']);
  });
  test('more chunks compute them again', async () => {
    const entries = ['scan', 'scan', 'finish', 'reduce', 'gradient', 'gradient', '8 products'];
    expect(await record(70, true, 64)).toEqual(entries);
  });
  test('outside training there is no backward pass', async () => {
    expect(await record(70, false)).toEqual(['scan', 'finish', 'reduce', '1 products']);
  });

  test('tensors that do not fit are refused', async () => {
    const given = randomCase(150, 4, 3, 10);
    await expect(run({ ...given, hidden: randomFloats(1, [5, 3]) })).rejects.toThrow('do not fit together');
    await expect(run({ ...given, bias: randomFloats(1, [9]) })).rejects.toThrow('[10]');
    await expect(run({ ...given, smoothing: 1 })).rejects.toThrow('label smoothing of 1');
    await expect(run({ ...given, chunk: 0 })).rejects.toThrow('a chunk of 0 columns');
  });
});

describe('chunk width', () => {
  test('is the vocabulary where that fits, otherwise even parts', () => {
    expect(chunkWidth(1280, 2000)).toBe(2000);
    expect(chunkWidth(4096, 4097)).toBe(2112);
    expect(chunkWidth(1, 1)).toBe(1);
  });
  test('leaves no kernel more workgroups than a dimension takes, of the largest vocabulary in few rows', async () => {
    const vocabulary = 2 ** 24;
    const parameter = (shape: number[]) => {
      const tensor = (label: string) => {
        const bytes = 4 * shape.reduce((a, b) => a * b, 1);
        return { kind: 'buffer', label, bytes, buffer: {} as GPUBuffer, offset: 0 } as const;
      };
      const gradient = new Tensor(shape, 'f32', tensor('gradient'));
      return new Tensor(shape, 'f32', tensor('values'), true, gradient);
    };
    const given = (shape: number[], dtype: 'f32' | 'u32' = 'f32') =>
      new Tensor(shape, dtype, parameter(shape).storage);
    for (const software of [true, false]) {
      const tape = new Tape({ software, training: true });
      crossEntropy(tape, {
        hidden: parameter([1, 4]),
        weight: parameter([vocabulary, 4]),
        bias: parameter([vocabulary]),
        targets: given([1], 'u32'),
        ignoreIndex: 0,
        labelSmoothing: 0,
        scale: given([1]),
        statistics: given([statisticsSize]),
      });
      tape.backward(); // records nothing that is too large, or throws
      expect(Math.max(...tape.dispatches.flatMap(({ workgroups }) => workgroups))).toBeLessThanOrEqual(
        65_535,
      );
    }
  });
  test('stays within the budget', () => {
    for (const [rows, vocabulary] of [
      [1, 1e7],
      [333, 50_001],
      [4096, 32_000],
      [100_000, 8000],
      [262_144, 70],
    ] as const) {
      const width = chunkWidth(rows, vocabulary);
      expect(width * rows * 4).toBeLessThanOrEqual(chunkBytes);
      expect(width === vocabulary || width % 64 === 0).toBe(true);
      expect(width).toBeGreaterThan(0);
    }
  });
});

describe('races', () => {
  const [rows, fours, vocabulary] = [11, 9, 67];
  const buffers = {
    logits: randomFloats(160, [rows, 4 * fours]).data,
    targets: Uint32Array.of(40, padding, 66, 50, 33, 5, 32, 35, 36, padding, 64),
    streams: new Float32Array(rows * 32 * 4),
    picked: new Float32Array(rows),
    softmax: new Float32Array(rows * 2),
    terms: new Float32Array(rows * 4),
    scale: Float32Array.of(1),
    statistics: new Float32Array(8),
    classWeights: randomFloats(162, [vocabulary]).data,
    weightSum: Float32Array.of(1),
  };
  const params = {
    rows,
    width: 35,
    fours,
    start: 32,
    vocabulary,
    ignored: padding,
    smoothing: 0.1,
    stride: 64,
  };
  const entries = [
    ['scan', 2],
    ['finish', 1],
    ['reduce', 1],
    ['gradient', 2],
  ] as const;
  test.each(entries)('%s has none', (entry, groups) => {
    const check = { buffers, params, workgroups: [groups, 1, 1] } as const;
    expect(findRaces('cross-entropy', entry, check)).toEqual([]);
  });
  test('reduce has some without its barrier', () => {
    const code = shaderInfo('cross-entropy').code.replaceAll('workgroupBarrier();', '');
    const check = { buffers, params, workgroups: [1, 1, 1], code } as const;
    expect(findRaces('cross-entropy', 'reduce', check)).not.toEqual([]);
  });
});
