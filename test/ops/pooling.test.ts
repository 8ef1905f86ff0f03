import { describe, expect, test } from 'vitest';
import { attentionPooling } from '../../src/ops/attention-pooling.ts';
import { broadcast } from '../../src/ops/broadcast.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { type Pooling, pooling, poolings } from '../../src/ops/pooling.ts';
import * as reference from '../../src/reference/pooling.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { type GoldenTensor, loadPooling } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats, randomIds } from '../setup/random.ts';

const u32 = (values: readonly number[]): Value => ({
  data: Uint32Array.from(values),
  shape: [values.length],
});
const golden = ({ data, shape }: GoldenTensor): Value => ({ data: Float32Array.from(data), shape });

async function pool(kind: Pooling, x: Value, lengths: readonly number[], y: Value) {
  const { outputs, gradients } = await evaluate(
    await testGpu(),
    { x, lengths: u32(lengths) },
    (tape, tensors) => ({ y: pooling(tape, tensors.x, tensors.lengths, kind) }),
    { y },
  );
  return { y: outputs.y.data, dx: gradients.x!.data };
}

describe.each(poolings)('%s pooling', (kind) => {
  test.each([
    { T: 1, B: 1, H: 1, lengths: [1] },
    { T: 1, B: 3, H: 2, lengths: [0, 1, 1] },
    { T: 7, B: 3, H: 21, lengths: [7, 0, 1] },
    { T: 4, B: 5, H: 13, lengths: [4, 3, 0, 9, 2] },
    { T: 33, B: 1, H: 65, lengths: [32] },
  ])('[$T, $B, $H], lengths $lengths', async ({ T, B, H, lengths }) => {
    const [x, dy] = [randomFloats(T + H, [T, B, H], 3), randomFloats(T + H + 1, [B, H])];
    const expected = reference.pooling(kind, { T, B, H }, x.data, lengths, dy.data);
    const { y, dx } = await pool(kind, x, lengths, dy);
    expectClose(y, expected.y, forwardTolerance, 'y');
    expectClose(dx, expected.dx, gradientTolerance, 'dx');
    // Exactly nothing beyond a row's length.
    for (const [i, slope] of dx.entries()) {
      const [t, row] = [Math.floor(i / (B * H)), Math.floor(i / H) % B];
      if (t >= lengths[row]!) expect(slope).toBe(0);
    }
  });

  test("PyTorch's", async () => {
    const { lengths, input, upstream, ...outputs } = loadPooling();
    const { y, dx } = await pool(kind, golden(input), lengths, golden(upstream));
    expectClose(y, outputs[kind].output.data, forwardTolerance, 'y');
    expectClose(dx, outputs[kind].gradient.data, gradientTolerance, 'dx');
  });

  test('the reference itself, by finite differences', () => {
    const [T, B, H] = [4, 3, 2];
    const [lengths, dy] = [[4, 0, 2], randomFloats(3, [B, H]).data];
    const x = Float64Array.from(randomFloats(2, [T, B, H]).data);
    const slopes = x.map((_, i) => {
      const at = (step: number) => {
        const moved = Float64Array.from(x);
        moved[i]! += step;
        const { y } = reference.pooling(kind, { T, B, H }, moved, lengths, dy);
        return y.reduce((sum, value, j) => sum + value * dy[j]!, 0);
      };
      return (at(1e-5) - at(-1e-5)) / 2e-5;
    });
    expectClose(reference.pooling(kind, { T, B, H }, x, lengths, dy).dx, slopes, 1e-8, 'dx');
  });

  test('a row has the same bits in any batch, however far it is padded; what lies beyond is not read', async () => {
    const [T, H, length] = [9, 5, 6];
    const [own, dOwn] = [randomFloats(4, [T, H]).data, randomFloats(5, [H]).data];
    const run = async (T: number, B: number, row: number) => {
      const x = { data: new Float32Array(T * B * H).fill(Number.NaN), shape: [T, B, H] };
      const dy = randomFloats(6, [B, H]);
      dy.data.set(dOwn, row * H);
      for (let t = 0; t < length; t++) x.data.set(own.subarray(t * H, t * H + H), (t * B + row) * H);
      const lengths = new Array(B).fill(0);
      lengths[row] = length;
      const { y, dx } = await pool(kind, x, lengths, dy);
      const slopes = Array.from({ length }, (_, t) => [
        ...dx.slice((t * B + row) * H, (t * B + row) * H + H),
      ]);
      expect(y.filter((value) => value === 0).length).toBe((B - 1) * H);
      return { y: [...y.slice(row * H, row * H + H)], slopes };
    };
    const alone = await run(length, 1, 0);
    expect(await run(T, 4, 2)).toEqual(alone);
  });

  test('gradients add up', async () => {
    const [T, B, H] = [5, 3, 7];
    const [x, y, z] = [randomFloats(7, [T, B, H]), randomFloats(8, [B, H]), randomFloats(9, [B, H])];
    const lengths = [5, 0, 3];
    const { gradients } = await evaluate(
      await testGpu(),
      { x, lengths: u32(lengths) },
      (tape, tensors) => {
        const twice = () => pooling(tape, tensors.x, tensors.lengths, kind);
        return { y: twice(), z: twice() };
      },
      { y, z },
    );
    const dy = y.data.map((value, i) => value + z.data[i]!);
    const { dx } = reference.pooling(kind, { T, B, H }, x.data, lengths, dy);
    expectClose(gradients.x!.data, dx, gradientTolerance, 'dx');
  });

  test('tensors that do not fit are refused', async () => {
    const run = (x: Value, lengths: readonly number[]) => pool(kind, x, lengths, randomFloats(1, [3, 2]));
    await expect(run(randomFloats(1, [12, 2]), [1, 1, 1])).rejects.toThrow('should be [T, B, H]');
    await expect(run(randomFloats(1, [4, 3, 2]), [1, 1])).rejects.toThrow('[3]');
  });
});

