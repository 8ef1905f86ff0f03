/**
 * What a recurrent cell tells shared code: how its gates lie in the weights and in the gate buffer, which states it
 * carries, and how one step is recorded. `recurrent.ts` does the rest (input products, weight gradients, initial and
 * final states) from these declarations alone and never asks which cell it has.
 *
 * All cells share one time-major layout. With G blocks of rows in the weights and Q slots in the gate buffer:
 *   gates    [D, T, B, Q·H]   pre-activations from the input, then activated gates, then their gradients, in place
 *   state s  [T+1, B, D·H]    slot t is the state after step t; slot T is the initial state (only where there is one)
 * Direction d of step s works at time t = s, or T-1-s where bit d of `reverse` is set.
 */
import type { Tape } from '../../scheduler/tape.ts';
import type { Tensor } from '../../scheduler/tensor.ts';

export interface CellSizes {
  readonly batch: number;
  readonly hidden: number;
  readonly directions: number;
}

/** One step of all directions, as a cell's kernel sees it; or some, one after the other. */
export interface CellStep extends CellSizes {
  readonly step: number;
  /** How many steps, from `step` on, or back from it in the backward pass: 1, or up to what `Cell.stepsAtOnce` says. */
  readonly count: number;
  readonly steps: number;
  /** Bit d: direction d runs backwards in time. */
  readonly reverse: number;
  /** 1: slot T of the states holds initial states; 0: the initial states are zero and slot T is never read. */
  readonly hasInitial: 0 | 1;
  /** u32 [B]; every row has T steps where absent. */
  readonly lengths: Tensor | undefined;
  readonly gates: Tensor;
  /** In the order of `Cell.states`. */
  readonly states: readonly Tensor[];
}

export interface CellForwardStep extends CellStep {
  /** [D, H, G·H]: each direction's weight_hh, transposed. */
  readonly weights: Tensor;
  /** [2, D, G·H]: each direction's bias_hh, then each one's bias_ih. */
  readonly bias: Tensor;
  /** Of cells that take it: an input of this step whose product the gate buffer does not hold yet. */
  readonly input?: CellInput | undefined;
}

/** What a layer of one direction reads at one step, [B, width], and its columns of weight_ih. */
export interface CellInput {
  readonly tensor: Tensor;
  /** Where in `tensor` its first row lies; rows are `width` apart. */
  readonly offset: number;
  readonly width: number;
  /** weight_ih [G·H, row], and the input's first column in it. */
  readonly weights: { readonly tensor: Tensor; readonly row: number; readonly column: number };
  /** 1: its product is added to what the step's gates hold; 0: they hold nothing, and bias_ih is added. */
  readonly adds: 0 | 1;
}

export interface CellBackwardStep extends CellStep {
  /** [D, G·H, H]: each direction's weight_hh. */
  readonly weights: Tensor;
  /** [T, B, D·H], the gradient of h after each step; undefined: nothing reached it. */
  readonly upstream: Tensor | undefined;
  /**
   * [B, D·H] a state: the gradient that reaches the state after this step by other ways than `upstream` and the next
   * step's gates (those whose recurrent product takes h). The kernel replaces it by what goes on to the state before this
   * step.
   */
  readonly carry: readonly Tensor[];
  /** Bit s: carry s holds something (always, except before the backward pass's first step). */
  readonly hasCarry: number;
}

/** `h`, or a slot of the gate buffer. */
export type RecurrentFactor = 'h' | number;

export interface Cell {
  /** As configurations name it. */
  readonly name: string;
  /** G: blocks of H rows in weight_ih, weight_hh and the biases, in PyTorch's order. */
  readonly gates: number;
  /** Q ≥ G: blocks of H columns in the gate buffer. Slot g takes the input's product with block g of weight_ih. */
  readonly slots: number;
  /** After the backward step, slot `recurrentSlots[g]` holds the gradient for block g of weight_hh and bias_hh. */
  readonly recurrentSlots: readonly number[];
  /**
   * What block g of weight_hh is multiplied by: `h` before the step (every block, where absent), or, given a slot, what
   * the forward step leaves in that slot of the gate buffer: of every row at every step, 0 in rows that have ended. The
   * backward step leaves such a slot as it is, and puts what flows through it back to h into the carry.
   */
  readonly recurrentInputs?: readonly RecurrentFactor[];
  /** Names of the states; the first is `h`, the output. */
  readonly states: readonly [string, ...string[]];
  /** How many steps one call of `forward` or `backward` takes at most; 1 where absent. */
  stepsAtOnce?(tape: Tape, sizes: CellSizes): number;
  /** Whether `forward` takes an input of its own, `step.input`, on the device that the tape is for; not, where absent. */
  takesInput?(tape: Tape): boolean;
  /** Records one step: gates ← activated gates, states[·][t] ← new states. */
  forward(tape: Tape, step: CellForwardStep): void;
  /** Records one step of the backward pass: gates ← gradients before the activations, carry ← carried gradients. */
  backward(tape: Tape, step: CellBackwardStep): void;
}

/** The uniform fields that every cell's kernel takes. */
export function stepParams({
  step,
  steps,
  batch,
  hidden,
  directions,
  reverse,
  hasInitial,
  lengths,
}: CellStep) {
  return {
    step,
    steps,
    batch,
    hidden,
    width: directions * hidden,
    reverse,
    hasInitial,
    hasLengths: lengths ? 1 : 0,
  };
}

/** The grid of a kernel whose threads own 4 rows of the batch and one unit. */
export function rowGrid({ batch, hidden, directions }: CellStep): [number, number, number] {
  return [Math.ceil(hidden / 64), Math.ceil(batch / 4), directions];
}

/**
 * Which of a cell's two kernels takes a step. `quads` is for adapters that run on the CPU: a quad of lanes owns 16 rows of
 * the batch and `quadUnits` units, worth it where more than a quarter of the rows exist. The other kernel gives a thread 4
 * rows and one unit.
 */
export function stepGrid(
  tape: Tape,
  step: CellStep,
  quadUnits: number,
): { quads: boolean; workgroups: [number, number, number] } {
  const { batch, hidden, directions, count } = step;
  const quads = takesQuads(tape, step);
  const down = Math.ceil(batch / (quads ? 16 : 4));
  if (count > 1) return { quads, workgroups: [1, down, directions] };
  if (!quads) return { quads, workgroups: rowGrid(step) };
  return { quads, workgroups: [Math.ceil(hidden / (2 * quadUnits)), down, directions] };
}

function takesQuads(tape: Tape, { batch, hidden }: CellSizes): boolean {
  return tape.software && tape.subgroups && batch > 4 && hidden % 4 === 0;
}

/**
 * How many steps of a layer with few units go into one dispatch. There a workgroup takes all units of some rows, and the
 * steps one after the other: that spares each step its launch, but leaves to one workgroup what many could share. So it
 * is for steps that take little longer than a launch; and on a CPU there must be a workgroup for a second core.
 */
export function fewUnits(gates: number): (tape: Tape, sizes: CellSizes) => number {
  return (tape, sizes) => {
    const { batch, hidden, directions } = sizes;
    const few = tape.software
      ? takesQuads(tape, sizes) && hidden <= 64 && Math.ceil(batch / 16) * directions > 1
      : hidden <= 128;
    if (!few) return 1;
    const flops = 2 * gates * hidden * hidden * batch * directions;
    return Math.max(1, Math.floor(mostFlops[tape.software ? 'software' : 'hardware'] / flops));
  };
}

/** Operations of one dispatch of many steps: some tenths of a second on a slow device of either sort. */
const mostFlops = { software: 5e8, hardware: 2e10 };
