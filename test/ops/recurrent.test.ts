/** Recurrent layers on the device: every cell against the float64 reference, whole sequences and step by step. */
import { describe, expect, test, vi } from 'vitest';
import { Gpu } from '../../src/gpu/gpu.ts';
import { cells } from '../../src/ops/cells/registry.ts';
import { recordCopyRows } from '../../src/ops/copy.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { type DirectionWeights, RecurrentLayer, recurrent } from '../../src/ops/recurrent.ts';
import { type ReferenceLayer, recurrentReference, referenceCells } from '../../src/reference/recurrent.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';

type CellName = ReferenceLayer['cell'];
type Named<T> = Record<string, T>;
const cellNames = Object.keys(referenceCells) as CellName[];
const makeCell = (name: CellName) =>
  cells.get({ cell: name.split('-')[0]!, nonlinearity: name.split('-')[1] ?? 'tanh' });
const gpu: Gpu = await testGpu();

interface Case {
  T: number;
  B: number;
  I: number;
  H: number;
  directions?: 1 | 2;
  reverse?: boolean;
  lengths?: number[];
  /** Which states start from values; none where absent. */
  initial?: boolean[];
}

/** All the arrays of a case, by name; biases and states large enough that forgetting one shows. */
function draw(name: CellName, { T, B, I, H, directions = 1, lengths, initial = [] }: Case): Named<Value> {
  const rows = makeCell(name).gates * H;
  const inputs: Named<Value> = { x: randomFloats(1, [T, B, I]) };
  for (let d = 0; d < directions; d++) {
    const scale = 1.5 / Math.sqrt(H);
    inputs[`weightIh${d}`] = randomFloats(10 + d, [rows, I]);
    inputs[`weightHh${d}`] = randomFloats(20 + d, [rows, H], scale);
    inputs[`biasIh${d}`] = randomFloats(30 + d, [rows], 0.5);
    inputs[`biasHh${d}`] = randomFloats(40 + d, [rows], 0.5);
  }
  for (const [s, given] of initial.entries()) {
    if (given) inputs[`initial${s}`] = randomFloats(50 + s, [B, directions * H]);
  }
  if (lengths) inputs.lengths = { data: Uint32Array.from(lengths), shape: [B] };
  return inputs;
}

function weightsOf(tensors: Named<Tensor>, directions: number): DirectionWeights[] {
  return [...Array(directions).keys()].map((d) => ({
    weightIh: tensors[`weightIh${d}`]!,
    weightHh: tensors[`weightHh${d}`]!,
    biasIh: tensors[`biasIh${d}`]!,
    biasHh: tensors[`biasHh${d}`]!,
  }));
}

function referenceOf(name: CellName, sizes: Case, inputs: Named<Value>) {
  const { T, B, I, H, directions = 1, reverse = false, lengths, initial = [] } = sizes;
  return recurrentReference({
    cell: name,
    steps: T,
    batch: B,
    width: I,
    hidden: H,
    input: inputs.x!.data,
    weights: [...Array(directions).keys()].map((d) => ({
      weightIh: inputs[`weightIh${d}`]!.data,
      weightHh: inputs[`weightHh${d}`]!.data,
      biasIh: inputs[`biasIh${d}`]!.data,
      biasHh: inputs[`biasHh${d}`]!.data,
    })),
    reverse,
    lengths,
    initial: initial.map((given, s) => (given ? inputs[`initial${s}`]!.data : [])),
  });
}

/** Runs a layer forward and backward; `upstream` says which results get a gradient. */
async function run(
  name: CellName,
  sizes: Case,
  inputs: Named<Value>,
  upstream: Named<Value> | undefined,
  { cell = makeCell(name), on = gpu } = {},
) {
  const { T, B, I, H, directions = 1, reverse = false, initial = [] } = sizes;
  return evaluate<string, string>(
    on,
    inputs,
    (tape, tensors) => {
      const result = recurrent(tape, {
        cell,
        label: name,
        steps: T,
        batch: B,
        hidden: H,
        inputs: [{ tensor: tensors.x!, column: 0, width: I }],
        weights: weightsOf(tensors, directions),
        reverse,
        ...(tensors.lengths && { lengths: tensors.lengths }),
        initial: initial.map((_, s) => tensors[`initial${s}`]),
      });
      const finals = result.finalStates.map((state, s) => [`final${s}`, state] as const);
      return { output: result.output, ...Object.fromEntries(finals) };
    },
    upstream,
  );
}