test('the gradient of a maximum goes to the first of equals', async () => {
  const x = { data: Float32Array.of(-3, 2, -1, 2, -1, 1, -1, 2), shape: [4, 1, 2] };
  const { y, dx } = await pool('max', x, [4], { data: Float32Array.of(5, 7), shape: [1, 2] });
  expect([...y]).toEqual([-1, 2]);
  expect([...dx]).toEqual([0, 7, 5, 0, 0, 0, 0, 0]);
});

test('an unknown pooling is refused', async () => {
  const run = pool('sum' as Pooling, randomFloats(1, [1, 1, 1]), [1], randomFloats(2, [1, 1]));
  await expect(run).rejects.toThrow("'sum' is none of mean, max");
});

describe('pooling has no data races', () => {
  const [steps, batch, width] = [4, 3, 5];
  const buffers = {
    x: randomFloats(10, [steps * batch * width]).data,
    lengths: Uint32Array.of(4, 0, 2),
    y: new Float32Array(batch * width),
    places: randomIds(11, [batch * width], 0, steps).data,
    dy: randomFloats(12, [batch * width]).data,
    dx: randomFloats(13, [steps * batch * width]).data,
  };
  const params = { steps, batch, width, accumulate: 1, stride: 64 };
  const entries = ['mean_forward', 'mean_backward', 'max_forward', 'max_backward'] as const;
  test.each(entries)('%s', (entry) => {
    expect(findRaces('pooling', entry, { buffers, params, workgroups: [1, 1, 1] })).toEqual([]);
  });
});

