import { describe, expect, test } from 'vitest';
import {
  type AttentionScore,
  attentionKeys,
  LuongAttention,
  luongAttention,
} from '../../src/ops/attention.ts';
import { recordCopy } from '../../src/ops/copy.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { linear } from '../../src/ops/matmul.ts';
import { scores } from '../../src/ops/scores/registry.ts';
import * as reference from '../../src/reference/attention.ts';
import { persistentTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { loadAttention } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';

type Sizes = reference.AttentionSizes;
type Inputs = Readonly<Record<string, Value>>;
type Tensors = Readonly<Record<string, Tensor>>;

const names = Object.keys(scores) as AttentionScore[];
const f32 = (data: ArrayLike<number>, shape: readonly number[]) => ({ data: Float32Array.from(data), shape });

/** Random inputs with the weights that the score needs; the memory is random beyond the lengths too. */
function randomInputs(
  score: AttentionScore,
  { T, B, S, H, M, A }: Sizes,
  lengths: readonly number[],
): Inputs {
  const spread = (inputs: number) => 1.5 / Math.sqrt(inputs);
  return {
    query: randomFloats(1, [T, B, H]),
    memory: randomFloats(2, [S, B, M]),
    lengths: { data: Uint32Array.from(lengths), shape: [B] },
    linearOut: randomFloats(3, [H, M + H], spread(M + H)),
    ...(score === 'general' && { linearIn: randomFloats(4, [H, M], spread(M)) }),
    ...(score === 'concat' && {
      linearQuery: randomFloats(5, [A, H], spread(H)),
      linearContext: randomFloats(6, [A, M], spread(M)),
      v: randomFloats(7, [1, A], 2),
    }),
  };
}

const options = (score: AttentionScore, tensors: Tensors) => ({
  label: 'attention',
  score,
  query: tensors.query!,
  memory: tensors.memory!,
  memoryLengths: tensors.lengths!,
  weights: {
    linearIn: tensors.linearIn,
    linearQuery: tensors.linearQuery,
    linearContext: tensors.linearContext,
    v: tensors.v,
    linearOut: tensors.linearOut!,
  },
});

/** The float arrays of the inputs, for the reference. */
function arraysOf(inputs: Inputs): Record<string, Float64Array> {
  const floats = Object.entries(inputs).filter(([, { data }]) => data instanceof Float32Array);
  return Object.fromEntries(floats.map(([name, { data }]) => [name, Float64Array.from(data)]));
}

function expectGradients(
  actual: Readonly<Partial<Record<string, { data: ArrayLike<number> }>>>,
  expected: Readonly<Record<string, ArrayLike<number>>>,
) {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, values] of Object.entries(expected)) {
    expectClose(actual[name]!.data, values, gradientTolerance, `gradient of ${name}`);
  }
}

