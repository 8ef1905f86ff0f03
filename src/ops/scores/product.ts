/** Scores that are the inner product of query and key: h_t · k_s, as batched matrix products over the batch. */
import { ShapeError } from '../../errors.ts';
import type { Tape } from '../../scheduler/tape.ts';
import { recordMatmul, transposed } from '../matmul.ts';
import { stepsOfRows } from '../sequence-matrix.ts';
import type { RecordedScore, ScoreOperands } from './score.ts';

export function recordProductScore(tape: Tape, { query, keys, scores }: ScoreOperands): RecordedScore {
  const [steps, batch, sources, units] = [query.dim(0), query.dim(1), keys.dim(0), query.dim(2)];
  if (keys.dim(2) !== units) {
    throw new ShapeError(`attention: the product of ${query} and ${keys} needs equal last dimensions`);
  }
  return {
    forward(start, end) {
      recordMatmul(tape, {
        m: end - start,
        n: sources,
        k: units,
        batch,
        a: stepsOfRows(query, start),
        b: transposed(stepsOfRows(keys)),
        c: stepsOfRows(scores, start),
      });
    },
    backward(dScores, dQuery, start, end) {
      if (!dQuery) return;
      recordMatmul(tape, {
        m: end - start,
        n: units,
        k: sources,
        batch,
        a: stepsOfRows(dScores, start),
        b: stepsOfRows(keys),
        c: stepsOfRows(dQuery, start),
        accumulate: 1,
      });
    },
    finishBackward(dScores) {
      const target = tape.gradientTarget(keys);
      if (!target) return;
      recordMatmul(tape, {
        m: sources,
        n: units,
        k: steps,
        batch,
        a: transposed(stepsOfRows(dScores)),
        b: stepsOfRows(query),
        c: stepsOfRows(target.tensor),
        accumulate: target.accumulate,
      });
    },
  };
}
