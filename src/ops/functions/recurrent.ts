/** `lstm`, `gru`, `gruResetBefore`, `rnn` on plain arrays: one layer, one direction or both, with PyTorch's weights. */
import { ShapeError } from '../../errors.ts';
import type { Tape } from '../../scheduler/tape.ts';
import type { Tensor } from '../../scheduler/tensor.ts';
import { type CellChoice, cells } from '../cells/registry.ts';
import { recurrent } from '../recurrent.ts';
import {
  checkIds,
  defineOp,
  type FloatTensor,
  type IdTensor,
  type InputDescription,
  type Inputs,
} from './define-op.ts';

export interface RecurrentInputs {
  readonly x: FloatTensor;
  readonly weightIh: FloatTensor;
  readonly weightHh: FloatTensor;
  readonly biasIh: FloatTensor;
  readonly biasHh: FloatTensor;
  readonly weightIhReverse?: FloatTensor;
  readonly weightHhReverse?: FloatTensor;
  readonly biasIhReverse?: FloatTensor;
  readonly biasHhReverse?: FloatTensor;
  readonly lengths?: IdTensor;
  readonly h0?: FloatTensor;
}

export interface LstmInputs extends RecurrentInputs {
  readonly c0?: FloatTensor;
}

export interface RecurrentOptions {
  readonly reverse?: boolean;
}

export interface RnnOptions extends RecurrentOptions {
  readonly nonlinearity?: 'tanh' | 'relu';
}

const names = ['weightIh', 'weightHh', 'biasIh', 'biasHh'] as const;

function weightInputs(gates: number): Record<string, InputDescription> {
  const rows = gates === 1 ? 'H' : `${gates}H`;
  const own = { weightIh: `${rows} I`, weightHh: `${rows} H`, biasIh: rows, biasHh: rows };
  const entries = Object.entries(own).map(([name, shape]) => [name, { shape }] as const);
  const both = 'of the direction that reads backwards; all four or none';
  const reverse = entries.map(
    ([name, { shape }]) => [`${name}Reverse`, { shape, optional: true, doc: both }] as const,
  );
  return Object.fromEntries([...entries, ...reverse]);
}

function recurrentInputs(gates: number, states: readonly string[]): Record<string, InputDescription> {
  const initial = (state: string) =>
    [`${state}0`, { shape: 'B DH', optional: true, doc: 'before the first step; default: zeros' }] as const;
  return {
    x: { shape: 'T B I' },
    ...weightInputs(gates),
    lengths: { shape: 'B', dtype: 'u32', optional: true, doc: 'steps of each row; default: all T' },
    ...Object.fromEntries(states.map(initial)),
  };
}

const output = {
  shape: 'T B DH',
  doc: 'h after each step, D directions side by side; a row that has ended repeats its last',
};
const last = { shape: 'B DH', doc: 'after each row’s last step' };
const reverse = 'read from the last step to the first (one direction only); default false';

const activations = ['x', 'h0', 'c0'];

const directions = (inputs: Inputs) => ({ D: inputs.weightIhReverse ? 2 : 1 });

function complete(op: string) {
  return (inputs: Inputs, { reverse = false }: RecurrentOptions, { T }: Readonly<Record<string, number>>) => {
    const given = names.filter((name) => inputs[`${name}Reverse`]);
    if (given.length % names.length !== 0) {
      const missing = names.filter((name) => !given.includes(name)).map((name) => `${name}Reverse`);
      throw new ShapeError(`${op}: the direction that reads backwards lacks ${missing.join(', ')}`);
    }
    if (reverse && given.length > 0)
      throw new ShapeError(`${op}: reverse is for a layer with one direction, and both are given`);
    if (inputs.lengths) checkIds(op, 'lengths', inputs.lengths, T! + 1);
    return inputs;
  };
}

function build(
  tape: Tape,
  tensors: Readonly<Record<string, Tensor>>,
  choice: CellChoice,
  reverse = false,
): { output: Tensor; finalStates: Tensor[] } {
  const x = tensors.x!;
  const cell = cells.get(choice);
  const weights = (suffix: string) => ({
    weightIh: tensors[`weightIh${suffix}`]!,
    weightHh: tensors[`weightHh${suffix}`]!,
    biasIh: tensors[`biasIh${suffix}`]!,
    biasHh: tensors[`biasHh${suffix}`]!,
  });
  return recurrent(tape, {
    cell,
    label: choice.cell,
    steps: x.dim(0),
    batch: x.dim(1),
    hidden: tensors.weightHh!.dim(1),
    inputs: [{ tensor: x, column: 0, width: x.dim(2) }],
    weights: tensors.weightIhReverse ? [weights(''), weights('Reverse')] : [weights('')],
    reverse,
    ...(tensors.lengths && { lengths: tensors.lengths }),
    initial: cell.states.map((state) => tensors[`${state}0`]),
  });
}

export const lstm = defineOp<LstmInputs, 'output' | 'h' | 'c', RecurrentOptions>({
  name: 'lstm',
  doc: 'a layer of long short-term memory, as one layer of `torch.nn.LSTM` (gates i, f, g, o)',
  inputs: recurrentInputs(4, ['h', 'c']),
  outputs: { output, h: last, c: last },
  options: { reverse },
  activations,
  letters: directions,
  complete: complete('lstm'),
  build: (tape, tensors, options) => {
    const { output, finalStates } = build(tape, tensors, { cell: 'lstm' }, options.reverse);
    return { output, h: finalStates[0]!, c: finalStates[1]! };
  },
});

export const gru = defineOp<RecurrentInputs, 'output' | 'h', RecurrentOptions>({
  name: 'gru',
  doc: 'a layer of gated recurrent units, as one layer of `torch.nn.GRU` (gates r, z, n; reset after the product)',
  inputs: recurrentInputs(3, ['h']),
  outputs: { output, h: last },
  options: { reverse },
  activations,
  letters: directions,
  complete: complete('gru'),
  build: (tape, tensors, options) => {
    const { output, finalStates } = build(tape, tensors, { cell: 'gru' }, options.reverse);
    return { output, h: finalStates[0]! };
  },
});

export const gruResetBefore = defineOp<RecurrentInputs, 'output' | 'h', RecurrentOptions>({
  name: 'gruResetBefore',
  doc:
    'a layer of gated recurrent units as first published (Cho et al. 2014): gates r, z, n as in `gru`, but the reset ' +
    'before the product, n = tanh(W_in x + b_in + W_hn (r ⊙ h) + b_hn)',
  inputs: recurrentInputs(3, ['h']),
  outputs: { output, h: last },
  options: { reverse },
  activations,
  letters: directions,
  complete: complete('gruResetBefore'),
  build: (tape, tensors, options) => {
    const { output, finalStates } = build(tape, tensors, { cell: 'gru_reset_before' }, options.reverse);
    return { output, h: finalStates[0]! };
  },
});

export const rnn = defineOp<RecurrentInputs, 'output' | 'h', RnnOptions>({
  name: 'rnn',
  doc: 'a simple recurrent layer, as one layer of `torch.nn.RNN`',
  inputs: recurrentInputs(1, ['h']),
  outputs: { output, h: last },
  options: { reverse, nonlinearity: "`'tanh'` (default) or `'relu'`" },
  activations,
  letters: directions,
  complete: complete('rnn'),
  build: (tape, tensors, { reverse, nonlinearity = 'tanh' }) => {
    const { output, finalStates } = build(tape, tensors, { cell: 'rnn', nonlinearity }, reverse);
    return { output, h: finalStates[0]! };
  },
});