function upstreamOf(name: CellName, { T, B, H, directions = 1 }: Case): Named<Value> {
  const width = directions * H;
  const finals = makeCell(name).states.map(
    (_, s) => [`final${s}`, randomFloats(71 + s, [B, width])] as const,
  );
  return { output: randomFloats(70, [T, B, width]), ...Object.fromEntries(finals) };
}

type Evaluated = Awaited<ReturnType<typeof run>>;

function expectGradients(
  { gradients }: Evaluated,
  expected: ReturnType<ReturnType<typeof recurrentReference>['backward']>,
  initial: boolean[] = [],
) {
  expectClose(gradients.x!.data, expected.input, gradientTolerance, 'd x');
  for (const [d, weights] of expected.weights.entries()) {
    for (const [key, values] of Object.entries(weights)) {
      expectClose(gradients[`${key}${d}`]!.data, values, gradientTolerance, `d ${key}${d}`);
    }
  }
  for (const [s, given] of initial.entries()) {
    if (given)
      expectClose(gradients[`initial${s}`]!.data, expected.initial[s]!, gradientTolerance, `d initial${s}`);
  }
}

const both = [true, true];
const cases: [string, Case][] = [
  ['a single number', { T: 1, B: 1, I: 1, H: 1 }],
  ['one step from given states', { T: 1, B: 3, I: 2, H: 5, initial: both }],
  ['forward', { T: 4, B: 5, I: 3, H: 7 }],
  ['backward in time', { T: 4, B: 3, I: 5, H: 8, reverse: true, initial: both }],
  ['both directions', { T: 3, B: 4, I: 4, H: 12, directions: 2, initial: both }],
  ['rows of many lengths', { T: 5, B: 7, I: 3, H: 33, lengths: [5, 1, 0, 3, 5, 2, 4], initial: both }],
  ['backward, lengths', { T: 4, B: 4, I: 3, H: 4, reverse: true, lengths: [2, 4, 0, 3], initial: both }],
  [
    'both, lengths, zero states',
    { T: 5, B: 9, I: 6, H: 20, directions: 2, lengths: [5, 4, 3, 2, 1, 0, 1, 2, 3] },
  ],
  [
    'both, lengths, states',
    { T: 3, B: 5, I: 1, H: 31, directions: 2, lengths: [0, 2, 3, 1, 0], initial: both },
  ],
  ['more than one workgroup', { T: 3, B: 17, I: 8, H: 65, lengths: Array(17).fill(2), initial: both }],
  ['whole tiles', { T: 3, B: 16, I: 8, H: 64, directions: 2 }],
  [
    'tiles of 16 rows, not full',
    { T: 3, B: 21, I: 4, H: 36, lengths: [...Array(21).keys()].map((b) => b % 4), initial: both },
  ],
  ['tiles of 16 rows, both directions', { T: 2, B: 35, I: 3, H: 20, directions: 2, initial: both }],
  ['only h given', { T: 3, B: 2, I: 2, H: 6, initial: [true, false] }],
];

