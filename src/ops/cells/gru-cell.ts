/**
 * GRU (Cho et al. 2014) in PyTorch's form, the reset after the recurrent product: n = tanh(W_in x + b_in +
 * r ⊙ (W_hn h + b_hn)). Gates r, z, n; a fourth slot keeps W_hn h + b_hn, and in the backward pass its gradient.
 */
import { type Cell, fewUnits, stepGrid, stepParams } from './cell.ts';

export const gruCell: Cell = {
  name: 'gru',
  gates: 3,
  slots: 4,
  recurrentSlots: [0, 1, 3],
  states: ['h'],

  stepsAtOnce: fewUnits(3),

  forward(tape, step) {
    const { gates, weights, bias } = step;
    const { quads, workgroups } = stepGrid(tape, step, 4);
    tape.dispatch(quads ? 'gru-cell-quads' : 'gru-cell', step.count > 1 ? 'forward_steps' : 'forward', {
      bindings: { gates, h: step.states[0]!, weights, bias, lengths: step.lengths ?? weights },
      params: { ...stepParams(step), count: step.count, hasUpstream: 0, hasCarry: 0 },
      workgroups,
    });
  },

  backward(tape, step) {
    const { gates, weights, upstream, hasCarry } = step;
    const { quads, workgroups } = stepGrid(tape, step, 16);
    tape.dispatch(quads ? 'gru-cell-quads' : 'gru-cell', step.count > 1 ? 'backward_steps' : 'backward', {
      bindings: {
        gates,
        hRead: step.states[0]!,
        weights,
        lengths: step.lengths ?? weights,
        upstream: upstream ?? weights,
        carry: step.carry[0]!,
      },
      params: { ...stepParams(step), count: step.count, hasUpstream: upstream ? 1 : 0, hasCarry },
      workgroups,
    });
  },
};
