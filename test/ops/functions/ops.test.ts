import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../../src/errors.ts';
import * as ops from '../../../src/ops.ts';
import * as attentionReference from '../../../src/reference/attention.ts';
import { crossEntropyReference } from '../../../src/reference/cross-entropy.ts';
import { dropoutMask } from '../../../src/reference/dropout.ts';
import * as embeddingReference from '../../../src/reference/embedding.ts';
import { recurrentReference } from '../../../src/reference/recurrent.ts';
import * as softmaxReference from '../../../src/reference/softmax.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../../setup/compare.ts';
import { loadClip, loadOptimizers } from '../../setup/golden.ts';
import { testGpu } from '../../setup/gpu.ts';
import { randomFloats, randomIds } from '../../setup/random.ts';

const ids = (...values: number[]) => ({ data: Uint32Array.from(values), shape: [values.length] });

const table = { ...ops };

type Named = Readonly<Record<string, { data: ArrayLike<number> }>>;

function expectValues(actual: Named, expected: Readonly<Record<string, ArrayLike<number>>>): void {
  for (const [name, values] of Object.entries(expected)) {
    expectClose(actual[name]!.data, values, forwardTolerance, name);
  }
}

function expectGradients(actual: Named, expected: Readonly<Record<string, ArrayLike<number>>>): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, values] of Object.entries(expected)) {
    expectClose(actual[name]!.data, values, gradientTolerance, `gradient of ${name}`);
  }
}

/** tanh(A·B + bias) and its gradients, [Z, M, K] and [Z, K, N], from the definition. */
function product(
  [Z, M, K, N]: readonly [number, number, number, number],
  [a, b, bias, dc]: readonly ArrayLike<number>[],
  [turnedA, turnedB]: readonly [boolean, boolean],
) {
  const at = (z: number, i: number, j: number, rows: number, columns: number, turned: boolean) =>
    z * rows * columns + (turned ? j * rows + i : i * columns + j);
  const c = new Float64Array(Z * M * N);
  const gradients = {
    a: new Float64Array(Z * M * K),
    b: new Float64Array(Z * K * N),
    bias: new Float64Array(N),
  };
  for (let z = 0; z < Z; z++) {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = bias![n]!;
        for (let k = 0; k < K; k++) sum += a![at(z, m, k, M, K, turnedA)]! * b![at(z, k, n, K, N, turnedB)]!;
        const place = (z * M + m) * N + n;
        c[place] = Math.tanh(sum);
        const slope = dc![place]! * (1 - c[place] ** 2);
        gradients.bias[n]! += slope;
        for (let k = 0; k < K; k++) {
          gradients.a[at(z, m, k, M, K, turnedA)]! += slope * b![at(z, k, n, K, N, turnedB)]!;
          gradients.b[at(z, k, n, K, N, turnedB)]! += slope * a![at(z, m, k, M, K, turnedA)]!;
        }
      }
    }
  }
  return { c, gradients };
}