describe.each(cellNames)('%s', (name) => {
  const fitting = (sizes: Case): Case => ({
    ...sizes,
    ...(sizes.initial && { initial: sizes.initial.slice(0, makeCell(name).states.length) }),
  });

  test.each(cases)('%s', async (_, given) => {
    const sizes = fitting(given);
    const inputs = draw(name, sizes);
    const upstream = upstreamOf(name, sizes);
    const reference = referenceOf(name, sizes, inputs);
    const result = await run(name, sizes, inputs, upstream);
    expectClose(result.outputs.output!.data, reference.output, forwardTolerance, 'output');
    for (const [s, final] of reference.final.entries()) {
      expectClose(result.outputs[`final${s}`]!.data, final, forwardTolerance, `final ${s}`);
    }
    const finals = reference.final.map((_, s) => upstream[`final${s}`]!.data);
    const expected = reference.backward({ output: upstream.output!.data, final: finals });
    expectGradients(result, expected, sizes.initial);
  });

  test.each(['output', 'final0'])('gradients through %s alone', async (only) => {
    const sizes = fitting({ T: 3, B: 5, I: 3, H: 9, directions: 2, lengths: [3, 1, 0, 2, 3], initial: both });
    const inputs = draw(name, sizes);
    const upstream = upstreamOf(name, sizes)[only]!;
    const result = await run(name, sizes, inputs, { [only]: upstream });
    const reference = referenceOf(name, sizes, inputs);
    const given = only === 'output' ? { output: upstream.data } : { final: [upstream.data] };
    expectGradients(result, reference.backward(given), sizes.initial);
  });

  // Up to four rows take one kernel, more of them (where the units are a multiple of 4) another one.
  test.each([12, 9])('a row of %i units is the same to the bit in any batch, there and back', async (H) => {
    const B = 21;
    const sizes = fitting({ T: 4, B, I: 5, H, initial: both });
    const inputs = draw(name, sizes);
    const upstream = upstreamOf(name, sizes);
    const whole = await run(name, sizes, inputs, upstream);
    for (const rows of [[0], [20], [3, 4, 5, 6, 7], [9, 2, 17]]) {
      const timeMajor = (value: Value) => takeRows(value, 1, rows);
      const part: Named<Value> = { ...inputs, x: timeMajor(inputs.x!) };
      for (const s of sizes.initial!.keys()) part[`initial${s}`] = takeRows(inputs[`initial${s}`]!, 0, rows);
      const partUpstream: Named<Value> = { output: timeMajor(upstream.output!) };
      for (const s of sizes.initial!.keys())
        partUpstream[`final${s}`] = takeRows(upstream[`final${s}`]!, 0, rows);
      const result = await run(name, { ...sizes, B: rows.length }, part, partUpstream);
      const same = (actual: Value, expected: Value, label: string) =>
        expect(bits(actual.data), `rows ${rows}, ${label}`).toEqual(bits(expected.data));
      same(result.outputs.output!, timeMajor(whole.outputs.output!), 'output');
      same(result.gradients.x!, timeMajor(whole.gradients.x!), 'd x');
      for (const s of sizes.initial!.keys()) {
        const [final, initial] = [`final${s}`, `initial${s}`];
        same(result.outputs[final]!, takeRows(whole.outputs[final]!, 0, rows), final);
        same(result.gradients[initial]!, takeRows(whole.gradients[initial]!, 0, rows), `d ${initial}`);
      }
    }
  });

  test('padding leaves the steps before it as they are, to the bit', async () => {
    const sizes = fitting({ T: 3, B: 3, I: 4, H: 9, directions: 2, lengths: [3, 2, 1], initial: both });
    const inputs = draw(name, sizes);
    const short = await run(name, sizes, inputs, undefined);
    const x = new Float32Array(5 * 3 * 4).fill(99);
    x.set(inputs.x!.data);
    const long = await run(
      name,
      { ...sizes, T: 5 },
      { ...inputs, x: { data: x, shape: [5, 3, 4] } },
      undefined,
    );
    for (const final of makeCell(name).states.map((_, s) => `final${s}`)) {
      expect(bits(long.outputs[final]!.data)).toEqual(bits(short.outputs[final]!.data));
    }
    expect(bits(long.outputs.output!.data.slice(0, 3 * 3 * 18))).toEqual(bits(short.outputs.output!.data));
  });

  test.each([both, []])(
    'memory that starts as NaN changes nothing; initial states: %o',
    async (...initial) => {
      const sizes = fitting({ T: 4, B: 5, I: 3, H: 9, directions: 2, lengths: [4, 1, 0, 3, 2], initial });
      const inputs = draw(name, sizes);
      const upstream = upstreamOf(name, sizes);
      const clean = await run(name, sizes, inputs, upstream);
      const acquire = ScratchPool.prototype.acquire;
      const poisoned = vi.spyOn(ScratchPool.prototype, 'acquire').mockImplementation(function (
        this: ScratchPool,
        sizes,
      ) {
        const buffers = acquire.call(this, sizes);
        for (const buffer of buffers)
          gpu.write(buffer, 0, new Float32Array(buffer.size / 4).fill(Number.NaN));
        return buffers;
      });
      try {
        expect(await run(name, sizes, inputs, upstream)).toEqual(clean);
        expect(poisoned).toHaveBeenCalled();
      } finally {
        poisoned.mockRestore();
      }
      for (const gradient of Object.values(clean.gradients))
        expect(gradient!.data.every(Number.isFinite)).toBe(true);
    },
  );
});

