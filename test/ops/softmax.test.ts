import { afterEach, describe, expect, test, vi } from 'vitest';
import { shaderInfo } from '../../src/gpu/shader.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { recordSoftmax, recordSoftmaxGradient, softmax } from '../../src/ops/softmax.ts';
import * as reference from '../../src/reference/softmax.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { loadMaskedSoftmax } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats } from '../setup/random.ts';

const u32 = (...values: number[]) => ({ data: Uint32Array.from(values), shape: [values.length] });
const f32 = (data: ArrayLike<number>, shape: readonly number[]) => ({ data: Float32Array.from(data), shape });

afterEach(() => {
  vi.restoreAllMocks();
});

/** The device, which takes itself for hardware where the other variant of the kernels is to be tested. */
async function gpuOf(variant: 'alone' | 'shared') {
  const gpu = await testGpu();
  vi.spyOn(gpu, 'software', 'get').mockReturnValue(variant === 'alone');
  return gpu;
}
const variants = ['alone', 'shared'] as const;

test.each([
  { software: true, entries: ['forward_alone', 'backward_alone'] },
  { software: false, entries: ['forward', 'backward'] },
])('a row has a lane of its own on software adapters, sixteen on others', ({ software, entries }) => {
  const tape = new Tape({ software, training: true });
  const x = tape.tensor('x', [3, 5], { needsGradient: true });
  tape.seedGradient(softmax(tape, x), x);
  tape.backward();
  expect(tape.dispatches.map(({ entry }) => entry)).toEqual(entries);
});

describe.each(variants)('values and gradients, rows %s', (variant) => {
  // Columns around the sixteen lanes of a row, rows around the four (or 64) of a workgroup.
  test.each([
    { T: 1, B: 1, S: 1, lengths: [1] },
    { T: 1, B: 3, S: 15, lengths: [15, 0, 2] },
    { T: 2, B: 2, S: 16, lengths: [16, 1] },
    { T: 5, B: 1, S: 17, lengths: [16] },
    { T: 3, B: 5, S: 33, lengths: [33, 17, 0, 1, 90] },
    { T: 13, B: 5, S: 3, lengths: [3, 1, 2, 0, 3] },
    { T: 1, B: 2, S: 10_007, lengths: [10_007, 9_000] },
  ])('[$T, $B, $S], lengths $lengths', async ({ T, B, S, lengths }) => {
    const x = randomFloats(S, [T, B, S], 6);
    const dy = randomFloats(S + 1, [T, B, S]);
    const { outputs, gradients } = await evaluate(
      await gpuOf(variant),
      { x, lengths: u32(...lengths) },
      (tape, { x, lengths }) => ({ y: softmax(tape, x, lengths) }),
      { y: dy },
    );
    const y = reference.softmax(x.data, S, lengths);
    expectClose(outputs.y.data, y, forwardTolerance, 'y');
    expectClose(gradients.x!.data, reference.softmaxGradient(y, dy.data, S), gradientTolerance, 'dx');
    outputs.y.data.forEach((value, i) => {
      if (i % S >= lengths[Math.floor(i / S) % B]!) expect(Object.is(value, 0)).toBe(true);
    });
  });

  test('no lengths: every entry counts', async () => {
    const x = randomFloats(5, [7, 20], 3);
    const { outputs } = await evaluate(await gpuOf(variant), { x }, (tape, { x }) => ({
      y: softmax(tape, x),
    }));
    expectClose(outputs.y.data, reference.softmax(x.data, 20), forwardTolerance, 'y');
  });

  test("PyTorch's", async () => {
    const { lengths, input, output, upstream, gradient } = loadMaskedSoftmax();
    const { outputs, gradients } = await evaluate(
      await gpuOf(variant),
      { x: f32(input.data, input.shape), lengths: u32(...lengths) },
      (tape, { x, lengths }) => ({ y: softmax(tape, x, lengths) }),
      { y: f32(upstream.data, upstream.shape) },
    );
    expectClose(outputs.y.data, output.data, forwardTolerance, 'y');
    expectClose(gradients.x!.data, gradient.data, gradientTolerance, 'dx');
  });
});

test('gradients against finite differences of the reference', () => {
  const x = Float64Array.from(randomFloats(6, [3, 9], 2).data);
  const dy = randomFloats(7, [3, 9]).data;
  const lengths = [9, 4, 0];
  const objective = () => reference.softmax(x, 9, lengths).reduce((sum, y, i) => sum + y * dy[i]!, 0);
  const gradient = reference.softmaxGradient(reference.softmax(x, 9, lengths), dy, 9);
  const numeric = x.map((value, i) => {
    const step = 1e-5;
    const [above, below] = [value + step, value - step].map((moved) => {
      x[i] = moved;
      return objective();
    });
    x[i] = value;
    return (above! - below!) / (2 * step);
  });
  expectClose(gradient, numeric, 1e-8, 'reference gradient');
});

