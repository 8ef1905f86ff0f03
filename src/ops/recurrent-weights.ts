/** The recurrent weights as the cells' kernels take them: all directions in one tensor, made once a run. */
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { recordCopySpan } from './recurrent-memory.ts';
import type { RecurrentOptions } from './recurrent-options.ts';

/** [D, H, G*H]: weight_hh of all directions, transposed; and [2, D, G*H]: their bias_hh, then their bias_ih. */
export function transposeRecurrentWeights(
  tape: Tape,
  options: RecurrentOptions,
): { packed: Tensor; bias: Tensor } {
  const { cell, label, hidden, weights } = options;
  const rows = cell.gates * hidden;
  const packed = tape.tensor(`${label}/weight_hhᵀ`, [weights.length, hidden, rows], { dtype: tape.stored });
  const bias = tape.tensor(`${label}/biases`, [2, weights.length, rows]);
  const [first, second] = [weights[0]!, weights.at(-1)!];
  const params = { rows, columns: hidden, directions: weights.length };
  const biases = {
    bias0: first.biasHh,
    bias1: second.biasHh,
    inputBias0: first.biasIh,
    inputBias1: second.biasIh,
    packedBias: bias,
  };
  if (tape.software && rows % 4 === 0 && hidden % 4 === 0) {
    tape.dispatch('recurrent-weights', 'transposeFours', {
      bindings: { fours0: first.weightHh, fours1: second.weightHh, packedFours: packed, ...biases },
      params,
      workgroups: [Math.ceil(rows / 16), Math.ceil(hidden / 32), weights.length],
    });
  } else {
    const direct = tape.software;
    tape.dispatch('recurrent-weights', direct ? 'transposeDirect' : 'transpose', {
      bindings: { weight0: first.weightHh, weight1: second.weightHh, packed, ...biases },
      params,
      workgroups: direct
        ? [Math.ceil(rows / 64), hidden, weights.length]
        : [Math.ceil(hidden / 16), Math.ceil(rows / 16), weights.length],
    });
  }
  return { packed, bias };
}

/** [D, G*H, H]: weight_hh of all directions in one tensor. */
export function joinRecurrentWeights(tape: Tape, options: RecurrentOptions): Tensor {
  const { cell, label, hidden, weights } = options;
  if (weights.length === 1) return tape.rounded(weights[0]!.weightHh);
  const rows = cell.gates * hidden;
  const joined = tape.tensor(`${label}/weight_hh`, [weights.length, rows, hidden], { dtype: tape.stored });
  for (const [direction, { weightHh }] of weights.entries()) {
    recordCopySpan(tape, weightHh, joined, rows * hidden, direction * rows * hidden);
  }
  return joined;
}