const bits = (values: Float32Array | Uint32Array) => [...new Uint32Array(Float32Array.from(values).buffer)];

/** The given indices of one axis. */
function takeRows({ data, shape }: Value, axis: number, rows: number[]): Value {
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const outer = shape.slice(0, axis).reduce((product, size) => product * size, 1);
  const taken = [...Array(outer).keys()].flatMap((o) =>
    rows.flatMap((row) => {
      const from = (o * shape[axis]! + row) * inner;
      return [...data.slice(from, from + inner)];
    }),
  );
  return { data: Float32Array.from(taken), shape: shape.map((size, i) => (i === axis ? rows.length : size)) };
}

describe.each(cellNames.filter((name) => makeCell(name).stepsAtOnce))(
  '%s with few units: many steps in one dispatch have the bits of one dispatch a step',
  (name) => {
    const hardware = new Gpu(gpu.device, { ...gpu.report, kind: 'hardware' }, false);
    test.each([
      { on: gpu, B: 19, H: 36, lengths: undefined },
      { on: gpu, B: 19, H: 12, lengths: [5, 0, 3, 1, 2] },
      { on: hardware, B: 5, H: 67, lengths: undefined },
      { on: hardware, B: 6, H: 9, lengths: [5, 0, 3, 1, 2] },
    ])('$on.report.kind, B $B, H $H, lengths $lengths', async ({ on, B, H, lengths }) => {
      const sizes: Case = {
        ...{ T: 5, B, I: 3, H, directions: 2, initial: both.slice(0, referenceCells[name].states) },
        ...(lengths && { lengths: Array.from({ length: B }, (_, row) => lengths[row % 5]!) }),
      };
      const inputs = draw(name, sizes);
      const upstream = upstreamOf(name, sizes);
      const { stepsAtOnce, ...cell } = makeCell(name);
      // Two dispatches, so that the second starts where the first has ended.
      const three = { ...cell, stepsAtOnce: () => 3 };
      const results = await Promise.all(
        [cell, three, makeCell(name)].map((cell) => run(name, sizes, inputs, upstream, { cell, on })),
      );
      const tape = new Tape({ ...on.traits, training: true });
      expect(stepsAtOnce!(tape, { batch: B, hidden: H, directions: 2 })).toBeGreaterThan(1);
      for (const { outputs, gradients } of results.slice(1)) {
        expect(outputs).toEqual(results[0]!.outputs);
        expect(gradients).toEqual(results[0]!.gradients);
      }
    });
  },
);

/**
 * The layer fed with its own last h beside x: W_hh h + W_f h is a plain layer with the recurrent weights W_hh + W_f,
 * whose gradient both get. (Not so for the GRU, whose reset gate sees only W_hh h.)
 */
