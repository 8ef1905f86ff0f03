/**
 * score(h_t, m_s) = vᵀ tanh(W [h_t; m_s]) (Luong et al. 2015, equation 8, concat), with W in two parts so that each
 * side is projected once: v · tanh(W_q h_t + W_c m_s).
 */
import { ShapeError } from '../../errors.ts';
import { expectShape, type Tensor } from '../../scheduler/tensor.ts';
import { recordColumnSum } from '../column-sum.ts';
import { linear, recordMatmul, transposed } from '../matmul.ts';
import type { AttentionWeights, Score } from './score.ts';

const lanes = 64; // as in the shader
const scoresPerGroup = 16;

export const concat: Score = {
  keys(tape, memory, weights) {
    return linear(tape, memory, parts(weights).linearContext);
  },
  record(tape, { label, query, keys, lengths, weights, scores }) {
    const { linearQuery, v } = parts(weights);
    const [steps, batch, H] = query.shape as [number, number, number];
    const [sources, units] = [keys.dim(0), keys.dim(2)];
    expectShape(linearQuery, units, H);
    expectShape(v, 1, units);
    const q = tape.tensor(`${label}.projected`, [steps, batch, units]);
    const dq = tape.training ? tape.tensor(`d ${q.label}`, q.shape) : undefined;
    const params = (start: number, end: number) => ({ start, end, batch, sources, units, accumulate: 0 });
    /** Steps of [T, B, F] as one matrix [steps * B, F]. */
    const rows = (tensor: Tensor, start = 0) => ({
      tensor,
      offset: start * batch * tensor.dim(2),
      row: tensor.dim(2),
    });
    const weight = { tensor: linearQuery, row: H };
    return {
      forward(start, end) {
        const m = (end - start) * batch;
        recordMatmul(tape, {
          m,
          n: units,
          k: H,
          a: rows(query, start),
          b: transposed(weight),
          c: rows(q, start),
        });
        tape.dispatch('attention-concat', 'forward', {
          bindings: { q, k: keys, v, lengths, scores },
          params: params(start, end),
          workgroups: [Math.ceil(sources / scoresPerGroup), batch, end - start],
        });
      },
      backward(dScores, dQuery, start, end) {
        if (!dq) return;
        tape.dispatch('attention-concat', 'query', {
          bindings: { q, k: keys, v, lengths, dScores, dq },
          params: params(start, end),
          workgroups: [Math.ceil(units / lanes), batch, end - start],
        });
        if (!dQuery) return;
        const m = (end - start) * batch;
        const c = rows(dQuery, start);
        recordMatmul(tape, { m, n: H, k: units, a: rows(dq, start), b: weight, c, accumulate: 1 });
      },
      finishBackward(dScores) {
        if (!dq) return;
        const target = tape.gradientTarget(keys) ?? {
          tensor: tape.tensor(`d ${keys.label}`, keys.shape),
          accumulate: 0,
        };
        const dvPart = tape.tensor(`${label}.dv`, keys.shape);
        tape.dispatch('attention-concat', 'keys', {
          bindings: { q, k: keys, v, lengths, dScores, dk: target.tensor, dvPart },
          params: { ...params(0, steps), accumulate: target.accumulate },
          workgroups: [Math.ceil(units / lanes), batch, sources],
        });
        recordColumnSum(tape, dvPart.reshape(sources * batch, units), v.reshape(units));
        const dWeight = tape.gradientTarget(linearQuery);
        if (!dWeight) return;
        recordMatmul(tape, {
          m: units,
          n: H,
          k: steps * batch,
          a: transposed(rows(dq)),
          b: rows(query),
          c: { tensor: dWeight.tensor, row: H },
          accumulate: dWeight.accumulate,
        });
      },
    };
  },
};

function parts({ linearQuery, linearContext, v }: AttentionWeights) {
  if (!linearQuery || !linearContext || !v) {
    throw new ShapeError(
      'attention: the concat score needs linearQuery [A, H], linearContext [A, M] and v [1, A]',
    );
  }
  return { linearQuery, linearContext, v };
}
