/**
 * score(h_t, m_s) = vᵀ tanh(W [h_t; m_s]) (Luong et al. 2015, equation 8, concat), with W in two parts so that each
 * side is projected once: v · tanh(W_q h_t + W_c m_s).
 */
import { ShapeError } from '../../errors.ts';
import { linearGroups } from '../../scheduler/tape.ts';
import { expectShape } from '../../scheduler/tensor.ts';
import { recordColumnSum } from '../column-sum.ts';
import { linear, recordMatmul, transposed } from '../matmul.ts';
import { flatSteps } from '../sequence-matrix.ts';
import type { AttentionWeights, Score } from './score.ts';

const lanes = 64; // as in the shader
/** Terms (a tanh each) of one dispatch, so that none takes more than some tenths of a second. */
const maxTerms = { software: 2 ** 22, hardware: 2 ** 27 };

export const concat: Score = {
  product: false,
  keys(tape, memory, weights) {
    return linear(tape, memory, parts(weights).linearContext);
  },
  record(tape, { label, query, keys, lengths, weights, scores }) {
    const { linearQuery, v } = parts(weights);
    const [steps, batch, H] = query.shape as [number, number, number];
    const [sources, units] = [keys.dim(0), keys.dim(2)];
    expectShape(linearQuery, units, H);
    expectShape(v, 1, units);
    const { stored: dtype } = tape;
    const q = tape.tensor(`${label}.projected`, [steps, batch, units], { dtype });
    const dq = tape.training ? tape.tensor(`d ${q.label}`, q.shape, { dtype }) : undefined;
    const params = { steps, batch, sources, units, accumulate: 0, stride: 0 };
    const limit = tape.software ? maxTerms.software : maxTerms.hardware;
    const stepsAtOnce = Math.max(1, Math.floor(limit / (batch * sources * units)));
    const sourcesAtOnce = Math.max(1, Math.floor(limit / (batch * steps * units)));
    const weight = { tensor: linearQuery, row: H };
    return {
      forward(start, end) {
        const m = (end - start) * batch;
        recordMatmul(tape, {
          m,
          n: units,
          k: H,
          a: flatSteps(query, start),
          b: transposed(weight),
          c: flatSteps(q, start),
        });
        for (const part of split(start, end, stepsAtOnce)) {
          const { groups, stride } = linearGroups((part.end - part.start) * batch * sources, lanes);
          tape.dispatch('attention-concat', 'forward', {
            bindings: { q, k: keys, v, lengths, scores },
            params: { ...params, ...part, stride },
            workgroups: groups,
          });
        }
      },
      backward(dScores, dQuery, start, end) {
        if (!dq) return;
        for (const part of split(start, end, stepsAtOnce)) {
          tape.dispatch('attention-concat', 'query', {
            bindings: { q, k: keys, v, lengths, dScores, dq },
            params: { ...params, ...part },
            workgroups: [Math.ceil(units / lanes), batch, part.end - part.start],
          });
        }
        if (!dQuery) return;
        const m = (end - start) * batch;
        const c = flatSteps(dQuery, start);
        recordMatmul(tape, { m, n: H, k: units, a: flatSteps(dq, start), b: weight, c, accumulate: 1 });
      },
      finishBackward(dScores) {
        if (!dq) return;
        const target = tape.gradientTarget(keys) ?? {
          tensor: tape.tensor(`d ${keys.label}`, keys.shape, { dtype }),
          accumulate: 0,
        };
        const dvPart = tape.tensor(`${label}.dv`, keys.shape);
        for (const part of split(0, sources, sourcesAtOnce)) {
          tape.dispatch('attention-concat', 'keys', {
            bindings: { q, k: keys, v, lengths, dScores, dk: target.tensor, dvPart },
            params: { ...params, ...part, accumulate: target.accumulate },
            workgroups: [Math.ceil(units / lanes), batch, part.end - part.start],
          });
        }
        recordColumnSum(tape, dvPart.reshape(sources * batch, units), v.reshape(units));
        const dWeight = tape.gradientTarget(linearQuery);
        if (!dWeight) return;
        recordMatmul(tape, {
          m: units,
          n: H,
          k: steps * batch,
          a: transposed(flatSteps(dq)),
          b: flatSteps(query),
          c: { tensor: dWeight.tensor, row: H },
          accumulate: dWeight.accumulate,
          weightGradient: true,
        });
      },
    };
  },
};

/** A range in parts of at most `length`. */
function split(start: number, end: number, length: number): { start: number; end: number }[] {
  return Array.from({ length: Math.ceil((end - start) / length) }, (_, i) => ({
    start: start + i * length,
    end: Math.min(end, start + (i + 1) * length),
  }));
}

function parts({ linearQuery, linearContext, v }: AttentionWeights) {
  if (!linearQuery || !linearContext || !v) {
    throw new ShapeError(
      'attention: the concat score needs linearQuery [A, H], linearContext [A, M] and v [1, A]',
    );
  }
  return { linearQuery, linearContext, v };
}