describe('attention pooling', () => {
  const names = ['memory', 'weight', 'bias', 'v'] as const;
  type Inputs = Readonly<Record<'memory' | 'weight' | 'v', Value>> & { readonly bias?: Value };

  async function attend(
    inputs: Inputs,
    lengths: readonly number[],
    upstream: { readonly context?: Value; readonly alignments?: Value },
  ) {
    return evaluate(
      await testGpu(),
      { ...inputs, lengths: u32(lengths) } as Record<string, Value>,
      (tape, { memory, lengths, weight, bias, v }) =>
        attentionPooling(tape, memory!, lengths!, { weight: weight!, bias, v: v! }),
      upstream,
    );
  }

  const randomInputs = (seed: number, T: number, B: number, M: number, A: number) => ({
    memory: randomFloats(seed, [T, B, M]),
    weight: randomFloats(seed + 1, [A, M]),
    bias: randomFloats(seed + 2, [A]),
    v: randomFloats(seed + 3, [A], 2),
  });
  const arrays = ({ memory, weight, bias, v }: Inputs) => ({
    memory: memory.data,
    weight: weight.data,
    bias: bias?.data,
    v: v.data,
  });

  test.each([
    { T: 1, B: 1, M: 1, A: 1, lengths: [1] },
    { T: 6, B: 3, M: 5, A: 7, lengths: [6, 0, 1] },
    { T: 17, B: 2, M: 9, A: 3, lengths: [13, 17] },
    { T: 3, B: 65, M: 4, A: 33, lengths: Array.from({ length: 65 }, (_, row) => row % 4) },
  ])('[$T, $B, $M], $A units', async ({ T, B, M, A, lengths }) => {
    const inputs = randomInputs(20 + T, T, B, M, A);
    const upstream = { context: randomFloats(30, [B, M]), alignments: randomFloats(31, [B, T]) };
    const { outputs, gradients } = await attend(inputs, lengths, upstream);
    const slopes = { context: upstream.context.data, alignments: upstream.alignments.data };
    const expected = reference.attentionPooling({ T, B, M, A }, arrays(inputs), lengths, slopes);
    expectClose(outputs.context.data, expected.context, forwardTolerance, 'context');
    expectClose(outputs.alignments.data, expected.alignments, forwardTolerance, 'alignments');
    for (const name of names) {
      expectClose(gradients[name]!.data, expected.gradients[name], gradientTolerance, `gradient of ${name}`);
    }
    for (const [i, weight] of outputs.alignments.data.entries()) {
      if (i % T >= lengths[Math.floor(i / T)]!) expect(weight).toBe(0);
    }
  });

  test("PyTorch's", async () => {
    const { lengths, input, attention } = loadPooling();
    const { weight, bias, v } = attention.parameters;
    const inputs = {
      memory: golden(input),
      weight: golden(weight),
      bias: golden(bias),
      v: { data: Float32Array.from(v.data), shape: [v.data.length] },
    };
    const { context, alignments } = attention.upstream;
    const upstream = { context: golden(context), alignments: golden(alignments) };
    const { outputs, gradients } = await attend(inputs, lengths, upstream);
    expectClose(outputs.context.data, attention.context.data, forwardTolerance, 'context');
    expectClose(outputs.alignments.data, attention.alignments.data, forwardTolerance, 'alignments');
    for (const name of names) {
      expectClose(gradients[name]!.data, attention.gradients[name].data, gradientTolerance, name);
    }
  });

  test('without a bias, and with a gradient of the context alone', async () => {
    const [T, B, M, A] = [5, 3, 4, 6];
    const { bias: _, ...inputs } = randomInputs(40, T, B, M, A);
    const lengths = [5, 2, 0];
    const context = randomFloats(44, [B, M]);
    const { outputs, gradients } = await attend(inputs, lengths, { context });
    const slopes = { context: context.data, alignments: new Float64Array(B * T) };
    const expected = reference.attentionPooling({ T, B, M, A }, arrays(inputs), lengths, slopes);
    expectClose(outputs.context.data, expected.context, forwardTolerance, 'context');
    expect([...outputs.context.data.slice(2 * M)]).toEqual([0, 0, 0, 0]);
    expect(Object.keys(gradients).sort()).toEqual(['memory', 'v', 'weight']);
    for (const name of ['memory', 'weight', 'v'] as const) {
      expectClose(gradients[name]!.data, expected.gradients[name], gradientTolerance, `gradient of ${name}`);
    }
  });

  test('the reference itself, by finite differences', () => {
    const [T, B, M, A] = [4, 3, 3, 2];
    const [lengths, given] = [[4, 0, 2], arrays(randomInputs(50, T, B, M, A))];
    const upstream = { context: randomFloats(54, [B, M]).data, alignments: randomFloats(55, [B, T]).data };
    const { gradients } = reference.attentionPooling({ T, B, M, A }, given, lengths, upstream);
    const inner = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
    for (const name of names) {
      const values = Float64Array.from(given[name]!);
      const differences = values.map((_, i) => {
        const at = (step: number) => {
          const moved = Float64Array.from(values);
          moved[i]! += step;
          const changed = { ...given, [name]: moved };
          const result = reference.attentionPooling({ T, B, M, A }, changed, lengths, upstream);
          return inner(result.context, upstream.context) + inner(result.alignments, upstream.alignments);
        };
        return (at(1e-5) - at(-1e-5)) / 2e-5;
      });
      expectClose(gradients[name], differences, 1e-8, name);
    }
  });

  test('tensors that do not fit are refused', async () => {
    const inputs = randomInputs(60, 4, 2, 3, 5);
    const refused: [Partial<Inputs>, string][] = [
      [{ memory: randomFloats(1, [8, 3]) }, 'should be [T, B, M]'],
      [{ weight: randomFloats(1, [5, 4]) }, '[5,3]'],
      [{ bias: randomFloats(1, [4]) }, '[5]'],
      [{ v: randomFloats(1, [1, 5]) }, '[5]'],
    ];
    for (const [part, message] of refused) {
      await expect(attend({ ...inputs, ...part }, [4, 2], {})).rejects.toThrow(message);
    }
    await expect(attend(inputs, [4], {})).rejects.toThrow('[2]');
  });
});

describe('broadcast', () => {
  test.each([
    [1, 1, 1],
    [3, 5, 7],
    [33, 2, 65],
  ])('%i steps of [%i, %i]; the gradient is their sum', async (T, B, C) => {
    const [x, dy] = [randomFloats(70, [B, C]), randomFloats(71, [T, B, C])];
    const { outputs, gradients } = await evaluate(
      await testGpu(),
      { x },
      (tape, tensors) => ({ y: broadcast(tape, tensors.x, T) }),
      { y: dy },
    );
    expect(outputs.y.shape).toEqual([T, B, C]);
    const size = B * C;
    expect(outputs.y.data).toEqual(Float32Array.from({ length: T * size }, (_, i) => x.data[i % size]!));
    const dx = Float64Array.from({ length: size }, (_, i) =>
      Array.from({ length: T }, (_, t) => dy.data[t * size + i]!).reduce((a, b) => a + b, 0),
    );
    expectClose(gradients.x!.data, dx, gradientTolerance, 'dx');
  });

  test('what cannot be repeated is refused', () => {
    const tape = new Tape({ software: true, training: false });
    expect(() => broadcast(tape, tape.tensor('x', [2, 3, 4]), 5)).toThrow('should be [B, C]');
    expect(() => broadcast(tape, tape.tensor('x', [2, 3]), 0)).toThrow('0 steps');
  });
});