describe('values and gradients', () => {
  test.each([
    { transposeA: false, transposeB: false },
    { transposeA: true, transposeB: false },
    { transposeA: false, transposeB: true },
    { transposeA: true, transposeB: true },
  ])('matmul %o', async (turned) => {
    const { transposeA, transposeB } = turned;
    const [Z, M, K, N] = [3, 5, 7, 9];
    const a = randomFloats(1, transposeA ? [Z, K, M] : [Z, M, K]);
    const b = randomFloats(2, transposeB ? [Z, N, K] : [Z, K, N]);
    const bias = randomFloats(3, [N]);
    const dc = randomFloats(4, [Z, M, N]);
    const { outputs, gradients } = await ops.matmul(
      await testGpu(),
      { a, b, bias },
      { ...turned, activation: 'tanh' },
      { c: dc },
    );
    const expected = product([Z, M, K, N], [a.data, b.data, bias.data, dc.data], [transposeA, transposeB]);
    expect(outputs.c.shape).toEqual([Z, M, N]);
    expectValues(outputs, { c: expected.c });
    expectGradients(gradients, expected.gradients);
  });

  test('linear', async () => {
    const [x, weight, bias] = [randomFloats(5, [2, 3, 7]), randomFloats(6, [9, 7]), randomFloats(7, [9])];
    const dy = randomFloats(8, [2, 3, 9]);
    const gpu = await testGpu();
    const { outputs, gradients } = await ops.linear(
      gpu,
      { x, weight, bias },
      { activation: 'tanh' },
      { y: dy },
    );
    const expected = product([1, 6, 7, 9], [x.data, weight.data, bias.data, dy.data], [false, true]);
    expect(outputs.y.shape).toEqual([2, 3, 9]);
    expectValues(outputs, { y: expected.c });
    const { a, b, bias: dBias } = expected.gradients;
    expectGradients(gradients, { x: a, weight: b, bias: dBias });
    const plain = await ops.linear(gpu, { x: { data: x.data.slice(0, 7), shape: [7] }, weight });
    expect(plain.outputs.y.shape).toEqual([9]);
    expect(plain).not.toHaveProperty('gradients');
  });

  test('softmax', async () => {
    const x = randomFloats(9, [3, 2, 6], 4);
    const dy = randomFloats(10, [3, 2, 6]);
    const lengths = ids(6, 2);
    const { outputs, gradients } = await ops.softmax(await testGpu(), { x, lengths }, {}, { y: dy });
    const y = softmaxReference.softmax(x.data, 6, lengths.data);
    expectValues(outputs, { y });
    expectGradients(gradients, { x: softmaxReference.softmaxGradient(y, dy.data, 6) });
  });

  test('embedding', async () => {
    const words = randomIds(11, [4, 3], 0, 5);
    const weight = randomFloats(12, [5, 7]);
    const dy = randomFloats(13, [4, 3, 7]);
    const gpu = await testGpu();
    const { outputs, gradients } = await ops.embedding(
      gpu,
      { ids: words, weight },
      { paddingIndex: 1 },
      { y: dy },
    );
    expect(outputs.y.shape).toEqual([4, 3, 7]);
    expectValues(outputs, { y: embeddingReference.embedding(words.data, weight.data, 7) });
    const expected = embeddingReference.embeddingGradient(words.data, dy.data, 5, 7, 1);
    expectGradients(gradients, { weight: expected });
  });

  test('dropout drops with and without an upstream gradient, by seed, step and site', async () => {
    const x = randomFloats(14, [5, 7]);
    const dy = randomFloats(15, [5, 7]);
    const gpu = await testGpu();
    const options = { probability: 0.3, seed: 2 ** 40 + 5, step: 11, site: 2 };
    const mask = dropoutMask(35, 0.3, 2, [5, 2 ** 8, 11, 0]);
    const kept = (values: ArrayLike<number>) => Array.from(values, (value, i) => (mask[i]! * value) / 0.7);
    const { outputs, gradients } = await ops.dropout(gpu, { x }, options, { y: dy });
    expectValues(outputs, { y: kept(x.data) });
    expectGradients(gradients, { x: kept(dy.data) });
    expect((await ops.dropout(gpu, { x }, options)).outputs).toEqual(outputs);
    expect((await ops.dropout(gpu, { x }, { ...options, step: 12 })).outputs).not.toEqual(outputs);
  });

  test.each(['dot', 'general', 'concat'] as const)('luongAttention: %s', async (score) => {
    const [T, B, S, H, M, A] = [3, 2, 4, 5, score === 'dot' ? 5 : 6, 7];
    const weights = {
      general: { linearIn: randomFloats(20, [H, M]) },
      concat: {
        linearQuery: randomFloats(21, [A, H]),
        linearContext: randomFloats(22, [A, M]),
        v: randomFloats(23, [1, A]),
      },
      dot: {},
    }[score];
    const inputs = {
      query: randomFloats(24, [T, B, H]),
      memory: randomFloats(25, [S, B, M]),
      linearOut: randomFloats(26, [H, M + H]),
      ...weights,
    };
    const arrays = Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data]));
    const upstream = { output: randomFloats(27, [T, B, H]), weights: randomFloats(28, [T, B, S]) };
    const sizes = { T, B, S, H, M, A };
    const gpu = await testGpu();
    for (const lengths of [ids(4, 2), undefined]) {
      const { outputs, gradients } = await ops.luongAttention(
        gpu,
        { ...inputs, ...(lengths && { lengths }) },
        { score },
        upstream,
      );
      const values = attentionReference.attention(score, sizes, arrays, lengths?.data ?? [S, S]);
      expectValues(outputs, { output: values.output, weights: values.weights });
      const expected = attentionReference.attentionGradients(score, sizes, arrays, values, {
        output: upstream.output.data,
        weights: upstream.weights.data,
      });
      expectGradients(gradients, expected);
    }
  });

  test('crossEntropy', async () => {
    const [N, H, V] = [6, 5, 11];
    const hidden = randomFloats(30, [2, 3, H]);
    const [weight, bias] = [randomFloats(31, [V, H]), randomFloats(32, [V])];
    const targets = { data: Uint32Array.of(3, 10, 99, 0, 7, 99), shape: [2, 3] };
    const { outputs, gradients } = await ops.crossEntropy(
      await testGpu(),
      { hidden, weight, bias, targets },
      { ignoreIndex: 99, labelSmoothing: 0.1 },
      { loss: { data: Float32Array.of(-0.5), shape: [] } },
    );
    const expected = crossEntropyReference({
      hidden: hidden.data,
      weight: weight.data,
      bias: bias.data,
      targets: targets.data,
      size: H,
      vocabulary: V,
      ignoreIndex: 99,
      smoothing: 0.1,
      scale: -0.5,
    });
    expect(targets.data.length).toBe(N);
    expect(outputs.loss.shape).toEqual([]);
    for (const name of ['loss', 'nll', 'tokens', 'correct'] as const) {
      expectValues(outputs, { [name]: [expected[name]] });
    }
    expectGradients(gradients, expected.gradients);
  });

  const [T, B, I, H] = [4, 3, 5, 6];
  test.each([
    { op: 'lstm', cell: 'lstm', gates: 4, states: ['h', 'c'] },
    { op: 'gru', cell: 'gru', gates: 3, states: ['h'] },
    { op: 'gruResetBefore', cell: 'gru_reset_before', gates: 3, states: ['h'] },
    { op: 'rnn', cell: 'rnn-tanh', gates: 1, states: ['h'] },
    { op: 'rnn', cell: 'rnn-relu', gates: 1, states: ['h'] },
  ] as const)('$cell', async ({ op, cell, gates, states }) => {
    const gpu = await testGpu();
    const weightsOf = (seed: number) => ({
      weightIh: randomFloats(seed, [gates * H, I]),
      weightHh: randomFloats(seed + 1, [gates * H, H]),
      biasIh: randomFloats(seed + 2, [gates * H]),
      biasHh: randomFloats(seed + 3, [gates * H]),
    });
    const x = randomFloats(40, [T, B, I]);
    for (const { both, reverse } of [
      { both: true, reverse: false },
      { both: false, reverse: true },
      { both: false, reverse: false },
    ]) {
      const width = both ? 2 * H : H;
      const [forwards, backwards] = [weightsOf(41), weightsOf(51)];
      const reverseInputs = Object.entries(backwards).map(([name, value]) => [`${name}Reverse`, value]);
      const initial = states.map(
        (state, index) => [`${state}0`, randomFloats(61 + index, [B, width])] as const,
      );
      const lengths = both ? ids(4, 1, 3) : undefined;
      const inputs = {
        x,
        ...forwards,
        ...(both && Object.fromEntries(reverseInputs)),
        ...(lengths && { lengths }),
        ...Object.fromEntries(initial),
      };
      const upstream = {
        output: randomFloats(70, [T, B, width]),
        ...Object.fromEntries(states.map((state, index) => [state, randomFloats(71 + index, [B, width])])),
      };
      const options = { reverse, ...(op === 'rnn' && { nonlinearity: cell.slice(4) as 'tanh' | 'relu' }) };
      const { outputs, gradients } = await (table[op] as typeof ops.lstm)(gpu, inputs, options, upstream);
      const data = (weights: typeof forwards) => ({
        weightIh: weights.weightIh.data,
        weightHh: weights.weightHh.data,
        biasIh: weights.biasIh.data,
        biasHh: weights.biasHh.data,
      });
      const expected = recurrentReference({
        cell,
        steps: T,
        batch: B,
        width: I,
        hidden: H,
        input: x.data,
        weights: both ? [data(forwards), data(backwards)] : [data(forwards)],
        reverse,
        lengths: lengths?.data,
        initial: initial.map(([, value]) => value.data),
      });
      expectValues(outputs, {
        output: expected.output,
        ...Object.fromEntries(states.map((state, index) => [state, expected.final[index]!])),
      });
      const backward = expected.backward({
        output: upstream.output.data,
        final: states.map((state) => upstream[state as 'output'].data),
      });
      const [own, other] = backward.weights;
      expectGradients(gradients as Named, {
        x: backward.input,
        ...own,
        ...(other && Object.fromEntries(Object.entries(other).map(([name, dw]) => [`${name}Reverse`, dw]))),
        ...Object.fromEntries(states.map((state, index) => [`${state}0`, backward.initial[index]!])),
      });
    }
  });

  test('what the gradient does not reach has the gradient zero', async () => {
    const inputs = {
      query: randomFloats(80, [1, 1, 3]),
      memory: randomFloats(81, [2, 1, 3]),
      linearOut: randomFloats(82, [3, 6]),
    };
    const upstream = { weights: randomFloats(83, [1, 1, 2]) };
    const { gradients } = await ops.luongAttention(await testGpu(), inputs, {}, upstream);
    expect([...gradients.linearOut.data]).toEqual(new Array(18).fill(0));
    expect(gradients.query.data.some((value) => value !== 0)).toBe(true);
  });
});