describe.each(names)('%s', (score) => {
  // Sizes around the 64 lanes of a workgroup, and rows without any source.
  test.each([
    { T: 1, B: 1, S: 1, H: 1, M: 1, A: 1, lengths: [1] },
    { T: 2, B: 3, S: 15, H: 63, M: 63, A: 64, lengths: [15, 0, 7] },
    { T: 3, B: 2, S: 16, H: 33, M: 33, A: 65, lengths: [16, 1] },
    { T: 7, B: 4, S: 17, H: 16, M: 16, A: 63, lengths: [3, 17, 0, 16] },
    ...(score === 'dot' ? [] : [{ T: 4, B: 3, S: 35, H: 10, M: 21, A: 130, lengths: [34, 35, 2] }]),
  ])('values and gradients, T $T, B $B, S $S, H $H, M $M, A $A', async ({ lengths, ...sizes }) => {
    const inputs = randomInputs(score, sizes, lengths);
    const upstream = {
      output: randomFloats(8, [sizes.T, sizes.B, sizes.H]),
      weights: randomFloats(9, [sizes.T, sizes.B, sizes.S]),
    };
    const { outputs, gradients } = await evaluate(
      await testGpu(),
      inputs,
      (tape, tensors) => luongAttention(tape, options(score, tensors)),
      upstream,
    );
    const arrays = arraysOf(inputs);
    const values = reference.attention(score, sizes, arrays, lengths);
    expectClose(outputs.weights.data, values.weights, forwardTolerance, 'weights');
    expectClose(outputs.output.data, values.output, forwardTolerance, 'output');
    const dy = { output: upstream.output.data, weights: upstream.weights.data };
    expectGradients(gradients, reference.attentionGradients(score, sizes, arrays, values, dy));
  });

  test('gradients of the reference against finite differences', () => {
    const sizes = { T: 2, B: 2, S: 3, H: 3, M: score === 'dot' ? 3 : 4, A: 5 };
    const arrays = arraysOf(randomInputs(score, sizes, [3, 2]));
    const dOutput = randomFloats(8, [2, 2, 3]).data;
    const dWeights = randomFloats(9, [2, 2, 3]).data;
    const forward = () => reference.attention(score, sizes, arrays, [3, 2]);
    const objective = () => {
      const { output, weights } = forward();
      const dot = (x: Float64Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
      return dot(output, dOutput) + dot(weights, dWeights);
    };
    const upstream = { output: dOutput, weights: dWeights };
    const analytic = reference.attentionGradients(score, sizes, arrays, forward(), upstream);
    for (const [name, array] of Object.entries(arrays)) {
      const numeric = array.map((value, i) => {
        const step = 1e-5;
        const [above, below] = [value + step, value - step].map((moved) => {
          array[i] = moved;
          return objective();
        });
        array[i] = value;
        return (above! - below!) / (2 * step);
      });
      expectClose(analytic[name]!, numeric, 1e-8, name);
    }
  });

  test("PyTorch's values and gradients", async () => {
    const golden = loadAttention().find((fixture) => fixture.score === score)!;
    const rename: Readonly<Record<string, string>> = {
      'linear_in.weight': 'linearIn',
      'linear_query.weight': 'linearQuery',
      'linear_context.weight': 'linearContext',
      'v.weight': 'v',
      'linear_out.weight': 'linearOut',
    };
    const named = <T>(record: Readonly<Record<string, T>>) =>
      Object.fromEntries(Object.entries(record).map(([name, value]) => [rename[name]!, value]));
    const parameters = Object.entries(named(golden.parameters));
    const inputs: Inputs = {
      query: f32(golden.queries.data, golden.queries.shape),
      memory: f32(golden.memory.data, golden.memory.shape),
      lengths: { data: Uint32Array.from(golden.lengths), shape: [golden.lengths.length] },
      ...Object.fromEntries(parameters.map(([name, { data, shape }]) => [name, f32(data, shape)])),
    };
    const { upstream, queries, memory, parameters: dParameters } = golden.attentionBackward;
    const { outputs, gradients } = await evaluate(
      await testGpu(),
      inputs,
      (tape, tensors) => luongAttention(tape, options(score, tensors)),
      { output: f32(upstream.data, upstream.shape) },
    );
    expectClose(outputs.weights.data, golden.weights.data, forwardTolerance, 'weights');
    expectClose(outputs.output.data, golden.attentional.data, forwardTolerance, 'output');
    const expected = Object.entries({ query: queries, memory, ...named(dParameters) });
    expectGradients(gradients, Object.fromEntries(expected.map(([name, { data }]) => [name, data])));
  });

  test('step by step, with gradients that arrive between the steps', async () => {
    const sizes = { T: 5, B: 3, S: 9, H: 12, M: 12, A: 20 };
    const lengths = [9, 4, 0];
    const inputs = randomInputs(score, sizes, lengths);
    const upstream = { output: randomFloats(8, [sizes.T, sizes.B, sizes.H]) };
    const run = async (cuts: readonly number[], stepwise = false) =>
      evaluate(
        await testGpu(),
        inputs,
        (tape, tensors) => {
          const attention = new LuongAttention(tape, { ...options(score, tensors), stepwise });
          for (const [i, end] of cuts.entries()) attention.forward(cuts[i - 1] ?? 0, end);
          tape.onBackward(() => {
            for (const [i, end] of [...cuts.entries()].reverse()) attention.backward(cuts[i - 1] ?? 0, end);
            attention.finishBackward();
          });
          return { output: attention.output, weights: attention.weights };
        },
        upstream,
      );
    const arrays = arraysOf(inputs);
    const values = reference.attention(score, sizes, arrays, lengths);
    const expected = reference.attentionGradients(score, sizes, arrays, values, {
      output: upstream.output.data,
    });
    const steps = [1, 2, 3, 4, 5];
    const runs = [run([5]), run(steps), run([2, 3, 5]), run(steps, true)];
    for (const { outputs, gradients } of await Promise.all(runs)) {
      expectClose(outputs.output.data, values.output, forwardTolerance, 'output');
      expectClose(outputs.weights.data, values.weights, forwardTolerance, 'weights');
      expectGradients(gradients, expected);
    }
  });

  test('a query and a memory used elsewhere too get the sum of their gradients', async () => {
    const sizes = { T: 4, B: 2, S: 6, H: 8, M: 8, A: 5 };
    const inputs: Inputs = { ...randomInputs(score, sizes, [6, 3]), other: randomFloats(11, [5, 8], 0.4) };
    const upstream = {
      output: randomFloats(8, [4, 2, 8]),
      ofQuery: randomFloats(12, [4, 2, 5]),
      ofMemory: randomFloats(13, [6, 2, 5]),
    };
    const gradientsOf = async (upstream: Record<string, Value>, stepwise: boolean) =>
      evaluate(
        await testGpu(),
        inputs,
        (tape, tensors) => {
          const attention = new LuongAttention(tape, options(score, tensors));
          attention.forward(0, 4);
          tape.onBackward(() => {
            if (!tape.gradientOf(attention.output)) return;
            if (stepwise) attention.backward(2, 4);
            attention.backward(0, stepwise ? 2 : 4);
            attention.finishBackward();
          });
          const { query, memory, other } = tensors as Record<string, Tensor>;
          return {
            output: attention.output,
            ofQuery: linear(tape, query!, other!),
            ofMemory: linear(tape, memory!, other!),
          };
        },
        upstream as typeof upstream & Record<'output' | 'ofQuery' | 'ofMemory', Value>,
      );
    const alone = (await gradientsOf({ output: upstream.output }, false)).gradients;
    const { ofQuery, ofMemory } = upstream;
    const others = (await gradientsOf({ ofQuery, ofMemory }, false)).gradients;
    for (const stepwise of [false, true]) {
      const { gradients } = await gradientsOf(upstream, stepwise);
      for (const name of ['query', 'memory']) {
        const sum = Array.from(alone[name]!.data, (value, i) => value + others[name]!.data[i]!);
        expectClose(gradients[name]!.data, sum, 1e-5, name);
      }
    }
  });

  test('two attentions over the same keys: gradients add up', async () => {
    const sizes = { T: 3, B: 2, S: 5, H: 6, M: 6, A: 7 };
    const inputs = { ...randomInputs(score, sizes, [5, 2]), second: randomFloats(14, [4, 2, 6]) };
    const upstream = { a: randomFloats(8, [3, 2, 6]), b: randomFloats(9, [4, 2, 6]) };
    const gradientsOf = async (given: Partial<typeof upstream>) => {
      const { gradients } = await evaluate(
        await testGpu(),
        inputs as Inputs,
        (tape, tensors) => {
          const first = options(score, tensors);
          const keys = attentionKeys(tape, score, first.memory, first.weights);
          const a = luongAttention(tape, { ...first, keys }).output;
          return { a, b: luongAttention(tape, { ...first, query: tensors.second!, keys }).output };
        },
        given,
      );
      return gradients;
    };
    const [both, a, b] = [
      await gradientsOf(upstream),
      await gradientsOf({ a: upstream.a }),
      await gradientsOf({ b: upstream.b }),
    ];
    const shared = Object.keys(a).filter((name) => name in b);
    expect(shared).toContain('memory');
    for (const name of shared) {
      const sum = Array.from(a[name]!.data, (value, i) => value + b[name]!.data[i]!);
      expectClose(both[name]!.data, sum, 1e-5, name);
    }
  });

  test.each([{ cuts: [4] }, { cuts: [1, 3, 4] }])(
    'a plan run again gives the same gradients, steps to $cuts',
    async ({ cuts }) => {
      const gpu = await testGpu();
      const sizes = { T: 4, B: 2, S: 6, H: 8, M: 8, A: 5 };
      const tape = new Tape({ software: gpu.software, training: true });
      const place = (name: string, { data, shape }: Value) => {
        const isFloat = data instanceof Float32Array;
        const tensor = persistentTensor(gpu, name, shape, isFloat ? 'f32' : 'u32', isFloat);
        writeTensor(gpu, tensor, data);
        return tensor;
      };
      const inputs = Object.entries(randomInputs(score, sizes, [6, 3]));
      const tensors = Object.fromEntries(inputs.map(([name, value]) => [name, place(name, value)]));
      const attention = new LuongAttention(tape, options(score, tensors));
      for (const [i, end] of cuts.entries()) attention.forward(cuts[i - 1] ?? 0, end);
      tape.seedGradient(attention.output, place('upstream', randomFloats(8, [4, 2, 8])));
      tape.onBackward(() => {
        for (const [i, end] of [...cuts.entries()].reverse()) attention.backward(cuts[i - 1] ?? 0, end);
        attention.finishBackward();
      });
      tape.backward();
      const kept = Object.values(tensors).flatMap((tensor) => {
        const gradient = tape.gradientOf(tensor);
        if (!gradient) return [];
        const copy = persistentTensor(gpu, 'copy', gradient.shape, 'f32');
        recordCopy(tape, gradient, copy);
        return [copy];
      });
      expect(kept.length).toBeGreaterThanOrEqual(3);
      const plan = await Plan.build(gpu, new ScratchPool(gpu), 'again', tape);
      const read = () => Promise.all(kept.map((tensor) => readTensor(gpu, tensor)));
      submit(gpu, 'once', [plan]);
      const once = await read();
      submit(gpu, 'again', [plan]);
      expect(await read()).toEqual(once);
      plan.dispose();
    },
  );

  test('keys made before give the same', async () => {
    const sizes = { T: 2, B: 2, S: 5, H: 6, M: 6, A: 7 };
    const inputs = randomInputs(score, sizes, [5, 2]);
    const run = async (before: boolean) => {
      const { outputs } = await evaluate(await testGpu(), inputs, (tape, tensors) => {
        const given = options(score, tensors);
        const keys = before ? attentionKeys(tape, score, given.memory, given.weights) : undefined;
        return luongAttention(tape, { ...given, keys });
      });
      return outputs;
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test('the same bits however far the source is padded, whatever lies there', async () => {
    const [narrow, wide] = [13, 40];
    const sizes = { T: 3, B: 2, S: narrow, H: 20, M: 20, A: 70 };
    const inputs = randomInputs(score, sizes, [13, 5]);
    const run = async (S: number) => {
      const memory = randomFloats(20, [S, 2, 20], 1e3);
      memory.data.set(inputs.memory!.data);
      const { outputs } = await evaluate(await testGpu(), { ...inputs, memory }, (tape, tensors) =>
        luongAttention(tape, options(score, tensors)),
      );
      return outputs.output.data;
    };
    expect(await run(wide)).toEqual(await run(narrow));
  });
});

test('concat saturates without NaN', async () => {
  const sizes = { T: 2, B: 1, S: 3, H: 4, M: 4, A: 4 };
  const inputs = randomInputs('concat', sizes, [3]);
  const huge = {
    ...inputs,
    query: randomFloats(1, [2, 1, 4], 1e30),
    memory: randomFloats(2, [3, 1, 4], 1e18),
  };
  const { outputs } = await evaluate(await testGpu(), huge, (tape, tensors) =>
    luongAttention(tape, options('concat', tensors)),
  );
  const values = reference.attention('concat', sizes, arraysOf(huge), [3]);
  expectClose(outputs.weights.data, values.weights, forwardTolerance, 'weights');
});

describe('what does not fit is refused', () => {
  const sizes = { T: 2, B: 3, S: 4, H: 5, M: 6, A: 7 };
  const attempt = async (score: AttentionScore, change: Inputs, forget: string[] = []) => {
    const inputs = { ...randomInputs(score, sizes, [4, 4, 4]), ...change };
    const tensorsOf = (tensors: Tensors) =>
      Object.fromEntries(Object.entries(tensors).filter(([name]) => !forget.includes(name)));
    return evaluate(await testGpu(), inputs, (tape, tensors) =>
      luongAttention(tape, options(score, tensorsOf(tensors))),
    );
  };

  test('sizes', async () => {
    await expect(attempt('dot', {})).rejects.toThrow('needs equal last dimensions');
    await expect(attempt('general', { memory: randomFloats(1, [4, 2, 6]) })).rejects.toThrow('[4,3,6]');
    await expect(attempt('general', { linearOut: randomFloats(1, [5, 12]) })).rejects.toThrow('[5,11]');
    await expect(attempt('general', { query: randomFloats(1, [6, 5]) })).rejects.toThrow('[T, B, H]');
    await expect(attempt('concat', { v: randomFloats(1, [1, 8]) })).rejects.toThrow('[1,7]');
  });

  test('missing weights', async () => {
    await expect(attempt('general', {}, ['linearIn'])).rejects.toThrow('linearIn [H, M]');
    await expect(attempt('concat', {}, ['v'])).rejects.toThrow('v [1, A]');
  });
});

describe('concat in parts', () => {
  test('a dispatch never has more than 2^22 terms, and the parts make up the whole', () => {
    const [T, B, S, H, A] = [50, 64, 47, 64, 512];
    const tape = new Tape({ software: true, training: true });
    const make = (label: string, shape: number[]) => tape.tensor(label, shape, { needsGradient: true });
    const attention = new LuongAttention(tape, {
      label: 'attention',
      score: 'concat',
      query: make('query', [T, B, H]),
      memory: make('memory', [S, B, H]),
      memoryLengths: tape.tensor('lengths', [B], { dtype: 'u32' }),
      weights: {
        linearQuery: make('linearQuery', [A, H]),
        linearContext: make('linearContext', [A, H]),
        v: make('v', [1, A]),
        linearOut: make('linearOut', [H, 2 * H]),
      },
    });
    attention.forward(0, T);
    attention.backward(0, T);
    attention.finishBackward();
    for (const [entry, whole, terms] of [
      ['forward', T, B * S * A],
      ['query', T, B * S * A],
      ['keys', S, B * T * A],
    ] as const) {
      const parts = tape.dispatches.filter(
        (dispatch) => dispatch.entry === entry && dispatch.shader.name === 'attention-concat',
      );
      let next = 0;
      for (const { params, workgroups } of parts) {
        const [start, end] = new Uint32Array(params!);
        expect(start).toBe(next);
        const perStep = entry === 'forward' ? Math.ceil((B * S) / 64) : 1;
        expect(workgroups[0] * workgroups[1] * workgroups[2]).toBeGreaterThanOrEqual(
          (end! - start!) * perStep,
        );
        expect((end! - start!) * terms).toBeLessThanOrEqual(2 ** 22);
        next = end!;
      }
      expect(next).toBe(whole);
      expect(parts.length).toBeGreaterThan(1);
    }
  });

  test('gradients of the keys in two parts are those of the whole', async () => {
    const [T, B, S, A] = [3, 2, 7, 70];
    const inputs = {
      q: randomFloats(1, [T, B, A]),
      k: randomFloats(2, [S, B, A]),
      v: randomFloats(3, [1, A]),
      dScores: randomFloats(4, [T, B, S]),
      lengths: { data: Uint32Array.of(7, 4), shape: [B] },
    };
    const run = async (cuts: readonly number[]) =>
      evaluate(await testGpu(), inputs, (tape, { q, k, v, dScores, lengths }) => {
        const [dk, dvPart] = [tape.tensor('dk', k.shape), tape.tensor('dvPart', k.shape)];
        for (const [i, end] of cuts.entries()) {
          const start = cuts[i - 1] ?? 0;
          tape.dispatch('attention-concat', 'keys', {
            bindings: { q, k, v, lengths, dScores, dk, dvPart },
            params: { start, end, steps: T, batch: B, sources: S, units: A, accumulate: 0, stride: 0 },
            workgroups: [2, B, end - start],
          });
        }
        return { dk, dvPart };
      });
    const whole = await run([S]);
    expect(whole.outputs.dk.data.some((value) => value !== 0)).toBe(true);
    expect(await run([3, S])).toEqual(whole);
  });
});
