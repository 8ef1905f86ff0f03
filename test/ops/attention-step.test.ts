/** Attention step by step through the kernel that does all of a step, in both of its shapes. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { shaderInfo } from '../../src/gpu/shader.ts';
import { LuongAttention } from '../../src/ops/attention.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { onlyVariant } from '../../src/ops/matmul-plan.ts';
import * as reference from '../../src/reference/attention.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats } from '../setup/random.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The device, which takes itself for the kind whose shape of workgroups is to be tested. */
async function gpuOf(software: boolean) {
  const gpu = await testGpu();
  vi.spyOn(gpu, 'software', 'get').mockReturnValue(software);
  // The products of GPUs take seconds to compile on a CPU, and are not what is tested here.
  gpu.tuning = software ? undefined : onlyVariant('plain');
  return gpu;
}

interface Sizes {
  readonly T: number;
  readonly B: number;
  readonly S: number;
  readonly H: number;
  readonly M: number;
}

const randomInputs = (
  { T, B, S, H, M }: Sizes,
  score: 'dot' | 'general',
): Readonly<Record<string, ReturnType<typeof randomFloats>>> => ({
  query: randomFloats(1, [T, B, H]),
  memory: randomFloats(2, [S, B, M]),
  linearOut: randomFloats(3, [H, M + H], 1.5 / Math.sqrt(M + H)),
  ...(score === 'general' && { linearIn: randomFloats(4, [H, M], 1.5 / Math.sqrt(M)) }),
});

/** Forward and back a step at a time. */
function stepByStep(tape: Tape, score: 'dot' | 'general', tensors: Readonly<Record<string, Tensor>>) {
  const { query, memory, lengths, linearOut, linearIn } = tensors;
  const attention = new LuongAttention(tape, {
    label: 'attention',
    score,
    query: query!,
    memory: memory!,
    memoryLengths: lengths!,
    weights: { linearOut: linearOut!, linearIn },
    stepwise: true,
  });
  const steps = query!.dim(0);
  for (let step = 0; step < steps; step++) attention.forward(step, step + 1);
  tape.onBackward(() => {
    for (let step = steps - 1; step >= 0; step--) attention.backward(step, step + 1);
    attention.finishBackward();
  });
  return { output: attention.output, weights: attention.weights };
}

const u32 = (values: readonly number[]) => ({ data: Uint32Array.from(values), shape: [values.length] });

