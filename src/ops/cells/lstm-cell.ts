/** LSTM (Hochreiter & Schmidhuber 1997, with forget gate) in PyTorch's form: gates i, f, g, o; states h, c. */
import { type Cell, fewUnits, stepGrid, stepParams } from './cell.ts';
import { inputOf, noInput, tiledStep } from './cell-tiles.ts';

export const lstmCell: Cell = {
  name: 'lstm',
  gates: 4,
  slots: 4,
  recurrentSlots: [0, 1, 2, 3],
  states: ['h', 'c'],
  takesInput: (tape) => !tape.software,
  stepsAtOnce: fewUnits(4),

  forward(tape, step) {
    const [h, c] = step.states;
    const { gates, weights, bias } = step;
    const bindings = { gates, h: h!, c: c!, weights, bias, lengths: step.lengths ?? weights };
    const params = { ...stepParams(step), hasUpstream: 0, hasCarry: 0 };
    const tiled = tiledStep(tape, 'gates', step);
    if (tiled) {
      const input = inputOf(step);
      tape.dispatch('lstm-cell-tiled', 'forward', {
        bindings: { ...bindings, ...input.bindings },
        params: { ...params, ...input.params },
        workgroups: tiled.workgroups,
        constants: { ...tiled.constants, ...input.constants },
      });
      return;
    }
    const { quads, workgroups } = stepGrid(tape, step, 4);
    tape.dispatch(quads ? 'lstm-cell-quads' : 'lstm-cell', step.count > 1 ? 'forward_steps' : 'forward', {
      bindings,
      params: { ...params, count: step.count },
      workgroups,
    });
  },

  backward(tape, step) {
    const [carryH, carryC] = step.carry;
    const { gates, weights, upstream } = step;
    // Nothing but the final states' gradient comes to h by another way than its gates, unless a row has ended.
    const first = step.step === step.steps - 1;
    const hasCarry = step.lengths || first ? step.hasCarry : step.hasCarry & ~1;
    const bindings = {
      gates,
      cRead: step.states[1]!,
      weights,
      lengths: step.lengths ?? weights,
      upstream: upstream ?? weights,
      carryH: carryH!,
      carryC: carryC!,
    };
    const params = { ...stepParams(step), hasUpstream: upstream ? 1 : 0, hasCarry };
    const tiled = tiledStep(tape, 'units', step);
    if (tiled) {
      tape.dispatch('lstm-cell-tiled', 'backward', { bindings, params: { ...params, ...noInput }, ...tiled });
      return;
    }
    const { quads, workgroups } = stepGrid(tape, step, 16);
    tape.dispatch(quads ? 'lstm-cell-quads' : 'lstm-cell', step.count > 1 ? 'backward_steps' : 'backward', {
      bindings,
      params: { ...params, count: step.count },
      workgroups,
    });
  },
};
