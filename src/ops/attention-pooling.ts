/**
 * Attention pooling: a weighted mean of a row's states with weights that a learned query gives them (Lin et al. 2017
 * with one hop; Yang et al. 2016, equations 5 to 7, over words):
 *
 *   u_t = tanh(W m_t + b)     α = softmax_t(u_t · v) over the row's real steps     context = Σ_t α_t m_t
 */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { recordColumnSum } from './column-sum.ts';
import { linear, type Matrix, recordMatmul, transposed } from './matmul.ts';
import { stepsOfRows } from './sequence-matrix.ts';
import { softmax } from './softmax.ts';

export interface AttentionPoolingWeights {
  /** W [A, M] */
  readonly weight: Tensor;
  /** b [A] */
  readonly bias?: Tensor | undefined;
  /** [A]: the query. */
  readonly v: Tensor;
}

/**
 * memory [T, B, M], finite beyond `lengths` (u32 [B]) too, where it counts for nothing → context [B, M] and
 * alignments α [B, T], 0 beyond the lengths. A row of length 0 gives zeros. Both results are differentiable.
 *
 * @throws ShapeError where the tensors do not fit together
 */
export function attentionPooling(
  tape: Tape,
  memory: Tensor,
  lengths: Tensor,
  { weight, bias, v }: AttentionPoolingWeights,
): { context: Tensor; alignments: Tensor } {
  if (memory.shape.length !== 3) {
    throw new ShapeError(`attention pooling: the memory should be [T, B, M], not ${memory}`);
  }
  const [, batch, size] = memory.shape as [number, number, number];
  const units = weight.dim(0);
  expectShape(lengths, batch);
  expectShape(weight, units, size);
  if (bias) expectShape(bias, units);
  expectShape(v, units);
  const alignments = softmax(tape, scoreSteps(tape, linear(tape, memory, weight, bias, 'tanh'), v), lengths);
  return { context: sumSteps(tape, alignments, memory), alignments };
}

/** x [B, N] as B matrices of one row. */
function rowMatrices(x: Tensor): Matrix {
  return { tensor: x, batch: x.dim(1), row: x.dim(1) };
}

/** u_t · v for u [T, B, A] and v [A]: [B, T]. */
function scoreSteps(tape: Tape, u: Tensor, v: Tensor): Tensor {
  const [steps, batch, units] = u.shape as [number, number, number];
  const needsGradient = u.needsGradient || v.needsGradient;
  const scores = tape.tensor('pooling scores', [batch, steps], { needsGradient });
  const query: Matrix = { tensor: v, row: units };
  const product = { m: 1, n: steps, k: units, batch, a: query, b: transposed(stepsOfRows(u)) };
  recordMatmul(tape, { ...product, c: rowMatrices(scores) });
  tape.onBackward(() => {
    const upstream = tape.gradientOf(scores);
    if (!upstream) return;
    const slopes = rowMatrices(upstream);
    const toU = tape.gradientTarget(u);
    if (toU) {
      const { tensor, accumulate } = toU;
      const c = stepsOfRows(tensor);
      recordMatmul(tape, { m: steps, n: units, k: 1, batch, a: transposed(slopes), b: query, c, accumulate });
    }
    if (!v.needsGradient) return;
    // Each row's part first, then their sum.
    const parts = tape.tensor('d pooling query of rows', [batch, units]);
    const c = rowMatrices(parts);
    recordMatmul(tape, { m: 1, n: units, k: steps, batch, a: slopes, b: stepsOfRows(u), c });
    recordColumnSum(tape, parts, v);
  });
  return scores;
}

/** Σ_t α_t m_t for α [B, T] and m [T, B, M]: [B, M]. */
function sumSteps(tape: Tape, alignments: Tensor, memory: Tensor): Tensor {
  const [steps, batch, size] = memory.shape as [number, number, number];
  const context = tape.result('pooled context', [batch, size], alignments, memory);
  const [a, b, c] = [rowMatrices(alignments), stepsOfRows(memory), rowMatrices(context)];
  recordMatmul(tape, { m: 1, n: size, k: steps, batch, a, b, c });
  tape.onBackward(() => {
    const upstream = tape.gradientOf(context);
    if (!upstream) return;
    const slopes = rowMatrices(upstream);
    const toAlignments = tape.gradientTarget(alignments);
    if (toAlignments) {
      const { tensor, accumulate } = toAlignments;
      const product = { m: 1, n: steps, k: size, batch, a: slopes, b: transposed(b) };
      recordMatmul(tape, { ...product, c: rowMatrices(tensor), accumulate });
    }
    const toMemory = tape.gradientTarget(memory);
    if (toMemory) {
      const { tensor, accumulate } = toMemory;
      const product = { m: steps, n: size, k: 1, batch, a: transposed(a), b: slopes };
      recordMatmul(tape, { ...product, c: stepsOfRows(tensor), accumulate });
    }
  });
  return context;
}
