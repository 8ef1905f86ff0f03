/**
 * GRU (Cho et al. 2014) in PyTorch's form, the reset after the recurrent product: n = tanh(W_in x + b_in +
 * r ⊙ (W_hn h + b_hn)). Gates r, z, n; a fourth slot keeps W_hn h + b_hn, and in the backward pass its gradient.
 */
import { type Cell, fewUnits, stepGrid, stepParams } from './cell.ts';
import { inputOf, noInput, tiledStep } from './cell-tiles.ts';

export const gruCell: Cell = {
  name: 'gru',
  gates: 3,
  slots: 4,
  recurrentSlots: [0, 1, 3],
  states: ['h'],
  takesInput: (tape) => !tape.software,
  stepsAtOnce: fewUnits(3),

  forward(tape, step) {
    const { gates, weights, bias } = step;
    const bindings = { gates, h: step.states[0]!, weights, bias, lengths: step.lengths ?? weights };
    const params = { ...stepParams(step), hasUpstream: 0, hasCarry: 0 };
    const tiled = tiledStep(tape, 'gates', step);
    if (tiled) {
      const input = inputOf(step);
      tape.dispatch('gru-cell-tiled', 'forward', {
        bindings: { ...bindings, ...input.bindings },
        params: { ...params, ...input.params },
        workgroups: tiled.workgroups,
        constants: { ...tiled.constants, ...input.constants },
      });
      return;
    }
    const { quads, workgroups } = stepGrid(tape, step, 4);
    tape.dispatch(quads ? 'gru-cell-quads' : 'gru-cell', step.count > 1 ? 'forward_steps' : 'forward', {
      bindings,
      params: { ...params, count: step.count },
      workgroups,
    });
  },

  backward(tape, step) {
    const { gates, weights, upstream, hasCarry } = step;
    const bindings = {
      gates,
      hRead: step.states[0]!,
      weights,
      lengths: step.lengths ?? weights,
      upstream: upstream ?? weights,
      carry: step.carry[0]!,
    };
    const params = { ...stepParams(step), hasUpstream: upstream ? 1 : 0, hasCarry };
    const tiled = tiledStep(tape, 'units', step);
    if (tiled) {
      tape.dispatch('gru-cell-tiled', 'backward', { bindings, params: { ...params, ...noInput }, ...tiled });
      return;
    }
    const { quads, workgroups } = stepGrid(tape, step, 16);
    tape.dispatch(quads ? 'gru-cell-quads' : 'gru-cell', step.count > 1 ? 'backward_steps' : 'backward', {
      bindings,
      params: { ...params, count: step.count },
      workgroups,
    });
  },
};
