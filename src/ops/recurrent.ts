/**
 * A recurrent layer of any cell, one direction or both. The input's products for any range of steps are one matrix
 * product each; a step is one fused dispatch for all directions; in the backward pass the steps leave the gates'
 * gradients behind, and the weights' gradients are a few products over all steps at the end.
 *
 * `recurrent` runs a whole sequence. `RecurrentLayer` is the same in pieces, for loops that do more in every step: the
 * decoder's with input feeding, or one that picks each word from the step before.
 */
import { ShapeError } from '../errors.ts';
import type { GradientTarget, Tape } from '../scheduler/tape.ts';
import { expectShape, Tensor } from '../scheduler/tensor.ts';
import type { Cell, CellStep } from './cells/cell.ts';
import { recordColumnSumRows } from './column-sum.ts';
import { recordCopy, recordCopyRows } from './copy.ts';
import { type Matrix, recordMatmul, transposed } from './matmul.ts';

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

/** A run of equal-width blocks: `count` blocks of weight rows from `block` on lie in the gate buffer from `slot` on. */
interface Run {
  readonly block: number;
  readonly slot: number;
  readonly count: number;
}

export class RecurrentLayer {
  /** [T, B, D*H]: h after each step, directions side by side; a row that has ended repeats its last state. */
  readonly output: Tensor;
  readonly #tape: Tape;
  readonly #options: RecurrentOptions;
  readonly #directions: number;
  readonly #reverse: number;
  /** [D, T, B, Q*H]; see `cells/cell.ts`. */
  readonly #gates: Tensor;
  /** [T+1, B, D*H] each; the first's first T slots are the output. */
  readonly #states: readonly Tensor[];
  readonly #hasInitial: 0 | 1;
  /** Both directions' weight_hh and bias_hh, brought into the kernels' form once a run. */
  readonly #forwardWeights: Tensor;
  readonly #bias: Tensor;
  readonly #recurrentRuns: readonly Run[];
  readonly #projected: boolean[];
  #final: Tensor[] | undefined;
  #backwardWeights: Tensor | undefined;
  #carry: { tensors: readonly Tensor[]; filled: number } | undefined;

