import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { recordCopy, slice } from '../../src/ops/copy.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { linear, matmul } from '../../src/ops/matmul.ts';
import { ParameterStore } from '../../src/scheduler/parameters.ts';
import { destroyTensor, persistentTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { linearGroups, Tape } from '../../src/scheduler/tape.ts';
import { Tensor } from '../../src/scheduler/tensor.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';

/** a·b, or with transposes, in float64: matrices as rows. */
type Matrix = readonly (readonly number[])[];
const rowsOf = ({ data, shape }: Value): Matrix =>
  Array.from({ length: shape[0]! }, (_, i) => [...data.subarray(i * shape[1]!, (i + 1) * shape[1]!)]);
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));
const turn = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));
const plus = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((value, j) => value + b[i]![j]!));

describe('a tape that stores f16', () => {
  const half = () => new Tape({ software: true, training: true, stored: 'f16' });

  test('makes results and their gradients of it, and what is asked for', () => {
    const tape = half();
    const x = tape.result('x', [3, 5], tape.tensor('w', [1], { needsGradient: true }));
    expect([x.dtype, x.storage.bytes]).toEqual(['f16', 32]);
    expect(tape.gradientTarget(x)!.tensor).toMatchObject({ dtype: 'f16', shape: [3, 5] });
    const y = tape.tensor('y', [3, 5]);
    expect([y.dtype, y.storage.bytes]).toEqual(['f32', 60]);
    expect(tape.rounded(y)).toBe(y);
  });

  test('compiles a kernel for what is bound, and refuses what it does not take', () => {
    const tape = half();
    const [single, other] = [tape.tensor('single', [8]), tape.tensor('other', [8])];
    const short = tape.tensor('short', [8], { dtype: 'f16' });
    tape.fill(single, 0);
    tape.fill(short, 0);
    recordCopy(tape, single, other);
    recordCopy(tape, single, short);
    const [fill, fillHalf, copy, convert] = tape.dispatches.map(({ shader }) => shader);
    expect(fill!.code).not.toContain('f16;');
    expect(fillHalf!.code).toMatch(/^enable f16; [\s\S]*^alias stored = f16;/m);
    expect([copy!.name, convert!.name]).toEqual(['copy', 'convert']);
    expect(convert!.code).toMatch(/^alias source = f32;.*\nalias stored = f16;/m);
    const grid = { start: 0, end: 8, stride: 64 };
    const mix = () =>
      tape.dispatch('activation-gradient', 'main', {
        bindings: { y: single, dy: short, dx: other },
        params: grid,
        workgroups: [1],
      });
    expect(mix).toThrow(
      /activation-gradient\/main: 'dx' and 'dy' hold one type, but other\[8\] is f32 and short\[8\] f16/,
    );
    const scale = () =>
      tape.dispatch('loss-scale', 'main', {
        bindings: { factor: short, lossScale: single, scaled: other },
        params: {},
        workgroups: [1],
      });
    expect(scale).toThrow(ShapeError);
    expect(scale).toThrow(/loss-scale\/main: 'factor' holds f32, but short\[8\] is f16/);
  });

  test('rounds a parameter once, and reads it rounded in products alone', async () => {
    const gpu = await testGpu();
    const store = new ParameterStore(gpu, [{ name: 'w', shape: [4, 3] }]);
    const tape = half();
    const x = tape.result('x', [5, 3]);
    linear(tape, linear(tape, x, store.get('w')).reshape(4, 5).reshape(5, 4), store.get('w').reshape(3, 4));
    expect(
      tape.dispatches.map(({ shader }) => shader.name).filter((name) => name === 'convert'),
    ).toHaveLength(1);
    const [rounding, ...products] = tape.dispatches;
    expect(rounding!.bindings.map(({ tensor }) => tensor.dtype)).toEqual(['f32', 'f16']);
    for (const { bindings } of products) {
      expect(bindings.find(({ name }) => name === 'b')!.tensor.storage).toBe(
        rounding!.bindings[1]!.tensor.storage,
      );
    }
    store.dispose();
  });
});

const training = () => new Tape({ software: true, training: true });