describe('updates', () => {
  const floats = ({ shape, data }: { shape: readonly number[]; data: ArrayLike<number> }) => ({
    data: Float32Array.from(data),
    shape,
  });

  test.each(loadOptimizers())("PyTorch's $name, parameter by parameter", async (golden) => {
    const gpu = await testGpu();
    const { momentum = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay } = golden;
    for (const name of Object.keys(golden.initial)) {
      let values: ops.FloatTensor = floats(golden.initial[name]!);
      let moments: Record<string, ops.FloatTensor> = {};
      for (const [index, { gradients, parameters }] of golden.steps.entries()) {
        const inputs = { values, gradients: floats(gradients[name]!), ...moments };
        const common = { learningRate: golden.learningRates[index]!, weightDecay };
        if (golden.optimizer === 'sgd') {
          const { outputs } = await ops.sgd(gpu, inputs, { ...common, momentum });
          values = outputs.values;
          moments = { momentumBuffer: outputs.momentumBuffer };
        } else {
          const step = index + 1;
          const options = { ...common, step, betas: [beta1, beta2] as const, eps: epsilon };
          const { outputs } = await table[golden.optimizer](gpu, inputs, options);
          values = outputs.values;
          moments = { expAvg: outputs.expAvg, expAvgSq: outputs.expAvgSq };
        }
        expectClose(values.data, parameters[name]!.data, 1e-5, `${name} after ${index + 1}`);
      }
    }
  });

  test('clipping', async () => {
    const gpu = await testGpu();
    for (const { gradients, clipped, maxNorm, norm } of loadClip()) {
      // All parameters as one, since the norm is over all of them.
      const join = (named: typeof gradients) => {
        const data = Float32Array.from(Object.values(named).flatMap((tensor) => Array.from(tensor.data)));
        return { data, shape: [data.length] };
      };
      const given = join(gradients);
      const zeros = { data: new Float32Array(given.data.length), shape: given.shape };
      const { outputs } = await ops.sgd(
        gpu,
        { values: zeros, gradients: given },
        { learningRate: 1, maxNorm },
      );
      const wanted = join(clipped).data.map((value) => -value);
      expectClose(outputs.values.data, wanted, forwardTolerance, 'values');
      expectClose(outputs.norm.data, [norm], forwardTolerance, 'norm');
    }
  });
});