describe.each(['rnn-tanh', 'rnn-relu', 'lstm'] as const)(
  '%s step by step, fed with its own output',
  (name) => {
    const [T, B, I, H] = [5, 4, 3, 6];
    const sizes: Case = { T, B, I, H, initial: both.slice(0, referenceCells[name].states) };
    const G = referenceCells[name].gates;

    test.each([true, false])('initial feed given: %s', async (hasInitial) => {
      if (!hasInitial) sizes.initial = [false, ...sizes.initial!.slice(1)];
      const drawn = draw(name, sizes);
      const feedWeight = randomFloats(80, [G * H, H], 0.5);
      const joined = Float32Array.from({ length: G * H * (I + H) }, (_, index) => {
        const [row, column] = [Math.floor(index / (I + H)), index % (I + H)];
        return column < I ? drawn.weightIh0!.data[row * I + column]! : feedWeight.data[row * H + column - I]!;
      });
      const inputs = { ...drawn, weightIh0: { data: joined, shape: [G * H, I + H] } };
      const upstream = upstreamOf(name, sizes);
      const result = await evaluate<string, string>(
        gpu,
        inputs,
        (tape, tensors) => {
          const fed = tape.tensor('fed', [T, B, H], { needsGradient: true });
          const words = { tensor: tensors.x!, column: 0, width: I };
          const feed = {
            tensor: fed,
            column: I,
            width: H,
            shift: 1,
            ...(tensors.initial0 && { initial: tensors.initial0 }),
          };
          const layer = new RecurrentLayer(tape, {
            cell: makeCell(name),
            label: name,
            steps: T,
            batch: B,
            hidden: H,
            inputs: [words, feed],
            weights: weightsOf(tensors, 1),
            initial: sizes.initial!.map((_, s) => tensors[`initial${s}`]),
          });
          const at = (tensor: Tensor, t: number) => ({ tensor, offset: t * B * H, row: H });
          layer.projectInput(words, 0, T);
          for (let t = 0; t < T; t++) {
            layer.projectInput(feed, t, t + 1);
            layer.forward(t, t + 1);
            recordCopyRows(tape, at(layer.output, t), at(fed, t), B, H);
          }
          const finals = layer.finalStates();
          tape.onBackward(() => {
            for (let t = T - 1; t >= 0; t--) {
              if (t < T - 1) {
                const [from, to] = [tape.gradientOf(fed)!, tape.gradientPart(layer.output)!];
                recordCopyRows(tape, at(from, t), at(to, t), B, H, 1);
              }
              layer.backward(t, t + 1);
              layer.backwardInput(feed, t, t + 1);
            }
            layer.backwardInput(words, 0, T);
            layer.finishBackward();
          });
          return { output: layer.output, ...Object.fromEntries(finals.map((f, s) => [`final${s}`, f])) };
        },
        upstream,
      );
      const merged = drawn.weightHh0!.data.map((value, index) => value + feedWeight.data[index]!);
      const reference = referenceOf(name, sizes, {
        ...drawn,
        weightHh0: { data: merged, shape: [G * H, H] },
      });
      expectClose(result.outputs.output!.data, reference.output, forwardTolerance, 'output');
      const finals = reference.final.map((_, s) => upstream[`final${s}`]!.data);
      const expected = reference.backward({ output: upstream.output!.data, final: finals });
      const [weights] = expected.weights;
      const split = (part: (column: number) => boolean) =>
        result.gradients.weightIh0!.data.filter((_, index) => part(index % (I + H)));
      expectClose(
        split((column) => column < I),
        weights!.weightIh,
        gradientTolerance,
        'd W_ih, words',
      );
      expectClose(
        split((column) => column >= I),
        weights!.weightHh,
        gradientTolerance,
        'd W_ih, feed',
      );
      expectClose(result.gradients.weightHh0!.data, weights!.weightHh, gradientTolerance, 'd W_hh');
      expectClose(result.gradients.biasIh0!.data, weights!.biasIh, gradientTolerance, 'd b_ih');
      expectClose(result.gradients.biasHh0!.data, weights!.biasHh, gradientTolerance, 'd b_hh');
      expectClose(result.gradients.x!.data, expected.input, gradientTolerance, 'd x');
      for (const [s, given] of sizes.initial!.entries()) {
        if (given)
          expectClose(
            result.gradients[`initial${s}`]!.data,
            expected.initial[s]!,
            gradientTolerance,
            `d ${s}`,
          );
      }
    });
  },
);