describe('a tensor that is used more than once gets the sum of its gradients', () => {
  const x = randomFloats(1, [5, 3]);
  const w = randomFloats(2, [4, 3]);
  const u = randomFloats(3, [5, 5]);

  test('as both operands of one op', async () => {
    // y = x·wᵀ, z = y·yᵀ: dy = U·y + Uᵀ·y
    const { outputs, gradients } = await evaluate(
      await testGpu(),
      { x, w },
      (tape, tensors) => {
        const y = linear(tape, tensors.x, tensors.w);
        return { z: matmul(tape, y, y, { transposeB: true }) };
      },
      { z: u },
    );
    const [X, W, U] = [rowsOf(x), rowsOf(w), rowsOf(u)];
    const y = times(X, turn(W));
    const dy = plus(times(U, y), times(turn(U), y));
    expectClose(outputs.z.data, times(y, turn(y)).flat(), forwardTolerance, 'z');
    expectClose(gradients.x!.data, times(dy, W).flat(), gradientTolerance, 'dx');
    expectClose(gradients.w!.data, times(turn(dy), X).flat(), gradientTolerance, 'dw');
  });

  test('by three ops, one of which takes it reshaped', async () => {
    // x [5, 3] as it is, as [3, 5], and as [5, 3] again.
    const [v, ua, ub, uc] = [
      randomFloats(4, [2, 5]),
      randomFloats(5, [5, 4]),
      randomFloats(6, [3, 2]),
      randomFloats(7, [5, 4]),
    ];
    const { gradients } = await evaluate(
      await testGpu(),
      { x, w, v },
      (tape, tensors) => ({
        a: linear(tape, tensors.x, tensors.w),
        b: linear(tape, tensors.x.reshape(3, 5), tensors.v),
        c: linear(tape, tensors.x.reshape(15).reshape(5, 3), tensors.w),
      }),
      { a: ua, b: ub, c: uc },
    );
    const whole = times(plus(rowsOf(ua), rowsOf(uc)), rowsOf(w)).flat();
    const reshaped = times(rowsOf(ub), rowsOf(v)).flat();
    const expected = whole.map((value, i) => value + reshaped[i]!);
    expectClose(gradients.x!.data, expected, gradientTolerance, 'dx');
  });

  // Backward goes in reverse: in the first the whole gradient is written before the part, in the second after it.
  test.each([
    { first: 'part', second: 'whole' },
    { first: 'whole', second: 'part' },
  ])('by an op that takes a part of it: the $first first', async ({ first }) => {
    const [ua, ub] = [randomFloats(8, [5, 4]), randomFloats(9, [2, 2])];
    const { outputs, gradients } = await evaluate(
      await testGpu(),
      { x, w },
      (tape, tensors) => {
        const part = () => slice(tape, 'part', tensors.x, { offset: 4, row: 6 }, 2, 2);
        const whole = () => linear(tape, tensors.x, tensors.w);
        if (first === 'part') return { b: part(), a: whole() };
        return { a: whole(), b: part() };
      },
      { a: ua, b: ub },
    );
    const picked = [4, 5, 10, 11];
    expect([...outputs.b.data]).toEqual(picked.map((i) => x.data[i]!));
    const expected = times(rowsOf(ua), rowsOf(w)).flat();
    for (const [at, i] of picked.entries()) expected[i]! += ub.data[at]!;
    expectClose(gradients.x!.data, expected, gradientTolerance, 'dx');
  });

  test('by a part alone: what was not taken has a gradient of zero', async () => {
    const ub = randomFloats(10, [2, 2]);
    const { gradients } = await evaluate(
      await testGpu(),
      { x },
      (tape, tensors) => ({ b: slice(tape, 'part', tensors.x, { offset: 4, row: 6 }, 2, 2) }),
      { b: ub },
    );
    const expected = new Array<number>(15).fill(0);
    for (const [at, i] of [4, 5, 10, 11].entries()) expected[i] = ub.data[at]!;
    expect([...gradients.x!.data]).toEqual(expected);
  });
});

test("a parameter's gradient adds up over runs until it is cleared", async () => {
  const gpu = await testGpu();
  const store = new ParameterStore(gpu, [{ name: 'w', shape: [4, 3] }]);
  const [w, x, u] = [randomFloats(11, [4, 3]), randomFloats(12, [5, 3]), randomFloats(13, [5, 4])];
  store.write('w', w.data);
  const input = persistentTensor(gpu, 'x', [5, 3]);
  const upstream = persistentTensor(gpu, 'dy', [5, 4]);
  writeTensor(gpu, input, x.data);
  writeTensor(gpu, upstream, u.data);
  const tape = training();
  tape.seedGradient(linear(tape, input, store.get('w')), upstream);
  tape.backward();
  const plan = await Plan.build(gpu, new ScratchPool(gpu), 'twice', tape);
  const once = times(turn(rowsOf(u)), rowsOf(x)).flat();
  submit(gpu, 'once', [plan]);
  expectClose((await store.readGradients()).get('w')!, once, gradientTolerance, 'dw');
  submit(gpu, 'twice', [plan, plan]);
  const thrice = once.map((value) => 3 * value);
  expectClose((await store.readGradients()).get('w')!, thrice, gradientTolerance, 'dw after three runs');
  plan.dispose();
  store.dispose();
  for (const tensor of [input, upstream]) destroyTensor(tensor);
});

