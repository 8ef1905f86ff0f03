/**
 * The gradients that a recurrent layer's steps put off: once all steps have left the gates' gradients behind, those of
 * the weights are a few products over all steps and rows at once.
 */
import type { GradientTarget, Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { recordColumnSumRows } from './column-sum.ts';
import { type Matrix, recordMatmul, transposed } from './matmul.ts';
import type { RecurrentMemory, Run } from './recurrent-memory.ts';
import { inputParts, type RecurrentInput } from './recurrent-options.ts';

/** Adds to the gradients of all weights and biases. */
export function recordWeightGradients(tape: Tape, memory: RecurrentMemory): void {
  for (const direction of memory.options.weights.keys()) {
    recordInputWeightGradient(tape, memory, direction);
    recordRecurrentWeightGradient(tape, memory, direction);
    recordBiasGradients(tape, memory, direction);
  }
}

/** A part of a tensor's gradient, to be added to. */
export const added = (tensor: Tensor | undefined): GradientTarget | undefined =>
  tensor && { tensor, accumulate: 1 };

const columnsOf = ({ width, column }: RecurrentInput) => ({ width, column });

function recordInputWeightGradient(tape: Tape, memory: RecurrentMemory, direction: number): void {
  const { cell, batch, hidden, steps, inputs, weights } = memory.options;
  const { weightIh } = weights[direction]!;
  const parts = inputs.flatMap((input) =>
    inputParts(input, 0, steps).map((part) => ({ ...part, ...columnsOf(input) })),
  );
  const whole = parts.length === 1 && parts[0]!.width === weightIh.dim(1);
  const target = whole ? tape.gradientTarget(weightIh) : added(tape.gradientPart(weightIh));
  if (!target) return;
  for (const { tensor, slot, start, end, width, column } of parts) {
    recordMatmul(tape, {
      m: cell.gates * hidden,
      n: width,
      k: (end - start) * batch,
      a: transposed(memory.gateRows(direction, start)),
      b: { tensor, offset: slot * batch * width, row: width },
      c: { tensor: target.tensor, offset: column, row: weightIh.dim(1) },
      accumulate: target.accumulate,
      weightGradient: true,
    });
  }
}

function recordRecurrentWeightGradient(tape: Tape, memory: RecurrentMemory, direction: number): void {
  const { batch, hidden } = memory.options;
  const { weightHh } = memory.options.weights[direction]!;
  const runs = memory.recurrentRuns.map((run) => ({ ...run, spans: recurrentSpans(memory, direction, run) }));
  const whole = runs.every(({ spans }) => spans.length === 1);
  const target = whole ? tape.gradientTarget(weightHh) : added(tape.gradientPart(weightHh));
  if (!target) return;
  for (const { block, slot, count, spans } of runs) {
    for (const { time, times, factor } of spans) {
      recordMatmul(tape, {
        m: count * hidden,
        n: hidden,
        k: times * batch,
        a: transposed(memory.gateRows(direction, time, slot)),
        b: factor,
        c: { tensor: target.tensor, offset: block * hidden * hidden, row: hidden },
        accumulate: target.accumulate,
        weightGradient: true,
      });
    }
  }
}

/** Where gates at `times` times from `time` on meet what their blocks of weight_hh were multiplied by: its rows. */
function recurrentSpans(
  memory: RecurrentMemory,
  direction: number,
  { input }: Run,
): { time: number; times: number; factor: Matrix }[] {
  const { steps } = memory.options;
  if (input !== 'h') return [{ time: 0, times: steps, factor: memory.gateRows(direction, 0, input) }];
  const span = (time: number, before: number, times: number) =>
    times > 0 ? [{ time, times, factor: memory.outputRows(direction, before) }] : [];
  // Backwards in time the initial states' slot T follows the last step's: one span holds both.
  if (memory.isReverse(direction)) return span(0, 1, steps - 1 + memory.hasInitial);
  return [...span(1, 0, steps - 1), ...span(0, steps, memory.hasInitial)];
}

function recordBiasGradients(tape: Tape, memory: RecurrentMemory, direction: number): void {
  const { cell, batch, hidden, steps } = memory.options;
  const { biasIh, biasHh } = memory.options.weights[direction]!;
  const sum = (y: GradientTarget, at: number, slot: number, blocks: number, other?: Tensor) => {
    const { tensor, offset = 0, row } = memory.gateRows(direction, 0, slot);
    const to = { ...y, offset: at * hidden };
    recordColumnSumRows(tape, { tensor, offset, row }, steps * batch, blocks * hidden, to, other);
  };
  const [input, recurrent] = [tape.gradientTarget(biasIh), tape.gradientTarget(biasHh)];
  const alike = cell.recurrentSlots.every((slot, block) => slot === block);
  const twice =
    input?.accumulate === recurrent?.accumulate && input?.tensor.storage !== recurrent?.tensor.storage;
  if (alike && twice && input && recurrent) {
    sum(input, 0, 0, cell.gates, recurrent.tensor);
    return;
  }
  if (input) sum(input, 0, 0, cell.gates);
  if (recurrent)
    for (const { block, slot, count } of memory.recurrentRuns) sum(recurrent, block, slot, count);
}

/** Adds what flows from the first step's gates into the initial h; what takes another way to it is in the carry. */
export function recordInitialOutputGradient(tape: Tape, memory: RecurrentMemory, gradient: Tensor): void {
  const { batch, hidden, weights } = memory.options;
  const width = memory.directions * hidden;
  for (const [direction, { weightHh }] of weights.entries()) {
    for (const { block, slot, count, input } of memory.recurrentRuns) {
      if (input !== 'h') continue;
      recordMatmul(tape, {
        m: batch,
        n: hidden,
        k: count * hidden,
        a: memory.gateRows(direction, memory.timeOf(direction, 0), slot),
        b: { tensor: weightHh, offset: block * hidden * hidden, row: hidden },
        c: { tensor: gradient, offset: direction * hidden, row: width },
        accumulate: 1,
      });
    }
  }
}
