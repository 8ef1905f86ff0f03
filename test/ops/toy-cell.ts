/**
 * A cell that Couplet does not have, as somebody would add it from outside: this file, `toy-cell.wgsl` and one line,
 * `cells.register('ugrnn', () => toyCell)`. It is the update gate RNN, h' = g ⊙ h + (1 - g) ⊙ c.
 */
import { readFileSync } from 'node:fs';
import { defineShader } from '../../src/gpu/define-shader.ts';
import { type Cell, type CellStep, stepParams } from '../../src/ops/cells/cell.ts';

export const toyCode = readFileSync(new URL('./toy-cell.wgsl', import.meta.url), 'utf8');

const shader = defineShader('toy-cell', toyCode, {
  forward: ['gates', 'h', 'weights', 'bias', 'lengths'],
  backward: ['gates', 'hRead', 'weights', 'lengths', 'upstream', 'carry'],
});

const grid = ({ hidden, batch, directions }: CellStep) =>
  [Math.ceil(hidden / 64), batch, directions] as const;

export const toyCell: Cell = {
  name: 'ugrnn',
  gates: 2,
  slots: 2,
  recurrentSlots: [0, 1],
  states: ['h'],

  forward(tape, step) {
    const { gates, weights, bias, lengths = weights } = step;
    tape.dispatch(shader, 'forward', {
      bindings: { gates, h: step.states[0]!, weights, bias, lengths },
      params: { ...stepParams(step), hasUpstream: 0, hasCarry: 0 },
      workgroups: grid(step),
    });
  },

  backward(tape, step) {
    const { gates, weights, lengths = weights, upstream = weights, hasCarry } = step;
    tape.dispatch(shader, 'backward', {
      bindings: { gates, hRead: step.states[0]!, weights, lengths, upstream, carry: step.carry[0]! },
      params: { ...stepParams(step), hasUpstream: step.upstream ? 1 : 0, hasCarry },
      workgroups: grid(step),
    });
  },
};