describe.each([true, false])('software %s', (software) => {
  // Sources around the 4 and 16 that a workgroup takes at a time, widths around the 4·16 and 4·256 of its lanes.
  test.each([
    { score: 'dot', T: 1, B: 1, S: 1, H: 4, M: 4, lengths: [1] },
    { score: 'dot', T: 3, B: 3, S: 17, H: 64, M: 64, lengths: [16, 0, 17] },
    { score: 'general', T: 2, B: 4, S: 15, H: 12, M: 68, lengths: [15, 1, 0, 8] },
    { score: 'general', T: 2, B: 2, S: 9, H: 1028, M: 20, lengths: [9, 7] },
    { score: 'general', T: 2, B: 2, S: 33, H: 36, M: 1028, lengths: [5, 33] },
  ] as const)(
    'values and gradients, $score, T $T, B $B, S $S, H $H, M $M',
    async ({ score, lengths, ...sizes }) => {
      const inputs = randomInputs(sizes, score);
      const { T, B, S, H } = sizes;
      const upstream = { output: randomFloats(8, [T, B, H]), weights: randomFloats(9, [T, B, S]) };
      const given: Readonly<Record<string, Value>> = { ...inputs, lengths: u32(lengths) };
      const { outputs, gradients } = await evaluate(
        await gpuOf(software),
        given,
        (tape, tensors) => stepByStep(tape, score, tensors),
        upstream,
      );
      const arrays = Object.fromEntries(
        Object.entries(inputs).map(([name, { data }]) => [name, Float64Array.from(data)]),
      );
      const all = { ...sizes, A: 0 };
      const values = reference.attention(score, all, arrays, lengths);
      expectClose(outputs.weights.data, values.weights, forwardTolerance, 'weights');
      expectClose(outputs.output.data, values.output, forwardTolerance, 'output');
      const slopes = { output: upstream.output.data, weights: upstream.weights.data };
      const expected = reference.attentionGradients(score, all, arrays, values, slopes);
      expect(Object.keys(gradients).sort()).toEqual(Object.keys(expected).sort());
      for (const [name, values] of Object.entries(expected)) {
        const actual = gradients[name]!;
        expectClose(actual.data, values, gradientTolerance, `gradient of ${name}`);
      }
    },
  );

  test('a row has the same bits in any batch and however far the sources are padded', async () => {
    const [T, H, rows, sources] = [2, 72, 5, 21];
    const lengths = [13, 21, 0, 6, 12];
    const query = randomFloats(1, [T, rows, H]);
    const memory = randomFloats(2, [sources, rows, H]);
    const linearOut = randomFloats(3, [H, 2 * H], 0.1);
    const upstream = randomFloats(4, [T, rows, H]);
    /** The rows `picked` of the batch, and S sources; what is not there is 1000. */
    const run = async (picked: readonly number[], S: number) => {
      const pick = ({ data }: { data: Float32Array }, steps: number, fill = 1e3) => {
        const out = new Float32Array(steps * picked.length * H).fill(fill);
        for (let step = 0; step < Math.min(steps, data.length / (rows * H)); step++) {
          for (const [place, row] of picked.entries()) {
            const at = (step * rows + row) * H;
            out.set(data.subarray(at, at + H), (step * picked.length + place) * H);
          }
        }
        return { data: out, shape: [steps, picked.length, H] };
      };
      const { outputs, gradients } = await evaluate(
        await gpuOf(software),
        {
          query: pick(query, T),
          memory: pick(memory, S),
          linearOut,
          lengths: u32(picked.map((row) => lengths[row]!)),
        },
        (tape, tensors) => stepByStep(tape, 'dot', tensors),
        { output: pick(upstream, T) },
      );
      return [outputs.output, gradients.query!].map(({ data }) =>
        picked.map((_, place) =>
          Array.from({ length: T }, (_, t) => {
            const at = (t * picked.length + place) * H;
            return Array.from(data.subarray(at, at + H));
          }),
        ),
      );
    };
    const [output, slope] = await run([0, 1, 2, 3, 4], sources);
    for (const [row, S] of [
      [0, 13],
      [3, 40],
      [1, 21],
    ] as const) {
      expect(await run([row], S)).toEqual([[output![row]], [slope![row]]]);
    }
    expect(await run([4, 2, 0], 33)).toEqual([output, slope].map((of) => [of![4], of![2], of![0]]));
  });

  test('a step is two dispatches there; back, three', () => {
    const count = (T: number) => {
      const tape = new Tape({ software, training: true });
      const trained = { needsGradient: true };
      const { output } = stepByStep(tape, 'general', {
        query: tape.tensor('query', [T, 2, 8], trained),
        memory: tape.tensor('memory', [5, 2, 12], trained),
        lengths: tape.tensor('lengths', [2], { dtype: 'u32' }),
        linearIn: tape.tensor('linearIn', [8, 12], trained),
        linearOut: tape.tensor('linearOut', [8, 20], trained),
      });
      tape.seedGradient(output, tape.tensor('d output', output.shape));
      tape.backward();
      return tape.dispatches.length;
    };
    expect(count(6) - count(5)).toBe(2 + 3);
  });
});

test('widths that are no multiples of 4 and scores that are no products go other ways', () => {
  const shaders = (score: 'dot' | 'concat', H: number) => {
    const tape = new Tape({ software: false, training: false });
    const make = (label: string, shape: readonly number[]) => tape.tensor(label, shape);
    const attention = new LuongAttention(tape, {
      label: 'attention',
      score,
      query: make('query', [2, 3, H]),
      memory: make('memory', [5, 3, H]),
      memoryLengths: tape.tensor('lengths', [3], { dtype: 'u32' }),
      weights: {
        linearOut: make('linearOut', [H, 2 * H]),
        linearQuery: make('linearQuery', [7, H]),
        linearContext: make('linearContext', [7, H]),
        v: make('v', [1, 7]),
      },
      stepwise: true,
    });
    attention.forward(0, 1);
    return tape.dispatches.map(({ shader }) => shader.name);
  };
  expect(shaders('dot', 8)).toContain('attention-step');
  expect(shaders('dot', 6)).not.toContain('attention-step');
  expect(shaders('concat', 8)).not.toContain('attention-step');
});

describe('no data races', () => {
  const [batch, sources, units, memoryUnits] = [2, 5, 3, 2];
  const floats = (size: number) => randomFloats(1, [size]).data;
  const params = { start: batch, batch, sources, units, memoryUnits, addsWeights: 1, addsSums: 1 };
  // Without the barrier a lane reads the scores that others still write.
  test.each(['forward', 'backward'] as const)('%s', (entry) => {
    const info = shaderInfo('attention-step');
    const buffers = Object.fromEntries(
      Object.keys(info.entries[entry]!.bindings).map((name) => [
        name,
        name === 'lengths' ? Uint32Array.of(3, 5) : floats(400),
      ]),
    );
    const check = { buffers, params, workgroups: [batch, 1, 1] as const };
    // wgsl_reflect runs the shader's own constants: 32 lanes, 4 to a product.
    expect(findRaces(info, entry, check)).toEqual([]);
    for (const barrier of ['storageBarrier();', 'workgroupBarrier();']) {
      const code = info.code.replaceAll(barrier, '');
      expect(findRaces(info, entry, { ...check, code })).not.toEqual([]);
    }
  });
});
