/**
 * What a recurrent layer is made from (see `recurrent.ts`), checked, and where in time each of its inputs lies.
 */
import { ShapeError } from '../errors.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import type { Cell } from './cells/cell.ts';

/** One direction's weights in PyTorch's layout: G blocks of H rows, one a gate. */
export interface DirectionWeights {
  /** [G*H, I] */
  readonly weightIh: Tensor;
  /** [G*H, H] */
  readonly weightHh: Tensor;
  /** [G*H] */
  readonly biasIh: Tensor;
  /** [G*H] */
  readonly biasHh: Tensor;
}

/** One source of a layer's input: `width` columns of weight_ih from `column` on. */
export interface RecurrentInput {
  /** [T, B, width]; slot t - shift holds the input of step t. */
  readonly tensor: Tensor;
  readonly column: number;
  readonly width: number;
  /** 0 unless given. Steps before it take `initial`, or nothing where that is absent. */
  readonly shift?: number;
  /** [B, width] */
  readonly initial?: Tensor;
  /** Only the first so many steps have this input; all where absent. */
  readonly steps?: number;
}

export interface RecurrentOptions {
  readonly cell: Cell;
  readonly label: string;
  /** T */
  readonly steps: number;
  /** B */
  readonly batch: number;
  /** H, units a direction */
  readonly hidden: number;
  /** Together they cover the columns of weight_ih. */
  readonly inputs: readonly RecurrentInput[];
  /** One a direction: [forward] (or backward, with `reverse`), or [forward, backward]. */
  readonly weights: readonly DirectionWeights[];
  /** Runs a single direction backwards in time. */
  readonly reverse?: boolean;
  /** u32 [B]: the steps of each row; all T where absent. Later steps carry the state unchanged. */
  readonly lengths?: Tensor;
  /** One a state of the cell, [B, D*H]; zeros where absent. */
  readonly initial?: readonly (Tensor | undefined)[];
}

/** Where the input of steps `start` to `end` lies: time slots of `tensor` from `slot` on. */
export interface InputPart {
  readonly tensor: Tensor;
  readonly slot: number;
  readonly start: number;
  readonly end: number;
}

export function inputParts(input: RecurrentInput, start: number, end: number): InputPart[] {
  const { tensor, initial, shift = 0 } = input;
  const last = Math.min(end, input.steps ?? end);
  const parts: InputPart[] = [];
  for (let time = start; initial && time < Math.min(last, shift); time++) {
    parts.push({ tensor: initial, slot: 0, start: time, end: time + 1 });
  }
  const from = Math.max(start, shift);
  if (from < last) parts.push({ tensor, slot: from - shift, start: from, end: last });
  return parts;
}

/** Throws ShapeError, naming the tensor, where the options do not fit together. */
export function checkRecurrent({
  cell,
  label,
  steps,
  batch,
  hidden,
  inputs,
  weights,
  reverse,
  lengths,
  initial = [],
}: RecurrentOptions) {
  if (steps < 1 || batch < 1 || hidden < 1)
    throw new ShapeError(`${label}: ${steps} steps, batch ${batch}, ${hidden} units`);
  if (weights.length < 1 || weights.length > 2)
    throw new ShapeError(`${label}: ${weights.length} directions`);
  if (reverse && weights.length === 2) throw new ShapeError(`${label}: 'reverse' is for a single direction`);
  const rows = cell.gates * hidden;
  const columns = inputs.reduce((sum, { width }) => sum + width, 0);
  for (const { weightIh, weightHh, biasIh, biasHh } of weights) {
    expectShape(weightIh, rows, columns);
    expectShape(weightHh, rows, hidden);
    expectShape(biasIh, rows);
    expectShape(biasHh, rows);
  }
  for (const { tensor, column, width, shift = 0, initial: before, steps: most = steps } of inputs) {
    if (column < 0 || column + width > columns)
      throw new ShapeError(`${label}: ${tensor} has no columns in weight_ih`);
    expectShape(tensor, Math.max(tensor.dim(0), Math.min(steps, most) - shift), batch, width);
    if (before) expectShape(before, batch, width);
  }
  if (lengths) expectShape(lengths, batch);
  if (initial.length > cell.states.length)
    throw new ShapeError(`${label}: ${cell.name} has ${cell.states.length} states`);
  for (const state of initial) if (state) expectShape(state, batch, weights.length * hidden);
}
