/** The cells as shared code sees them: the registry, a cell of one's own, portable limits, races. */
import { describe, expect, test } from 'vitest';
import { ConfigError, ShapeError } from '../../src/errors.ts';
import { type ShaderName, shaderInfo } from '../../src/gpu/shader.ts';
import type { Cell } from '../../src/ops/cells/cell.ts';
import { cells } from '../../src/ops/cells/registry.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { type RecurrentOptions, recurrent } from '../../src/ops/recurrent.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats } from '../setup/random.ts';

test('a cell is found by name; an unknown one is told what there is', () => {
  expect(cells.names()).toEqual(expect.arrayContaining(['lstm', 'gru', 'rnn']));
  expect(cells.get({ cell: 'rnn', nonlinearity: 'relu' }).name).toBe('rnn-relu');
  expect(() => cells.get({ cell: 'lstn' })).toThrow(ConfigError);
  expect(() => cells.get({ cell: 'lstn' })).toThrow(/lstm, gru, gru_reset_before, rnn/);
  expect(() => cells.get({ cell: 'rnn', nonlinearity: 'gelu' })).toThrow(/tanh or relu/);
  expect(() => cells.register('lstm', () => cells.get({ cell: 'lstm' }))).toThrow(ConfigError);
});

/** h[t] = gates[t] + h[t-1]: no recurrent weights; gates, slots and states as a cell may well declare them. */
const sumCell: Cell = {
  name: 'sum',
  gates: 2,
  slots: 3,
  recurrentSlots: [0, 2],
  states: ['h'],
  forward(tape, { step, steps, batch, hidden, gates, states }) {
    const row = 3 * hidden;
    const [size, slot] = [batch * hidden, step * batch * hidden];
    const grid = { rows: batch, columns: hidden, stride: 64 * Math.ceil(size / 64) };
    const bindings = { x: gates, y: states[0]! };
    const params = { ...grid, xOffset: step * batch * row, xRow: row, yOffset: slot, yRow: hidden };
    tape.dispatch('copy', 'main', {
      bindings,
      params: { ...params, accumulate: 0 },
      workgroups: [Math.ceil(size / 64)],
    });
    if (step === 0 || steps === 1) return;
    const before = tape.tensor('before', [batch, hidden]);
    const flat = { ...grid, xRow: hidden, yRow: hidden };
    tape.dispatch('copy', 'main', {
      bindings: { x: states[0]!, y: before },
      params: { ...flat, xOffset: slot - size, yOffset: 0, accumulate: 0 },
      workgroups: [Math.ceil(size / 64)],
    });
    tape.dispatch('copy', 'main', {
      bindings: { x: before, y: states[0]! },
      params: { ...flat, xOffset: 0, yOffset: slot, accumulate: 1 },
      workgroups: [Math.ceil(size / 64)],
    });
  },
  backward() {
    throw new Error('not asked for');
  },
};

test('a cell of one’s own takes a name, two gates and three slots, and shared code runs it', async () => {
  cells.register('sum', () => sumCell);
  const [T, B, I, H] = [3, 2, 4, 5];
  const x = randomFloats(1, [T, B, I]);
  const weightIh = randomFloats(2, [2 * H, I]);
  const zeros = (...shape: number[]) => ({
    data: new Float32Array(shape.reduce((a, b) => a * b)),
    shape,
  });
  const inputs = { x, weightIh, weightHh: zeros(2 * H, H), biasIh: zeros(2 * H), biasHh: zeros(2 * H) };
  const { outputs } = await evaluate(await testGpu(), inputs, (tape, { x, ...weights }) => {
    const input = { tensor: x, column: 0, width: I };
    const cell = cells.get({ cell: 'sum' });
    const options = {
      cell,
      label: 'sum',
      steps: T,
      batch: B,
      hidden: H,
      inputs: [input],
      weights: [weights],
    };
    return { output: recurrent(tape, options).output };
  });
  for (let b = 0; b < B; b++) {
    for (let j = 0; j < H; j++) {
      let sum = 0;
      for (let t = 0; t < T; t++) {
        for (let k = 0; k < I; k++) sum += x.data[(t * B + b) * I + k]! * weightIh.data[j * I + k]!;
        expect(outputs.output.data[(t * B + b) * H + j]).toBeCloseTo(sum, 5);
      }
    }
  }
});

