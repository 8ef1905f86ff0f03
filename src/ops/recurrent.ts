/**
 * A recurrent layer of any cell, one direction or both. The input's products for any range of steps are one matrix
 * product each; a step is one fused dispatch for all directions, or, of layers with few units, many steps are one; in the
 * backward pass the steps leave the gates' gradients behind, and the weights' gradients are a few products over all steps
 * at the end.
 *
 * `recurrent` runs a whole sequence. `RecurrentLayer` is the same in pieces, for loops that do more in every step: the
 * decoder's with input feeding, or one that picks each word from the step before.
 */
import { ShapeError } from '../errors.ts';
import type { GradientTarget, Tape } from '../scheduler/tape.ts';
import { Tensor } from '../scheduler/tensor.ts';
import type { CellInput, CellStep } from './cells/cell.ts';
import { recordCopy, recordCopyRows } from './copy.ts';
import { recordMatmul, transposed } from './matmul.ts';
import { added, recordInitialOutputGradient, recordWeightGradients } from './recurrent-gradients.ts';
import { RecurrentMemory } from './recurrent-memory.ts';
import {
  checkRecurrent,
  type InputPart,
  inputParts,
  type RecurrentInput,
  type RecurrentOptions,
} from './recurrent-options.ts';
import { joinRecurrentWeights, transposeRecurrentWeights } from './recurrent-weights.ts';

export type { DirectionWeights, RecurrentInput, RecurrentOptions } from './recurrent-options.ts';

export class RecurrentLayer {
  /** [T, B, D*H]: h after each step, directions side by side; a row that has ended repeats its last state. */
  readonly output: Tensor;
  readonly #tape: Tape;
  readonly #options: RecurrentOptions;
  readonly #memory: RecurrentMemory;
  /** Every direction's weight_hh transposed, and bias_hh. */
  readonly #forwardWeights: Tensor;
  readonly #bias: Tensor;
  /** By time: whether the gates hold an input's product. */
  readonly #projected: boolean[];
  /** The input of one step whose product is still to be taken: by the step's own kernel, or before another input's. */
  #pending: { input: RecurrentInput; part: InputPart } | undefined;
  #final: Tensor[] | undefined;
  #backwardWeights: Tensor | undefined;
  #carry: { tensors: readonly Tensor[]; filled: number } | undefined;