describe('what does not fit is refused by name', () => {
  const x = randomFloats(90, [2, 3, 4]);
  const lstm = {
    x,
    weightIh: randomFloats(91, [20, 4]),
    weightHh: randomFloats(92, [20, 5]),
    biasIh: randomFloats(93, [20]),
    biasHh: randomFloats(94, [20]),
  };
  const attention = { query: x, memory: randomFloats(95, [5, 3, 4]), linearOut: randomFloats(96, [4, 8]) };
  const loss = {
    hidden: x,
    weight: randomFloats(97, [6, 4]),
    targets: { data: Uint32Array.of(0, 1, 2, 3, 4, 6), shape: [2, 3] },
  };
  test.each<[string, keyof typeof ops, object, object | undefined, object | undefined]>([
    [
      'linear: weight is [20, 4]',
      'linear',
      { x: randomFloats(1, [3]), weight: lstm.weightIh },
      {},
      undefined,
    ],
    ['[O, I] with I = 3', 'linear', { x: randomFloats(1, [3]), weight: lstm.weightIh }, {}, undefined],
    [
      'linear: bias is [19], but should be [O] with O = 20',
      'linear',
      { x, weight: lstm.weightIh, bias: randomFloats(1, [19]) },
      {},
      undefined,
    ],
    ['matmul: b is [2, 3, 4], but should be [..., K, N] with K = 4', 'matmul', { a: x, b: x }, {}, undefined],
    ["softmax has no input 'length'; it has x, lengths", 'softmax', { x, length: ids(1) }, {}, undefined],
    ["matmul has no option 'tranposeA'", 'matmul', { a: x, b: x }, { tranposeA: true }, undefined],
    ['softmax: x must be { data: Float32Array', 'softmax', { x: ids(3) }, {}, undefined],
    [
      'softmax: x must be { data: Float32Array, shape: number[] }, but is missing',
      'softmax',
      {},
      {},
      undefined,
    ],
    ['softmax: x has 24 values, but the shape [5]', 'softmax', { x: { ...x, shape: [5] } }, {}, undefined],
    ['every length must be a positive integer', 'softmax', { x: { ...x, shape: [24, 0] } }, {}, undefined],
    ["softmax has no differentiable output 'z'; it has y", 'softmax', { x }, {}, { z: x }],
    [
      'softmax: the gradient of y is [24], but y is [2, 3, 4]',
      'softmax',
      { x },
      {},
      { y: { ...x, shape: [24] } },
    ],
    ['softmax: upstream is empty', 'softmax', { x }, {}, {}],
    [
      'embedding: ids[1] is 6, but must be below 6',
      'embedding',
      { ids: ids(0, 6), weight: loss.weight },
      {},
      undefined,
    ],
    ['crossEntropy: targets[5] is 6', 'crossEntropy', loss, {}, undefined],
    [
      "no differentiable output 'nll'; it has loss",
      'crossEntropy',
      loss,
      { ignoreIndex: 6 },
      { nll: { data: Float32Array.of(1), shape: [] } },
    ],
    [
      'lstm: weightIh is [20, 4], but should be [4H, I] with I = 4, H = 4',
      'lstm',
      { ...lstm, h0: randomFloats(1, [3, 4]), weightHh: { ...lstm.weightHh, shape: [25, 4] } },
      {},
      undefined,
    ],
    [
      'lstm: h0 is [3, 10], but should be [B, DH]',
      'lstm',
      { ...lstm, h0: randomFloats(1, [3, 10]) },
      {},
      undefined,
    ],
    [
      'lacks weightHhReverse, biasIhReverse, biasHhReverse',
      'lstm',
      { ...lstm, weightIhReverse: lstm.weightIh },
      {},
      undefined,
    ],
    ['lstm: lengths[2] is 3, but must be below 3', 'lstm', { ...lstm, lengths: ids(0, 2, 3) }, {}, undefined],
    [
      'luongAttention: linearOut is [4, 7], but should be [H, M+H]',
      'luongAttention',
      { ...attention, linearOut: randomFloats(1, [4, 7]) },
      {},
      undefined,
    ],
    ['attention', 'luongAttention', attention, { score: 'general' }, undefined],
    [
      'attention',
      'luongAttention',
      { ...attention, memory: randomFloats(1, [5, 3, 3]), linearOut: randomFloats(2, [4, 7]) },
      { score: 'dot' },
      undefined,
    ],
    ['dropout: the probability must be', 'dropout', { x }, { probability: 1 }, undefined],
    ['adam has no gradients', 'adam', { values: x, gradients: x }, {}, { values: x }],
  ])('%s', async (message, name, inputs, options, upstream) => {
    const op = table[name] as unknown as (...given: unknown[]) => Promise<unknown>;
    const result = op(await testGpu(), inputs, options, upstream);
    await expect(result).rejects.toThrow(message);
    await expect(result).rejects.toBeInstanceOf(ShapeError);
  });
});