/** A layer recorded without any device. */
function record(
  name: string,
  sizes: { T: number; B: number; I: number; H: number; D: number },
  software = true,
) {
  const { T, B, I, H, D } = sizes;
  const tape = new Tape({ software, subgroups: true, training: true });
  const trained = { needsGradient: true };
  const cell = cells.get({ cell: name });
  const rows = cell.gates * H;
  const options: RecurrentOptions = {
    cell,
    label: name,
    steps: T,
    batch: B,
    hidden: H,
    inputs: [{ tensor: tape.tensor('x', [T, B, I], trained), column: 0, width: I }],
    weights: Array.from({ length: D }, () => ({
      weightIh: tape.tensor('weightIh', [rows, I], trained),
      weightHh: tape.tensor('weightHh', [rows, H], trained),
      biasIh: tape.tensor('biasIh', [rows], trained),
      biasHh: tape.tensor('biasHh', [rows], trained),
    })),
    lengths: tape.tensor('lengths', [B], { dtype: 'u32' }),
    initial: cell.states.map((state) => tape.tensor(`initial ${state}`, [B, D * H], trained)),
  };
  return { tape, options };
}

/** A kernel of a cell; with the wrong text in place of the right one, its threads read what others write. */
interface CellKernel {
  entry: string;
  right: RegExp;
  wrong: string;
}

interface CellKernels {
  name: string;
  shader: ShaderName;
  /** In a step there, and in a step back; for both directions. */
  dispatches: number;
  kernels: CellKernel[];
}

// With its own time as the time before or after, a step would read what its neighbours write.
const ownTime = { right: /\bstep [+-] 1u\)/g, wrong: 'step)' };
// Without the barrier a step would read what its neighbours are still to write in the step before.
const noBarrier = { right: /storageBarrier\(\);/g, wrong: '' };
const fused: CellKernel[] = [
  { entry: 'forward', ...ownTime },
  { entry: 'backward', ...ownTime },
  { entry: 'forward_steps', ...noBarrier },
  { entry: 'backward_steps', ...noBarrier },
];

const kernelsOfCells: CellKernels[] = [
  { name: 'lstm', shader: 'lstm-cell', dispatches: 1, kernels: fused },
  { name: 'gru', shader: 'gru-cell', dispatches: 1, kernels: fused },
  { name: 'rnn', shader: 'rnn-cell', dispatches: 1, kernels: fused },
  {
    name: 'gru_reset_before',
    shader: 'gru-reset-before-cell',
    dispatches: 2,
    kernels: [
      // Each reads one slot of all units and writes others of its own: wrong is to read what it writes.
      {
        entry: 'forwardGates',
        right: /hRead\[before\.x \+ k\]/g,
        wrong: 'gates[gateRows(direction, timeOf(direction, params.step), row0).x + k]',
      },
      { entry: 'forwardState', right: /place \+ 3u \* H/g, wrong: 'place + 2u * H' },
      { entry: 'backwardState', ...ownTime },
      { entry: 'backwardGates', right: /place \+ 2u \* H/g, wrong: 'place' },
    ],
  },
];

