/** LSTM (Hochreiter & Schmidhuber 1997, with forget gate) in PyTorch's form: gates i, f, g, o; states h, c. */
import { type Cell, fewUnits, stepGrid, stepParams } from './cell.ts';

export const lstmCell: Cell = {
  name: 'lstm',
  gates: 4,
  slots: 4,
  recurrentSlots: [0, 1, 2, 3],
  states: ['h', 'c'],

  stepsAtOnce: fewUnits(4),

  forward(tape, step) {
    const [h, c] = step.states;
    const { gates, weights, bias } = step;
    const { quads, workgroups } = stepGrid(tape, step, 4);
    tape.dispatch(quads ? 'lstm-cell-quads' : 'lstm-cell', step.count > 1 ? 'forward_steps' : 'forward', {
      bindings: { gates, h: h!, c: c!, weights, bias, lengths: step.lengths ?? weights },
      params: { ...stepParams(step), count: step.count, hasUpstream: 0, hasCarry: 0 },
      workgroups,
    });
  },

  backward(tape, step) {
    const [carryH, carryC] = step.carry;
    const { gates, weights, upstream } = step;
    // Nothing but the final states' gradient comes to h by another way than its gates, unless a row has ended.
    const first = step.step === step.steps - 1;
    const hasCarry = step.lengths || first ? step.hasCarry : step.hasCarry & ~1;
    const { quads, workgroups } = stepGrid(tape, step, 16);
    tape.dispatch(quads ? 'lstm-cell-quads' : 'lstm-cell', step.count > 1 ? 'backward_steps' : 'backward', {
      bindings: {
        gates,
        cRead: step.states[1]!,
        weights,
        lengths: step.lengths ?? weights,
        upstream: upstream ?? weights,
        carryH: carryH!,
        carryC: carryC!,
      },
      params: { ...stepParams(step), count: step.count, hasUpstream: upstream ? 1 : 0, hasCarry },
      workgroups,
    });
  },
};