test.each(variants)('scores of any size give finite weights, rows %s', async (variant) => {
  const rows = [
    [3e38, -3e38, 0],
    [-3e38, -3e38, -3e38],
    [1e4, 1e4 - 1, -1e4],
    [-1e30, -3e38, 5],
  ];
  const x = f32(rows.flat(), [4, 3]);
  const { outputs } = await evaluate(await gpuOf(variant), { x }, (tape, { x }) => ({ y: softmax(tape, x) }));
  expectClose(outputs.y.data, reference.softmax(x.data, 3), forwardTolerance, 'y');
});

test.each(variants)('the same bits however far a row is padded, rows %s', async (variant) => {
  const gpu = await gpuOf(variant);
  const lengths = [1, 7, 16, 19, 0];
  const narrow = randomFloats(8, [4, 5, 19], 4);
  const dNarrow = randomFloats(9, [4, 5, 19]);
  const run = async (S: number) => {
    const pad = (data: Float32Array, value: number) => {
      const padded = new Float32Array(20 * S).fill(value);
      for (let row = 0; row < 20; row++) padded.set(data.subarray(row * 19, (row + 1) * 19), row * S);
      return { data: padded, shape: [4, 5, S] };
    };
    const { outputs, gradients } = await evaluate(
      gpu,
      { x: pad(narrow.data, 1e30), lengths: u32(...lengths) },
      (tape, { x, lengths }) => ({ y: softmax(tape, x, lengths) }),
      { y: pad(dNarrow.data, -7) },
    );
    const cut = (data: Float32Array) =>
      Array.from({ length: 20 }, (_, row) => [...data.subarray(row * S, row * S + 19)]).flat();
    return { y: cut(outputs.y.data), dx: cut(gradients.x!.data) };
  };
  const unpadded = await run(19);
  for (const S of [20, 31, 32, 150]) expect(await run(S)).toEqual(unpadded);
});

test.each(variants)(
  'ranges do what the whole does, over anything, and gradients add up, rows %s',
  async (variant) => {
    const gpu = await gpuOf(variant);
    const [T, B, S] = [5, 3, 21];
    const x = randomFloats(10, [T, B, S], 3);
    const dy = randomFloats(11, [T, B, S]);
    const before = randomFloats(12, [T, B, S]);
    const garbage = { data: new Float32Array(T * B * S).fill(Number.NaN), shape: [T, B, S] };
    const lengths = u32(21, 0, 9);
    const run = (cuts: number[]) =>
      evaluate(gpu, { x, dy, before, garbage, lengths }, (tape, { x, dy, before, garbage: y, lengths }) => {
        for (const [i, end] of cuts.entries()) {
          const range = { start: cuts[i - 1] ?? 0, end };
          recordSoftmax(tape, x, lengths, y, range);
          recordSoftmaxGradient(tape, y, dy, before, range, 1);
        }
        return { y, dx: before };
      });
    const whole = await run([T * B]);
    // By rows, not steps: a range may start within a step.
    expect((await run([1, 2, 5, 12, 15])).outputs).toEqual(whole.outputs);
    const y = reference.softmax(x.data, S, lengths.data);
    expectClose(whole.outputs.y.data, y, forwardTolerance, 'y');
    const dx = reference.softmaxGradient(y, dy.data, S).map((value, i) => value + before.data[i]!);
    expectClose(whole.outputs.dx.data, dx, gradientTolerance, 'dx');
  },
);

test('lengths that fit no dimension are refused', async () => {
  const run = evaluate(await testGpu(), { x: randomFloats(1, [4, 3, 5]), lengths: u32(5, 5) }, (tape, t) => ({
    y: softmax(tape, t.x, t.lengths),
  }));
  await expect(run).rejects.toThrow('lengths[2] are not the lengths of the rows of x[4,3,5]');
});

test('no data races, and a missing barrier would be one', () => {
  const buffer = () => randomFloats(1, [6 * 37]).data;
  const params = { start: 0, end: 6, columns: 37, period: 3, hasLengths: 1, accumulate: 1, stride: 8 };
  const buffers = { x: buffer(), lengths: Uint32Array.of(37, 0, 5), y: buffer() };
  const workgroups = [2, 1, 1] as const;
  expect(findRaces('softmax', 'forward', { buffers, params, workgroups })).toEqual([]);
  const gradients = { value: buffer(), dy: buffer(), dx: buffer() };
  expect(findRaces('softmax', 'backward', { buffers: gradients, params, workgroups })).toEqual([]);
  const code = shaderInfo('softmax').code.replace(/workgroupBarrier\(\);\s+return result;/, 'return result;');
  expect(findRaces('softmax', 'forward', { buffers, params, workgroups, code })).not.toEqual([]);
});
