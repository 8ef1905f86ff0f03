/** The simple (Elman) cell h = act(W_ih x + b_ih + W_hh h + b_hh), with tanh or relu. */
import { ConfigError } from '../../errors.ts';
import { type Cell, fewUnits, stepGrid, stepParams } from './cell.ts';
import { inputOf, noInput, tiledStep } from './cell-tiles.ts';
import type { CellChoice } from './registry.ts';

function makeRnnCell(name: string, relu: 0 | 1): Cell {
  return {
    name,
    gates: 1,
    slots: 1,
    recurrentSlots: [0],
    states: ['h'],
    takesInput: (tape) => !tape.software,
    stepsAtOnce: fewUnits(1),

    forward(tape, step) {
      const { gates, weights, bias } = step;
      const bindings = { gates, h: step.states[0]!, weights, bias, lengths: step.lengths ?? weights };
      const params = { ...stepParams(step), relu, hasUpstream: 0, hasCarry: 0 };
      const tiled = tiledStep(tape, 'units', step);
      if (tiled) {
        const input = inputOf(step);
        tape.dispatch('rnn-cell-tiled', 'forward', {
          bindings: { ...bindings, ...input.bindings },
          params: { ...params, ...input.params },
          workgroups: tiled.workgroups,
          constants: { ...tiled.constants, ...input.constants },
        });
        return;
      }
      const { quads, workgroups } = stepGrid(tape, step, 16);
      tape.dispatch(quads ? 'rnn-cell-quads' : 'rnn-cell', step.count > 1 ? 'forward_steps' : 'forward', {
        bindings,
        params: { ...params, count: step.count },
        workgroups,
      });
    },

    backward(tape, step) {
      const { gates, weights, upstream } = step;
      // Nothing but the final state's gradient comes by another way than the gates, unless a row has ended.
      const first = step.step === step.steps - 1;
      const hasCarry = step.lengths || first ? step.hasCarry : 0;
      const bindings = {
        gates,
        weights,
        lengths: step.lengths ?? weights,
        upstream: upstream ?? weights,
        carry: step.carry[0]!,
      };
      const params = { ...stepParams(step), relu, hasUpstream: upstream ? 1 : 0, hasCarry };
      const tiled = tiledStep(tape, 'units', step);
      if (tiled) {
        tape.dispatch('rnn-cell-tiled', 'backward', {
          bindings,
          params: { ...params, ...noInput },
          ...tiled,
        });
        return;
      }
      const { quads, workgroups } = stepGrid(tape, step, 16);
      tape.dispatch(quads ? 'rnn-cell-quads' : 'rnn-cell', step.count > 1 ? 'backward_steps' : 'backward', {
        bindings,
        params: { ...params, count: step.count },
        workgroups,
      });
    },
  };
}

const kinds: ReadonlyMap<string, Cell> = new Map([
  ['tanh', makeRnnCell('rnn-tanh', 0)],
  ['relu', makeRnnCell('rnn-relu', 1)],
]);

/** The simple cell with the nonlinearity of the choice (`tanh` where it names none). */
export function rnnCell({ nonlinearity = 'tanh' }: CellChoice): Cell {
  const cell = kinds.get(nonlinearity);
  if (!cell) throw new ConfigError(`the rnn cell's nonlinearity is tanh or relu, not '${nonlinearity}'`);
  return cell;
}