  constructor(tape: Tape, options: RecurrentOptions) {
    checkRecurrent(options);
    this.#tape = tape;
    this.#options = options;
    this.#memory = new RecurrentMemory(tape, options);
    this.output = this.#memory.output;
    this.#projected = new Array<boolean>(options.steps).fill(false);
    ({ packed: this.#forwardWeights, bias: this.#bias } = transposeRecurrentWeights(tape, options));
  }

  /**
   * Adds x·W_ihᵀ of one input to the gates of steps `start` to `end`, and bias_ih with the first input of a step. Of a single
   * step the cell's kernel does so itself where it can, with the last of the step's inputs.
   */
  projectInput(input: RecurrentInput, start: number, end: number): void {
    this.#expectSteps(start, end);
    for (const part of inputParts(input, start, end)) {
      this.#projectPending();
      if (end - start === 1 && this.#fits(part.tensor)) {
        this.#pending = { input, part };
        return;
      }
      for (const [from, to] of this.#equallyProjected(part.start, part.end)) {
        this.#project(input, { ...part, start: from, end: to, slot: part.slot + from - part.start });
      }
    }
    // Steps that the input leaves out still get the bias.
    for (let time = start; time < end; time++) {
      if (!this.#projected[time] && this.#pending?.part.start !== time) this.#placeBias(time);
    }
  }

  /** Steps `start` to `end` of all directions. Their inputs have been projected; steps are taken in order. */
  forward(start: number, end: number): void {
    this.#expectSteps(start, end);
    const input = this.#takePending(start, end);
    for (let direction = 0; direction < this.#memory.directions; direction++) {
      for (let step = start; step < end; step++) {
        const time = this.#memory.timeOf(direction, step);
        if (!this.#projected[time]) throw new ShapeError(`${this.output}: no input for step ${time}`);
      }
    }
    const shared = { weights: this.#forwardWeights, bias: this.#bias, input };
    for (let step = start, count = 0; step < end; step += count) {
      count = Math.min(this.#atOnce, end - step);
      this.#options.cell.forward(this.#tape, { ...this.#step(step, count), ...shared });
    }
  }

  /**
   * One tensor a state, [B, D*H]: each row's state after its own last step (its initial state where it has none).
   * Gradients left in them reach the layer where `backward` starts.
   */
  finalStates(): Tensor[] {
    this.#final ??= this.#memory.states.map((state, index) => {
      const { cell, label, batch, hidden, steps } = this.#options;
      const width = this.#memory.directions * hidden;
      const final = this.#tape.tensor(`${label}/final ${cell.states[index]}`, [batch, width], {
        dtype: state.dtype,
        needsGradient: this.output.needsGradient,
      });
      for (let direction = 0; direction < this.#memory.directions; direction++) {
        const column = direction * hidden;
        const offset = this.#memory.timeOf(direction, steps - 1) * batch * width + column;
        const from = { tensor: state, offset, row: width };
        recordCopyRows(this.#tape, from, { tensor: final, offset: column, row: width }, batch, hidden);
      }
      return final;
    });
    return this.#final;
  }

  /**
   * Back from step `end` to `start`: the gradients of the steps' gates, from those of `output`, of the step after and of
   * the final states. Steps are taken in reverse order; all that reads `output` at these steps has left its gradient by now.
   */
  backward(start: number, end: number): void {
    this.#expectSteps(start, end);
    const { cell } = this.#options;
    this.#carry ??= this.#startCarry();
    this.#backwardWeights ??= joinRecurrentWeights(this.#tape, this.#options);
    for (let left = end, count = 0; left > start; left -= count) {
      count = Math.min(this.#atOnce, left - start);
      cell.backward(this.#tape, {
        ...this.#step(left - 1, count),
        weights: this.#backwardWeights,
        upstream: this.#tape.gradientOf(this.output),
        carry: this.#carry.tensors,
        hasCarry: this.#carry.filled,
      });
      this.#carry.filled = 2 ** cell.states.length - 1;
    }
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
    recordWeightGradients(this.#tape, this.#memory);
    for (const [state, tensor] of (this.#options.initial ?? []).entries()) {
      const target = tensor && this.#tape.gradientTarget(tensor);
      if (!target) continue;
      recordCopy(this.#tape, this.#carry.tensors[state]!, target.tensor, target.accumulate);
      if (state === 0) recordInitialOutputGradient(this.#tape, this.#memory, target.tensor);
    }
  }

  /** One tensor a state, [T, B, D*H], after each step; the first is `output`. To look at: they have no gradient. */
  get states(): Tensor[] {
    return this.#memory.states.map(
      ({ dtype, storage }) => new Tensor(this.output.shape, dtype, storage, false),
    );
  }

  /** Whether any gradient has reached the layer's results. */
  get reached(): boolean {
    return [this.output, ...(this.#final ?? [])].some((tensor) => this.#tape.gradientOf(tensor));
  }

  get #atOnce(): number {
    const { cell, batch, hidden } = this.#options;
    return cell.stepsAtOnce?.(this.#tape, { batch, hidden, directions: this.#memory.directions }) ?? 1;
  }

  #step(step: number, count: number): CellStep {
    const { steps, batch, hidden, lengths } = this.#options;
    const { directions, reverse, hasInitial, gates, states } = this.#memory;
    return { step, count, steps, batch, hidden, directions, reverse, hasInitial, lengths, gates, states };
  }

  #expectSteps(start: number, end: number): void {
    const { steps, label } = this.#options;
    if (start < 0 || end > steps || start >= end)
      throw new ShapeError(`${label}: no steps ${start} to ${end} of ${steps}`);
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

  /** Whether the cell's kernel can read an input itself: it knows one direction and one type, and writes h. */
  #fits({ dtype, storage }: Tensor): boolean {
    const { cell, weights } = this.#options;
    const own = this.#memory.states[0]!.storage;
    const [first, ...others] = weights;
    const fits = others.length === 0 && dtype === this.#tape.stored && storage !== own;
    return (
      fits && cell.takesInput?.(this.#tape) === true && this.#tape.rounded(first!.weightIh).dtype === dtype
    );
  }

  #projectPending(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending) this.#project(pending.input, pending.part);
  }

  /** What is pending, as the kernel reads it, if these steps are the one that it is of. */
  #takePending(start: number, end: number): CellInput | undefined {
    const time = this.#memory.timeOf(0, start);
    if (end - start > 1 || this.#pending?.part.start !== time) this.#projectPending();
    if (!this.#pending) return undefined;
    const { input, part } = this.#pending;
    const { width, column } = input;
    const { weightIh } = this.#options.weights[0]!;
    const adds = this.#projected[time] ? 1 : 0;
    this.#pending = undefined;
    this.#projected[time] = true;
    return {
      tensor: part.tensor,
      offset: part.slot * this.#options.batch * width,
      width,
      weights: { tensor: this.#tape.rounded(weightIh), row: weightIh.dim(1), column },
      adds,
    };
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
        c: this.#memory.gateRows(direction, start),
        bias: accumulate ? undefined : biasIh,
        accumulate,
      });
    }
    this.#projected.fill(true, start, end);
  }

  #placeBias(time: number): void {
    const { cell, batch, hidden, weights } = this.#options;
    for (const [direction, { biasIh }] of weights.entries()) {
      const { tensor, offset = 0, row } = this.#memory.gateRows(direction, time);
      const from = { tensor: biasIh, offset: 0, row: 0 };
      recordCopyRows(this.#tape, from, { tensor, offset, row }, batch, cell.gates * hidden);
    }
    this.#projected[time] = true;
  }

  #startCarry(): { tensors: readonly Tensor[]; filled: number } {
    const { cell, label, batch, hidden } = this.#options;
    let filled = 0;
    const tensors = cell.states.map((name, index) => {
      const carry = this.#tape.tensor(`${label}/carry ${name}`, [batch, this.#memory.directions * hidden]);
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
        a: this.#memory.gateRows(direction, start),
        b: { tensor: weightIh, offset: column, row: weightIh.dim(1) },
        c: { tensor: target.tensor, offset: slot * batch * width, row: width },
        accumulate: direction > 0 ? 1 : target.accumulate,
      });
    }
  }
}

/** A layer's results: [T, B, D*H] and, by state, [B, D*H]. */
export interface RecurrentResult {
  readonly output: Tensor;
  /** Recorded where first asked for. */
  readonly finalStates: Tensor[];
  /** See `RecurrentLayer`. */
  readonly states: readonly Tensor[];
}

/** A layer over a whole sequence, differentiable in everything: inputs, weights, biases and initial states. */
export function recurrent(tape: Tape, options: RecurrentOptions): RecurrentResult {
  const layer = new RecurrentLayer(tape, options);
  const { inputs, steps } = options;
  for (const input of inputs) layer.projectInput(input, 0, steps);
  layer.forward(0, steps);
  tape.onBackward(() => {
    if (!layer.reached) return;
    layer.backward(0, steps);
    for (const input of inputs) layer.backwardInput(input, 0, steps);
    layer.finishBackward();
  });
  return {
    output: layer.output,
    states: layer.states,
    get finalStates() {
      return layer.finalStates();
    },
  };
}
