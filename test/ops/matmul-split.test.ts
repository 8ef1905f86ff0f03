/**
 * Gradients of weights whose sum over many rows is cut in parts: right for even and uneven cuts and wherever the operands
 * lie, the same to the bit in every run, and cut only where a GPU has too few tiles.
 */
import { describe, expect, test } from 'vitest';
import type { Tuning } from '../../src/gpu/tuning.ts';
import { evaluate, type OutputValue } from '../../src/ops/evaluate.ts';
import { type MatmulRecord, recordMatmul, transposed } from '../../src/ops/matmul.ts';
import { splitsOfSum } from '../../src/ops/matmul-plan.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { Tensor } from '../../src/scheduler/tensor.ts';
import { sameBits } from '../setup/bits.ts';
import { expectClose, forwardTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats } from '../setup/random.ts';

interface Problem {
  m: number;
  n: number;
  k: number;
  accumulate: 0 | 1;
  /** Free elements before the matrices and at the end of their rows. */
  padding: number;
}

const tuned = (splitWorkgroups: number): Tuning => ({ kernels: {}, splitWorkgroups });

/** C [m, n + padding] afterwards, and how many dispatches it took. */
async function run({ m, n, k, accumulate, padding }: Problem, tuning: Tuning) {
  const gpu = await testGpu();
  const inputs = {
    a: randomFloats(1, [padding + k * (m + padding)]),
    b: randomFloats(2, [padding + k * (n + padding)]),
    c: randomFloats(3, [padding + m * (n + padding)]),
  };
  let dispatches = 0;
  const { outputs } = await evaluate(gpu, inputs, (tape, { a, b, c }) => {
    const part = new Tape({ ...gpu.traits, tuning, training: false });
    recordMatmul(part, {
      ...{ m, n, k, accumulate, weightGradient: true },
      a: transposed({ tensor: a, offset: padding, row: m + padding }),
      b: { tensor: b, offset: padding, row: n + padding },
      c: { tensor: c, offset: padding, row: n + padding },
    });
    dispatches = part.dispatches.length;
    tape.dispatches.push(...part.dispatches);
    return { c };
  });
  const expected = Float64Array.from(inputs.c.data);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const at = padding + i * (n + padding) + j;
      let sum = accumulate ? expected[at]! : 0;
      for (let r = 0; r < k; r++) {
        const row = (width: number, column: number) => padding + r * (width + padding) + column;
        sum += inputs.a.data[row(m, i)]! * inputs.b.data[row(n, j)]!;
      }
      expected[at] = sum;
    }
  }
  return { values: (outputs.c as OutputValue).data, expected, dispatches };
}

test.each<Problem & { dispatches: number }>([
  { m: 12, n: 20, k: 1024, accumulate: 1, padding: 0, dispatches: 2 }, // four equal parts
  { m: 13, n: 7, k: 1027, accumulate: 1, padding: 0, dispatches: 3 }, // and a shorter one
  { m: 1, n: 65, k: 601, accumulate: 0, padding: 3, dispatches: 3 },
  { m: 65, n: 1, k: 512, accumulate: 1, padding: 4, dispatches: 2 },
])('$m × $n, $k rows, padding $padding', async ({ dispatches, ...problem }) => {
  const split = await run(problem, tuned(4));
  expect(split.dispatches).toBe(dispatches);
  expectClose(split.values, split.expected, forwardTolerance, 'in parts');
  expect(sameBits(split.values, (await run(problem, tuned(4))).values)).toBe(true);
  const whole = await run(problem, tuned(0));
  expect(whole.dispatches).toBe(1);
  expectClose(split.values, whole.values, forwardTolerance, 'beside the whole');
});

describe('the plan', () => {
  const gpu = { software: false };
  test.each([
    { m: 1024, n: 256, k: 1280, splits: 2, why: '64 tiles of 128 wanted' },
    { m: 256, n: 256, k: 6400, splits: 8, why: '16 tiles' },
    { m: 64, n: 64, k: 6400, splits: 25, why: 'parts of at least 256' },
    { m: 64, n: 64, k: 100_000, splits: 32, why: 'never more than 32' },
    { m: 4096, n: 1024, k: 6400, splits: 1, why: 'tiles enough' },
    { m: 64, n: 64, k: 511, splits: 1, why: 'short sums' },
  ])('$m × $n, $k rows: $splits, $why', ({ splits, ...size }) => {
    expect(splitsOfSum(size, gpu)).toBe(splits);
    expect(splitsOfSum(size, { software: true })).toBe(1);
  });

  test('nothing but the plain gradient of a weight is split', () => {
    const tensor = (label: string, size: number) =>
      new Tensor([size], 'f32', { kind: 'scratch', label, bytes: 4 * size });
    const [m, n, k] = [8, 8, 2048];
    const product: MatmulRecord = {
      ...{ m, n, k },
      a: transposed({ tensor: tensor('a', m * k), row: m }),
      b: { tensor: tensor('b', n * k), row: n },
      c: { tensor: tensor('c', m * n), row: n },
    };
    const dispatchesOf = (record: MatmulRecord) => {
      const tape = new Tape({ ...gpu, training: false });
      recordMatmul(tape, record);
      return tape.dispatches.length;
    };
    expect(dispatchesOf({ ...product, weightGradient: true })).toBe(2);
    expect(dispatchesOf(product)).toBe(1);
    expect(dispatchesOf({ ...product, weightGradient: true, bias: tensor('bias', n) })).toBe(1);
    expect(dispatchesOf({ ...product, weightGradient: true, activation: 'relu' })).toBe(1);
    expect(dispatchesOf({ ...product, weightGradient: true, batch: 2 })).toBe(1);
  });
});

test('no two invocations of the second pass touch the same element', () => {
  const params = { m: 9, n: 8, count: 3, cOffset: 1, cRow: 9, accumulate: 1, stride: 64 };
  const buffers = { sums: new Float32Array(3 * 72), c: new Float32Array(90) };
  expect(findRaces('split-sum', 'main', { buffers, params, workgroups: [1, 2, 1] })).toEqual([]);
});