describe.each(kernelsOfCells)('$name', ({ name, shader, dispatches, kernels }) => {
  test.each([true, false])('the largest layers fit the portable limits (software: %s)', (software) => {
    const { tape, options } = record(name, { T: 4, B: 512, I: 2048, H: 2048, D: 2 }, software);
    const { output, finalStates } = recurrent(tape, options);
    for (const tensor of [output, ...finalStates]) {
      tape.seedGradient(tensor, tape.tensor(`d ${tensor.label}`, tensor.shape));
    }
    tape.backward();
    expect(tape.dispatches.length).toBeGreaterThan(20);
    for (const { bindings, workgroups } of tape.dispatches) {
      expect(bindings.length).toBeLessThanOrEqual(8);
      expect(Math.max(...workgroups)).toBeLessThanOrEqual(65_535);
      for (const { tensor } of bindings) expect(tensor.storage.bytes).toBeLessThanOrEqual(128 * 2 ** 20);
    }
  });

  test('a step there and a step back: as many dispatches as the cell says, for both directions', () => {
    const count = (T: number) => {
      const { tape, options } = record(name, { T, B: 8, I: 8, H: 132, D: 2 });
      const { output } = recurrent(tape, options);
      tape.seedGradient(output, tape.tensor('d output', output.shape));
      tape.backward();
      return tape.dispatches.length;
    };
    expect(count(7) - count(6)).toBe(2 * dispatches);
    expect(count(6)).toBeLessThan(2 * dispatches * 6 + 40);
  });

  test.each([
    { kind: 'hardware', software: false, H: 128, more: 132 },
    { kind: 'software', software: true, H: 64, more: 68 },
  ])('of a layer with few units many steps are one dispatch on $kind', ({ software, H, more }) => {
    const entries = (T: number, hidden: number, B = 8) => {
      const { tape, options } = record(name, { T, B, I: 8, H: hidden, D: 2 }, software);
      const { output } = recurrent(tape, options);
      tape.seedGradient(output, tape.tensor('d output', output.shape));
      tape.backward();
      return tape.dispatches.filter(({ entry }) => /^(forward|backward)/.test(entry)).length;
    };
    const few = dispatches === 1;
    expect(entries(9, H)).toBe(few ? 2 : 9 * 2 * dispatches);
    expect(entries(9, more)).toBe(9 * 2 * dispatches);
    // No dispatch may run for long.
    if (few) expect(entries(1000, H, 512)).toBeGreaterThan(2);
  });

  test('shapes that do not fit are refused by name', () => {
    const { tape, options } = record(name, { T: 2, B: 3, I: 4, H: 5, D: 1 });
    const refused = (change: Partial<RecurrentOptions>) => () => recurrent(tape, { ...options, ...change });
    expect(refused({ hidden: 6 })).toThrow(ShapeError);
    expect(refused({ batch: 4 })).toThrow(/x\[2,3,4\]/);
    expect(refused({ weights: [] })).toThrow(/0 directions/);
    expect(refused({ lengths: tape.tensor('short', [2], { dtype: 'u32' }) })).toThrow(/short/);
    expect(refused({ inputs: [{ ...options.inputs[0]!, column: 1 }] })).toThrow(ShapeError);
  });

  test.each(kernels)('$entry has no data races', ({ entry, right, wrong }) => {
    const info = shaderInfo(shader);
    const [T, B, H] = [3, 5, 6];
    const { slots } = cells.get({ cell: name });
    const buffers = Object.fromEntries(
      Object.keys(info.entries[entry]!.bindings).map((binding) => [
        binding,
        binding === 'lengths' ? Uint32Array.of(3, 0, 1, 2, 3) : randomFloats(1, [T * B * H * slots * 6]).data,
      ]),
    );
    const params = {
      step: 1,
      count: 2,
      steps: T,
      batch: B,
      hidden: H,
      width: 2 * H,
      reverse: 2,
      hasLengths: 1,
      hasUpstream: 1,
    };
    const check = {
      buffers,
      params: { ...params, hasInitial: 1, hasCarry: 3 },
      workgroups: [1, 2, 2] as const,
    };
    expect(findRaces(info, entry, check)).toEqual([]);
    const code = info.code.replaceAll(right, wrong);
    expect(findRaces(info, entry, { ...check, code })).not.toEqual([]);
  });
});