describe('recording', () => {
  test('without training there are no gradients and nothing is left behind', () => {
    const tape = new Tape({ software: true, training: false });
    const x = tape.tensor('x', [2, 3], { needsGradient: true });
    const y = linear(tape, x, tape.tensor('w', [4, 3], { needsGradient: true }));
    expect(y.needsGradient).toBe(false);
    const forward = tape.dispatches.length;
    tape.seedGradient(y, tape.tensor('dy', [2, 4]));
    tape.backward();
    expect(tape.dispatches.length).toBe(forward);
    expect(tape.gradientTarget(x)).toBeUndefined();
    expect(tape.gradientOf(x)).toBeUndefined();
  });

  test('what needs no gradient gets none, and costs no dispatch', () => {
    const record = (needsGradient: boolean) => {
      const tape = training();
      const x = tape.tensor('x', [2, 3], { needsGradient });
      const y = linear(tape, x, tape.tensor('w', [4, 3], { needsGradient: true }));
      tape.seedGradient(y, tape.tensor('dy', [2, 4]));
      tape.backward();
      return { tape, x };
    };
    const [without, with_] = [record(false), record(true)];
    expect(without.tape.gradientOf(without.x)).toBeUndefined();
    expect(with_.tape.gradientOf(with_.x)?.shape).toEqual([2, 3]);
    expect(with_.tape.dispatches.length).toBe(without.tape.dispatches.length + 1);
  });

  test('an output that nothing uses costs no backward dispatch', () => {
    const tape = training();
    linear(tape, tape.tensor('x', [2, 3], { needsGradient: true }), tape.tensor('w', [4, 3]));
    const forward = tape.dispatches.length;
    tape.backward();
    expect(tape.dispatches.length).toBe(forward);
  });

  test('backward records once', () => {
    const tape = training();
    const x = tape.tensor('x', [2, 3], { needsGradient: true });
    tape.seedGradient(linear(tape, x, tape.tensor('w', [4, 3])), tape.tensor('dy', [2, 4]));
    tape.backward();
    const recorded = tape.dispatches.length;
    tape.backward();
    expect(tape.dispatches.length).toBe(recorded);
  });

  test('a dispatch of nothing is left out; one of too many workgroups is an error', () => {
    const tape = training();
    const [x, y] = [tape.tensor('x', [4]), tape.tensor('y', [4])];
    const copy = (workgroups: readonly [number, number?, number?]) =>
      tape.dispatch('copy', 'main', {
        bindings: { x, y },
        params: { rows: 1, columns: 4, xOffset: 0, xRow: 0, yOffset: 0, yRow: 0, accumulate: 0, stride: 64 },
        workgroups,
      });
    copy([0]);
    copy([1, 0]);
    expect(tape.dispatches).toEqual([]);
    expect(() => copy([1, 65_536])).toThrow(
      new ShapeError('copy/main: 1×65536×1 workgroups are more than 65535'),
    );
  });

  test.each([1, 63, 64, 65, 65_535 * 64, 65_535 * 64 + 1, 10_000_000])(
    'a grid for %i elements holds each of them once',
    (size) => {
      const { groups, stride } = linearGroups(size, 64);
      const [x, y = 1, z = 1] = groups;
      expect(Math.max(x, y, z)).toBeLessThanOrEqual(65_535);
      expect(z).toBe(1);
      expect(stride).toBe(x * 64);
      expect(stride * y).toBeGreaterThanOrEqual(size);
      expect(stride * (y - 1)).toBeLessThan(size);
    },
  );
});

describe('aliases that WebGPU forbids are named while recording', () => {
  test('a scratch tensor read and written, in whatever shape', () => {
    const tape = training();
    const x = tape.tensor('states', [4, 2]);
    expect(() => recordCopy(tape, x, x.reshape(8))).toThrow(
      new ShapeError("copy/fours: 'xFours' and 'yFours' are both states[4,2]"),
    );
    expect(tape.dispatches).toEqual([]);
  });

  test('slices of one buffer read and written, even where they do not overlap', async () => {
    const gpu = await testGpu();
    const arena = persistentTensor(gpu, 'arena', [128]);
    const part = (label: string, offset: number, length: number) => {
      if (arena.storage.kind !== 'buffer') throw new Error('no buffer');
      return new Tensor([length], 'f32', { ...arena.storage, label, offset, bytes: length * 4 });
    };
    const [low, high] = [part('low', 0, 64), part('high', 256, 64)];
    expect(() => recordCopy(training(), low, high)).toThrow(
      new ShapeError("copy/fours: 'xFours' and 'yFours' are both low[64]"),
    );
    // Two slices written by one dispatch may lie side by side, but not over one another.
    const write = (tape: Tape, values: Tensor, gradients: Tensor) =>
      tape.dispatch('sgd', 'plain', {
        bindings: { values, gradients, hyper: tape.tensor('hyper', [8]), update: tape.tensor('update', [4]) },
        params: { size: 16, stride: 64 },
        workgroups: [1],
      });
    const tape = training();
    write(tape, low, high);
    expect(tape.dispatches.length).toBe(1);
    expect(() => write(tape, low, part('both', 0, 128))).toThrow(
      new ShapeError("sgd/plain: 'values' and 'gradients' are both low[64]"),
    );
    destroyTensor(arena);
  });
});

test('a tensor must fit its storage, and keeps its size when reshaped', () => {
  const tape = training();
  const x = tape.tensor('x', [2, 3]);
  expect(() => x.reshape(7)).toThrow(new ShapeError('x[2,3] cannot become [7]'));
  expect(() => x.dim(2)).toThrow(new ShapeError('x[2,3]: no dimension 2'));
  expect(() => new Tensor([7], 'f32', x.storage)).toThrow(new ShapeError('x: [7] does not fit 24 bytes'));
  expect(x.reshape(3, 2).storage).toBe(x.storage);
});
