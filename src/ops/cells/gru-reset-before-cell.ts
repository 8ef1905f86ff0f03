/**
 * GRU as first published (Cho et al. 2014), the reset before the recurrent product: n = tanh(W_in x + b_in +
 * W_hn (r ⊙ h) + b_hn), h' = (1 - z) ⊙ n + z ⊙ h. Keras calls it `reset_after=False`, ONNX `linear_before_reset=0`.
 * Gates r, z, n; a fourth slot keeps r ⊙ h, which W_hn is multiplied by. A unit's n needs r ⊙ h of all units, so a step
 * is two dispatches either way.
 */
import { type Cell, rowGrid, stepParams } from './cell.ts';

const resetSlot = 3;

export const gruResetBeforeCell: Cell = {
  name: 'gru-reset-before',
  gates: 3,
  slots: 4,
  recurrentSlots: [0, 1, 2],
  recurrentInputs: ['h', 'h', resetSlot],
  states: ['h'],

  forward(tape, step) {
    const { gates, weights, bias } = step;
    const shared = { gates, weights, bias, lengths: step.lengths ?? weights };
    const params = { ...stepParams(step), hasUpstream: 0, hasCarry: 0 };
    const workgroups = rowGrid(step);
    tape.dispatch('gru-reset-before-cell', 'forwardGates', {
      bindings: { ...shared, hRead: step.states[0]! },
      params,
      workgroups,
    });
    tape.dispatch('gru-reset-before-cell', 'forwardState', {
      bindings: { ...shared, h: step.states[0]! },
      params,
      workgroups,
    });
  },

  backward(tape, step) {
    const { gates, weights, upstream, hasCarry } = step;
    const carry = step.carry[0]!;
    const params = { ...stepParams(step), hasUpstream: upstream ? 1 : 0, hasCarry };
    const workgroups = rowGrid(step);
    tape.dispatch('gru-reset-before-cell', 'backwardState', {
      bindings: {
        gates,
        weights,
        hRead: step.states[0]!,
        lengths: step.lengths ?? weights,
        upstream: upstream ?? weights,
        carry,
      },
      params,
      workgroups,
    });
    tape.dispatch('gru-reset-before-cell', 'backwardGates', {
      bindings: { gates, weights, carry },
      params,
      workgroups,
    });
  },
};
