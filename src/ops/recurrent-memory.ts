/**
 * The memory of a recurrent layer, laid out as `cells/cell.ts` describes, and where things lie in it as matrices.
 */
import type { Tape } from '../scheduler/tape.ts';
import { Tensor } from '../scheduler/tensor.ts';
import type { Cell, RecurrentFactor } from './cells/cell.ts';
import { recordCopyRows } from './copy.ts';
import type { Matrix } from './matmul.ts';
import type { RecurrentOptions } from './recurrent-options.ts';

/**
 * A run of equal-width blocks: the gradients for `count` blocks of weight_hh from `block` on lie in the gate buffer from
 * `slot` on, and `input` is what those blocks were multiplied by.
 */
export interface Run {
  readonly block: number;
  readonly slot: number;
  readonly count: number;
  readonly input: RecurrentFactor;
}

export class RecurrentMemory {
  readonly options: RecurrentOptions;
  /** D */
  readonly directions: number;
  /** Bit d: direction d runs backwards in time. */
  readonly reverse: number;
  /** [D, T, B, Q*H] */
  readonly gates: Tensor;
  /**
   * [T+1, B, D*H] each; the first's first T slots are the output. The others (an LSTM's c) are f32 in any case: a state that
   * sums over steps would lose what is small beside it.
   */
  readonly states: readonly Tensor[];
  /** [T, B, D*H] */
  readonly output: Tensor;
  /** 1: slot T of the states holds initial states. */
  readonly hasInitial: 0 | 1;
  /** Where the gradients for weight_hh lie in the gate buffer. */
  readonly recurrentRuns: readonly Run[];

  constructor(tape: Tape, options: RecurrentOptions) {
    const { cell, label, steps, batch, hidden, weights, inputs, initial = [] } = options;
    this.options = options;
    this.directions = weights.length;
    this.reverse = weights.length === 2 ? 2 : options.reverse ? 1 : 0;
    const width = weights.length * hidden;
    const sources = [
      ...inputs.flatMap((input) => [input.tensor, input.initial]),
      ...initial,
      ...weights.flatMap((direction) => Object.values(direction) as Tensor[]),
    ];
    this.gates = tape.tensor(`${label}/gates`, [weights.length, steps, batch, cell.slots * hidden], {
      dtype: tape.stored,
    });
    const h = tape.result(`${label}/h`, [steps + 1, batch, width], ...sources);
    const others = cell.states.slice(1).map((name) => tape.tensor(`${label}/${name}`, h.shape));
    this.states = [h, ...others];
    this.output = new Tensor([steps, batch, width], h.dtype, h.storage, h.needsGradient);
    this.hasInitial = initial.some((state) => state) ? 1 : 0;
    this.recurrentRuns = runsOf(cell);
    if (this.hasInitial) this.#placeInitialStates(tape);
  }

  #placeInitialStates(tape: Tape): void {
    const { initial = [], steps, batch, hidden } = this.options;
    const size = batch * this.directions * hidden;
    for (const [index, state] of this.states.entries()) {
      const source = initial[index];
      if (source) recordCopySpan(tape, source, state, size, steps * size);
      else tape.fill(state, 0);
    }
  }

  isReverse(direction: number): boolean {
    return ((this.reverse >> direction) & 1) === 1;
  }

  /** The time at which a direction takes a step. */
  timeOf(direction: number, step: number): number {
    return this.isReverse(direction) ? this.options.steps - 1 - step : step;
  }

  /** Rows (time, batch) of one direction's gates from `time` and `slot` on. */
  gateRows(direction: number, time: number, slot = 0): Matrix {
    const { cell, steps, batch, hidden } = this.options;
    const row = cell.slots * hidden;
    return { tensor: this.gates, offset: (direction * steps + time) * batch * row + slot * hidden, row };
  }

  /** Rows (time, batch) of one direction's h from time slot `slot` on. */
  outputRows(direction: number, slot: number): Matrix {
    const { batch, hidden } = this.options;
    const row = this.directions * hidden;
    return { tensor: this.states[0]!, offset: slot * batch * row + direction * hidden, row };
  }
}

/** Runs of neighbouring slots with one input: [0, 1, 3] → blocks 0–1 at slot 0, block 2 at slot 3. */
function runsOf({ recurrentSlots, recurrentInputs }: Cell): Run[] {
  const runs: { block: number; slot: number; count: number; input: RecurrentFactor }[] = [];
  for (const [block, slot] of recurrentSlots.entries()) {
    const input = recurrentInputs?.[block] ?? 'h';
    const last = runs.at(-1);
    if (last && last.slot + last.count === slot && last.input === input) last.count++;
    else runs.push({ block, slot, count: 1, input });
  }
  return runs;
}

/** Copies `size` elements of `x` from its start to `offset` in `y`. */
export function recordCopySpan(tape: Tape, x: Tensor, y: Tensor, size: number, offset: number): void {
  recordCopyRows(tape, { tensor: x, offset: 0, row: 0 }, { tensor: y, offset, row: 0 }, 1, size);
}
