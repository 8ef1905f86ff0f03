/** Recurrent cells: one step alone, and a layer over all steps with its input products and weights' gradients. */
import type { Cell } from '../../ops/cells/cell.ts';
import { cells } from '../../ops/cells/registry.ts';
import { recurrent } from '../../ops/recurrent.ts';
import { type ReferenceWeights, recurrentReference } from '../../reference/recurrent.ts';
import type { Dispatch } from '../../scheduler/tape.ts';
import { type KernelCase, type KernelSetup, kernelBench, transcendental } from './kernel.ts';
import type { RandomValues } from './random-values.ts';
import { clearOtherRows, everyIndex, pickRows, rowsOfBatch, spreadOut, whole } from './samples.ts';

/** As configurations and benches name a cell, how the reference calls it, and transcendental functions a unit. */
const kinds = [
  { name: 'rnn', reference: 'rnn-tanh', functions: 1 },
  { name: 'lstm', reference: 'lstm', functions: 5 },
  { name: 'gru', reference: 'gru', functions: 3 },
  { name: 'gru_reset_before', reference: 'gru_reset_before', functions: 3 },
] as const;
type Kind = (typeof kinds)[number];

export const recurrentBenches = kinds.map((kind) =>
  kernelBench({
    name: kind.name,
    summary: `A step of the cell, and a layer of it over all steps`,
    cases: ({ dimensions: { B, S, E, H } }) => [stepCase(kind, B, H), layerCase(kind, S, B, E, H)],
  }),
);

const weightNames = ['weightIh', 'weightHh', 'biasIh', 'biasHh'] as const;

/**
 * One step in the middle of a sequence, where state comes in from one side and gradient from the other: of two steps the
 * second forward and the first backward.
 */
function stepCase(kind: Kind, B: number, H: number): KernelCase {
  const cell = cellOf(kind);
  const product = 2 * B * cell.gates * H * H;
  const [gates, states] = [B * cell.slots * H, B * H * cell.states.length];
  const weights = cell.gates * H * H;
  return {
    title: `${cell.name} step`,
    sizes: { B, H },
    // Gates are read and written, states of the step before read and new ones written.
    forward: {
      flops: product + B * H * (kind.functions * transcendental + 10),
      bytes: 4 * (weights + 2 * gates + 2 * states),
    },
    // Activated gates and states are read, the next step's gradients too; gradients and what is carried are written.
    backward: { flops: product + B * H * 25, bytes: 4 * (weights + 3 * gates + 3 * states) },
    setup: (random) => ({ ...setUp(random, kind, 2, B, 3, H), timed: isMiddleStep }),
  };
}

function isMiddleStep({ shader, entry, params }: Dispatch): boolean {
  const field = shader.name.includes('-cell') && shader.params.find(({ name }) => name === 'step');
  if (!field || !params) return false;
  const step = new DataView(params).getUint32(field.offset, true);
  return step === (entry.startsWith('forward') ? 1 : 0);
}

function layerCase(kind: Kind, T: number, B: number, I: number, H: number): KernelCase {
  const cell = cellOf(kind);
  const product = 2 * T * B * cell.gates * H * (I + H);
  const units = T * B * H;
  const weights = cell.gates * H * (I + H + 2);
  const traced = units * (cell.slots + cell.states.length);
  return {
    title: `${cell.name} layer`,
    sizes: { T, B, I, H },
    forward: {
      flops: product + units * (kind.functions * transcendental + 10),
      bytes: 4 * (weights + T * B * I + traced),
    },
    // Gradients of inputs and of weights.
    backward: { flops: 2 * product + units * 25, bytes: 4 * (2 * weights + 2 * T * B * I + 2 * traced) },
    setup: (random) => setUp(random, kind, T, B, I, H),
  };
}

function cellOf({ name }: Kind): Cell {
  return cells.get({ cell: name, nonlinearity: 'tanh' });
}

/** Only some rows of the batch have a gradient, so that what they should give is all there is to know. */
function setUp(random: RandomValues, kind: Kind, T: number, B: number, I: number, H: number): KernelSetup {
  const cell = cellOf(kind);
  const rows = cell.gates * H;
  const scale = 1 / Math.sqrt(H);
  const rowFlops = T * rows * (I + H);
  const chosen = spreadOut(B, Math.max(2, Math.min(B, Math.floor(1e7 / rowFlops))));
  const x = random.floats([T, B, I]);
  const weights = {
    weightIh: random.floats([rows, I], scale),
    weightHh: random.floats([rows, H], scale),
    biasIh: random.floats([rows], scale),
    biasHh: random.floats([rows], scale),
  };
  const initial = cell.states.map((state) => [`${state}0`, random.floats([B, H])] as const);
  const output = random.floats([T, B, H]);
  clearOtherRows(output.data, rowsOfBatch(T, B, chosen), H);
  return {
    inputs: { x, ...weights, ...Object.fromEntries(initial) },
    build(tape, tensors) {
      const inputs = [{ tensor: tensors.x!, column: 0, width: I }];
      const { weightIh, weightHh, biasIh, biasHh } = tensors;
      const own = { weightIh: weightIh!, weightHh: weightHh!, biasIh: biasIh!, biasHh: biasHh! };
      const layer = recurrent(tape, {
        cell,
        label: cell.name,
        steps: T,
        batch: B,
        hidden: H,
        inputs,
        weights: [own],
        initial: initial.map(([name]) => tensors[name]),
      });
      return { output: layer.output };
    },
    upstream: { output },
    check() {
      const [steps, every] = [rowsOfBatch(T, B, chosen), everyIndex(chosen, H)];
      const layer = recurrentReference({
        cell: kind.reference,
        steps: T,
        batch: chosen.length,
        width: I,
        hidden: H,
        input: pickRows(x.data, steps, I),
        weights: [
          Object.fromEntries(
            weightNames.map((name) => [name, weights[name].data]),
          ) as unknown as ReferenceWeights,
        ],
        initial: initial.map(([, { data }]) => pickRows(data, chosen, H)),
      });
      const slopes = layer.backward({ output: pickRows(output.data, steps, H) });
      return {
        values: [{ tensor: 'output', at: everyIndex(steps, H), expected: layer.output }],
        gradients: [
          { tensor: 'd x', at: everyIndex(steps, I), expected: slopes.input },
          ...weightNames.map((name) => whole(`d ${name}`, slopes.weights[0]![name])),
          ...initial.map(([name], state) => {
            return { tensor: `d ${name}`, at: every, expected: slopes.initial[state]! };
          }),
        ],
      };
    },
  };
}