  constructor(tape: Tape, options: RecurrentOptions) {
    const { cell, label, steps, batch, hidden, weights, inputs, initial = [] } = options;
    this.#tape = tape;
    this.#options = options;
    this.#directions = weights.length;
    check(options);
    this.#reverse = weights.length === 2 ? 2 : options.reverse ? 1 : 0;
    const width = weights.length * hidden;
    const sources = [
      ...inputs.flatMap((input) => [input.tensor, input.initial]),
      ...initial,
      ...weights.flatMap((direction) => Object.values(direction) as Tensor[]),
    ];
    this.#gates = tape.tensor(`${label}/gates`, [weights.length, steps, batch, cell.slots * hidden]);
    const h = tape.result(`${label}/h`, [steps + 1, batch, width], ...sources);
    const others = cell.states.slice(1).map((name) => tape.tensor(`${label}/${name}`, h.shape));
    this.#states = [h, ...others];
    this.output = new Tensor([steps, batch, width], 'f32', h.storage, h.needsGradient);
    this.#recurrentRuns = runsOf(cell.recurrentSlots);
    this.#projected = new Array<boolean>(steps).fill(false);
    this.#hasInitial = initial.some((state) => state) ? 1 : 0;
    if (this.#hasInitial) this.#placeInitialStates();
    ({ packed: this.#forwardWeights, bias: this.#bias } = this.#transposeWeights());
  }

  /** Adds x·W_ihᵀ of one input to the gates of steps `start` to `end`, and bias_ih with the first input of a step. */
  projectInput(input: RecurrentInput, start: number, end: number): void {
    this.#expectSteps(start, end);
    for (const part of inputParts(input, start, end)) {
      for (const [from, to] of this.#equallyProjected(part.start, part.end)) {
        this.#project(input, { ...part, start: from, end: to, slot: part.slot + from - part.start });
      }
    }
    // Steps that the input leaves out still get the bias.
    for (let time = start; time < end; time++) if (!this.#projected[time]) this.#placeBias(time);
  }

  /** One step of all directions. Its inputs have been projected; steps are taken in order. */
  forwardStep(step: number): void {
    const { cell } = this.#options;
    for (let direction = 0; direction < this.#directions; direction++) {
      const time = this.#timeOf(direction, step);
      if (!this.#projected[time]) throw new ShapeError(`${this.output}: no input for step ${time}`);
    }
    cell.forward(this.#tape, { ...this.#step(step), weights: this.#forwardWeights, bias: this.#bias });
  }

  /**
   * One tensor a state, [B, D*H]: each row's state after its own last step (its initial state where it has none).
   * Gradients left in them reach the layer where `backwardStep` starts.
   */
  finalStates(): Tensor[] {
    this.#final ??= this.#states.map((state, index) => {
      const { cell, label, batch, hidden, steps } = this.#options;
      const width = this.#directions * hidden;
      const final = this.#tape.result(`${label}/final ${cell.states[index]}`, [batch, width], this.output);
      for (let direction = 0; direction < this.#directions; direction++) {
        const column = direction * hidden;
        const offset = this.#timeOf(direction, steps - 1) * batch * width + column;
        const from = { tensor: state, offset, row: width };
        recordCopyRows(this.#tape, from, { tensor: final, offset: column, row: width }, batch, hidden);
      }
      return final;
    });
    return this.#final;
  }

  /**
   * One step back: the gradients of the step's gates, from those of `output`, of the step after and of the final states.
   * Steps are taken in reverse order; all that reads `output` at this step has left its gradient by now.
   */
  backwardStep(step: number): void {
    const { cell } = this.#options;
    this.#carry ??= this.#startCarry();
    this.#backwardWeights ??= this.#joinWeights();
    cell.backward(this.#tape, {
      ...this.#step(step),
      weights: this.#backwardWeights,
      upstream: this.#tape.gradientOf(this.output),
      carry: this.#carry.tensors,
      hasCarry: this.#carry.filled,
    });
    this.#carry.filled = 2 ** cell.states.length - 1;
  }

  /** The gradient of one input at steps `start` to `end`, whose backward steps are done. */
  backwardInput(input: RecurrentInput, start: number, end: number): void {
    this.#expectSteps(start, end);
    for (const part of inputParts(input, start, end)) {
      const whole = part.tensor.size === (part.end - part.start) * this.#options.batch * input.width;
      const target = whole
        ? this.#tape.gradientTarget(part.tensor)
        : added(this.#tape.gradientPart(part.tensor));
      if (target) this.#backProject(input, part, target);
    }
  }

  /** After all backward steps: the gradients of weights, biases and initial states. */
  finishBackward(): void {
    if (!this.#carry) return;
    for (const direction of this.#options.weights.keys()) {
      this.#inputWeightGradient(direction);
      this.#recurrentWeightGradient(direction);
      this.#biasGradients(direction);
    }
    for (const [state, tensor] of (this.#options.initial ?? []).entries()) {
      const target = tensor && this.#tape.gradientTarget(tensor);
      if (!target) continue;
      recordCopy(this.#tape, this.#carry.tensors[state]!, target.tensor, target.accumulate);
      if (state === 0) this.#initialOutputGradient(target.tensor);
    }
  }

  /** Whether any gradient has reached the layer's results. */
  get reached(): boolean {
    return [this.output, ...(this.#final ?? [])].some((tensor) => this.#tape.gradientOf(tensor));
  }

  #step(step: number): CellStep {
    const { steps, batch, hidden, lengths } = this.#options;
    return {
      step,
      steps,
      batch,
      hidden,
      directions: this.#directions,
      reverse: this.#reverse,
      hasInitial: this.#hasInitial,
      lengths,
      gates: this.#gates,
      states: this.#states,
    };
  }

  #timeOf(direction: number, step: number): number {
    return this.#isReverse(direction) ? this.#options.steps - 1 - step : step;
  }

  #isReverse(direction: number): boolean {
    return ((this.#reverse >> direction) & 1) === 1;
  }

  #expectSteps(start: number, end: number): void {
    const { steps, label } = this.#options;
    if (start < 0 || end > steps || start >= end)
      throw new ShapeError(`${label}: no steps ${start} to ${end} of ${steps}`);
  }

  /** Rows (time, batch) of one direction's gates from `time` and `slot` on. */
  #gateRows(direction: number, time: number, slot = 0): Matrix {
    const { cell, steps, batch, hidden } = this.#options;
    const row = cell.slots * hidden;
    return { tensor: this.#gates, offset: (direction * steps + time) * batch * row + slot * hidden, row };
  }

  /** Rows (time, batch) of one direction's h from time slot `slot` on. */
  #outputRows(direction: number, slot: number): Matrix {
    const { batch, hidden } = this.#options;
    const row = this.#directions * hidden;
    return { tensor: this.#states[0]!, offset: slot * batch * row + direction * hidden, row };
  }

  #placeInitialStates(): void {
    const { initial = [], steps, batch, hidden } = this.#options;
    const size = batch * this.#directions * hidden;
    for (const [index, state] of this.#states.entries()) {
      const source = initial[index];
      if (!source) this.#tape.fill(state, 0);
      else copySpan(this.#tape, source, state, size, steps * size);
    }
  }

  /** [D, H, G*H]: weight_hh of all directions, transposed; and [D, G*H]: their bias_hh. */
  #transposeWeights(): { packed: Tensor; bias: Tensor } {
    const { cell, label, hidden, weights } = this.#options;
    const rows = cell.gates * hidden;
    const packed = this.#tape.tensor(`${label}/weight_hhᵀ`, [this.#directions, hidden, rows]);
    const bias = this.#tape.tensor(`${label}/bias_hh`, [this.#directions, rows]);
    const [first, second] = [weights[0]!, weights.at(-1)!];
    const direct = this.#tape.software;
    this.#tape.dispatch('recurrent-weights', direct ? 'transposeDirect' : 'transpose', {
      bindings: {
        weight0: first.weightHh,
        weight1: second.weightHh,
        bias0: first.biasHh,
        bias1: second.biasHh,
        packed,
        packedBias: bias,
      },
      params: { rows, columns: hidden },
      workgroups: direct
        ? [Math.ceil(rows / 64), hidden, this.#directions]
        : [Math.ceil(hidden / 16), Math.ceil(rows / 16), this.#directions],
    });
    return { packed, bias };
  }

  /** [D, G*H, H]: weight_hh of all directions in one tensor. */
  #joinWeights(): Tensor {
    const { cell, label, hidden, weights } = this.#options;
    if (weights.length === 1) return weights[0]!.weightHh;
    const rows = cell.gates * hidden;
    const joined = this.#tape.tensor(`${label}/weight_hh`, [weights.length, rows, hidden]);
    for (const [direction, { weightHh }] of weights.entries()) {
      copySpan(this.#tape, weightHh, joined, rows * hidden, direction * rows * hidden);
    }
    return joined;
  }

  /** Cuts a range of steps where some have been projected into before and some have not. */
  #equallyProjected(start: number, end: number): [number, number][] {
    const ranges: [number, number][] = [];
    for (let from = start, to = start + 1; from < end; from = to, to = from + 1) {
      while (to < end && this.#projected[to] === this.#projected[from]) to++;
      ranges.push([from, to]);
    }
    return ranges;
  }

  #project(input: RecurrentInput, { tensor, slot, start, end }: InputPart): void {
    const { cell, batch, hidden, weights } = this.#options;
    const { width, column } = input;
    const accumulate = this.#projected[start] ? 1 : 0;
    for (const [direction, { weightIh, biasIh }] of weights.entries()) {
      recordMatmul(this.#tape, {
        m: (end - start) * batch,
        n: cell.gates * hidden,
        k: width,
        a: { tensor, offset: slot * batch * width, row: width },
        b: transposed({ tensor: weightIh, offset: column, row: weightIh.dim(1) }),
        c: this.#gateRows(direction, start),
        bias: accumulate ? undefined : biasIh,
        accumulate,
      });
    }
    this.#projected.fill(true, start, end);
  }

  #placeBias(time: number): void {
    const { cell, batch, hidden, weights } = this.#options;
    for (const [direction, { biasIh }] of weights.entries()) {
      const { tensor, offset = 0, row } = this.#gateRows(direction, time);
      const from = { tensor: biasIh, offset: 0, row: 0 };
      recordCopyRows(this.#tape, from, { tensor, offset, row }, batch, cell.gates * hidden);
    }
    this.#projected[time] = true;
  }

  #startCarry(): { tensors: readonly Tensor[]; filled: number } {
    const { cell, label, batch, hidden } = this.#options;
    let filled = 0;
    const tensors = cell.states.map((name, index) => {
      const carry = this.#tape.tensor(`${label}/carry ${name}`, [batch, this.#directions * hidden]);
      const final = this.#final?.[index];
      const gradient = final && this.#tape.gradientOf(final);
      if (gradient) {
        recordCopy(this.#tape, gradient, carry);
        filled |= 1 << index;
      }
      return carry;
    });
    return { tensors, filled };
  }

  #backProject(input: RecurrentInput, { slot, start, end }: InputPart, target: GradientTarget): void {
    const { cell, batch, hidden, weights } = this.#options;
    const { width, column } = input;
    for (const [direction, { weightIh }] of weights.entries()) {
      recordMatmul(this.#tape, {
        m: (end - start) * batch,
        n: width,
        k: cell.gates * hidden,
        a: this.#gateRows(direction, start),
        b: { tensor: weightIh, offset: column, row: weightIh.dim(1) },
        c: { tensor: target.tensor, offset: slot * batch * width, row: width },
        accumulate: direction > 0 ? 1 : target.accumulate,
      });
    }
  }

  #inputWeightGradient(direction: number): void {
    const { cell, batch, hidden, steps, inputs, weights } = this.#options;
    const { weightIh } = weights[direction]!;
    const parts = inputs.flatMap((input) =>
      inputParts(input, 0, steps).map((part) => ({ ...part, ...pick(input) })),
    );
    const whole = parts.length === 1 && parts[0]!.width === weightIh.dim(1);
    const target = whole ? this.#tape.gradientTarget(weightIh) : added(this.#tape.gradientPart(weightIh));
    if (!target) return;
    for (const { tensor, slot, start, end, width, column } of parts) {
      recordMatmul(this.#tape, {
        m: cell.gates * hidden,
        n: width,
        k: (end - start) * batch,
        a: transposed(this.#gateRows(direction, start)),
        b: { tensor, offset: slot * batch * width, row: width },
        c: { tensor: target.tensor, offset: column, row: weightIh.dim(1) },
        accumulate: target.accumulate,
      });
    }
  }

  #recurrentWeightGradient(direction: number): void {
    const { batch, hidden } = this.#options;
    const { weightHh } = this.#options.weights[direction]!;
    const spans = this.#recurrentSpans(direction);
    const target =
      spans.length === 1 ? this.#tape.gradientTarget(weightHh) : added(this.#tape.gradientPart(weightHh));
    if (!target) return;
    for (const { time, before, count } of spans) {
      for (const { block, slot, count: blocks } of this.#recurrentRuns) {
        recordMatmul(this.#tape, {
          m: blocks * hidden,
          n: hidden,
          k: count * batch,
          a: transposed(this.#gateRows(direction, time, slot)),
          b: this.#outputRows(direction, before),
          c: { tensor: target.tensor, offset: block * hidden * hidden, row: hidden },
          accumulate: target.accumulate,
        });
      }
    }
  }

  /** Where gates at times from `time` on meet the states before them, at slots from `before` on. */
  #recurrentSpans(direction: number): { time: number; before: number; count: number }[] {
    const { steps } = this.#options;
    const count = steps - 1;
    // Backwards in time the initial states' slot T follows the last step's: one span holds both.
    if (this.#isReverse(direction))
      return [{ time: 0, before: 1, count: count + this.#hasInitial }].filter(hasSteps);
    const first = { time: 0, before: steps, count: this.#hasInitial };
    return [{ time: 1, before: 0, count }, first].filter(hasSteps);
  }

  #biasGradients(direction: number): void {
    const { cell, batch, hidden, steps } = this.#options;
    const { biasIh, biasHh } = this.#options.weights[direction]!;
    const sum = (y: GradientTarget, at: number, slot: number, blocks: number) => {
      const { tensor, offset = 0, row } = this.#gateRows(direction, 0, slot);
      const to = { ...y, offset: at * hidden };
      recordColumnSumRows(this.#tape, { tensor, offset, row }, steps * batch, blocks * hidden, to);
    };
    const [input, recurrent] = [this.#tape.gradientTarget(biasIh), this.#tape.gradientTarget(biasHh)];
    if (input && recurrent && cell.recurrentSlots.every((slot, block) => slot === block)) {
      // Both biases have the same gradient.
      const total = this.#tape.tensor('d bias', biasIh.shape);
      sum({ tensor: total, accumulate: 0 }, 0, 0, cell.gates);
      recordCopy(this.#tape, total, input.tensor, input.accumulate);
      recordCopy(this.#tape, total, recurrent.tensor, recurrent.accumulate);
      return;
    }
    if (input) sum(input, 0, 0, cell.gates);
    if (recurrent)
      for (const { block, slot, count } of this.#recurrentRuns) sum(recurrent, block, slot, count);
  }

  /** Adds what flows from the first step's gates into the initial h. */
  #initialOutputGradient(gradient: Tensor): void {
    const { batch, hidden, weights } = this.#options;
    const width = this.#directions * hidden;
    for (const [direction, { weightHh }] of weights.entries()) {
      for (const { block, slot, count } of this.#recurrentRuns) {
        recordMatmul(this.#tape, {
          m: batch,
          n: hidden,
          k: count * hidden,
          a: this.#gateRows(direction, this.#timeOf(direction, 0), slot),
          b: { tensor: weightHh, offset: block * hidden * hidden, row: hidden },
          c: { tensor: gradient, offset: direction * hidden, row: width },
          accumulate: 1,
        });
      }
    }
  }
}

/** Where the input of steps `start` to `end` lies: time slots of `tensor` from `slot` on. */
interface InputPart {
  readonly tensor: Tensor;
  readonly slot: number;
  readonly start: number;
  readonly end: number;
}

function inputParts(input: RecurrentInput, start: number, end: number): InputPart[] {
  const { tensor, initial, shift = 0 } = input;
  const parts: InputPart[] = [];
  for (let time = start; initial && time < Math.min(end, shift); time++) {
    parts.push({ tensor: initial, slot: 0, start: time, end: time + 1 });
  }
  const from = Math.max(start, shift);
  if (from < end) parts.push({ tensor, slot: from - shift, start: from, end });
  return parts;
}

const pick = ({ width, column }: RecurrentInput) => ({ width, column });
const hasSteps = ({ count }: { count: number }) => count > 0;
const added = (tensor: Tensor | undefined): GradientTarget | undefined => tensor && { tensor, accumulate: 1 };

/** Copies `size` elements of `x` from its start to `offset` in `y`. */
function copySpan(tape: Tape, x: Tensor, y: Tensor, size: number, offset: number): void {
  recordCopyRows(tape, { tensor: x, offset: 0, row: 0 }, { tensor: y, offset, row: 0 }, 1, size);
}

/** Runs of neighbouring slots: [0, 1, 3] → blocks 0–1 at slot 0, block 2 at slot 3. */
function runsOf(slots: readonly number[]): Run[] {
  const runs: { block: number; slot: number; count: number }[] = [];
  for (const [block, slot] of slots.entries()) {
    const last = runs.at(-1);
    if (last && last.slot + last.count === slot) last.count++;
    else runs.push({ block, slot, count: 1 });
  }
  return runs;
}

function check({
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
  for (const { tensor, column, width, shift = 0, initial: before } of inputs) {
    if (column < 0 || column + width > columns)
      throw new ShapeError(`${label}: ${tensor} has no columns in weight_ih`);
    expectShape(tensor, Math.max(tensor.dim(0), steps - shift), batch, width);
    if (before) expectShape(before, batch, width);
  }
  if (lengths) expectShape(lengths, batch);
  if (initial.length > cell.states.length)
    throw new ShapeError(`${label}: ${cell.name} has ${cell.states.length} states`);
  for (const state of initial) if (state) expectShape(state, batch, weights.length * hidden);
}

/** A layer's results: [T, B, D*H] and, by state, [B, D*H]. */
export interface RecurrentResult {
  readonly output: Tensor;
  /** Recorded where first asked for. */
  readonly finalStates: Tensor[];
}

/** A layer over a whole sequence, differentiable in everything: inputs, weights, biases and initial states. */
export function recurrent(tape: Tape, options: RecurrentOptions): RecurrentResult {
  const layer = new RecurrentLayer(tape, options);
  const { inputs, steps } = options;
  for (const input of inputs) layer.projectInput(input, 0, steps);
  for (let step = 0; step < steps; step++) layer.forwardStep(step);
  tape.onBackward(() => {
    if (!layer.reached) return;
    for (let step = steps - 1; step >= 0; step--) layer.backwardStep(step);
    for (const input of inputs) layer.backwardInput(input, 0, steps);
    layer.finishBackward();
  });
  return {
    output: layer.output,
    get finalStates() {
      return layer.finalStates();
    },
  };
}
