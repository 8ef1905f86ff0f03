/** Pooling over time in float64: mean, maximum, and attention with a learned query. Sequences are time-major. */
import { softmax, softmaxGradient } from './softmax.ts';

export interface PoolingSizes {
  readonly T: number;
  readonly B: number;
  readonly H: number;
}

type Values = ArrayLike<number>;

/** The mean or the maximum of x [T, B, H] over each row's first steps, and the gradient of x from that of it. */
export function pooling(
  kind: 'mean' | 'max',
  { T, B, H }: PoolingSizes,
  x: Values,
  lengths: Values,
  dy: Values,
): { y: Float64Array; dx: Float64Array } {
  const y = new Float64Array(B * H);
  const dx = new Float64Array(T * B * H);
  for (let i = 0; i < B * H; i++) {
    const length = Math.min(T, lengths[Math.floor(i / H)]!);
    if (length === 0) continue;
    const values = Array.from({ length }, (_, t) => x[t * B * H + i]!);
    y[i] = kind === 'max' ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / length;
    const chosen = values.indexOf(Math.max(...values));
    for (let t = 0; t < length; t++) {
      dx[t * B * H + i] = kind === 'mean' ? dy[i]! / length : t === chosen ? dy[i]! : 0;
    }
  }
  return { y, dx };
}

export interface AttentionPoolingSizes {
  readonly T: number;
  readonly B: number;
  readonly M: number;
  readonly A: number;
}

/** memory [T, B, M], weight [A, M], bias [A], v [A] */
export interface AttentionPoolingArrays {
  readonly memory: Values;
  readonly weight: Values;
  readonly bias?: Values | undefined;
  readonly v: Values;
}

/** context [B, M] and alignments [B, T], and the gradients of all from those of both. */
export function attentionPooling(
  { T, B, M, A }: AttentionPoolingSizes,
  { memory, weight, bias, v }: AttentionPoolingArrays,
  lengths: Values,
  upstream: { readonly context: Values; readonly alignments: Values },
) {
  const m = (t: number, b: number, k: number) => memory[(t * B + b) * M + k]!;
  const unit = (t: number, b: number, a: number) => {
    let sum = bias?.[a] ?? 0;
    for (let k = 0; k < M; k++) sum += weight[a * M + k]! * m(t, b, k);
    return Math.tanh(sum);
  };
  const scores = new Float64Array(B * T);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let a = 0; a < A; a++) scores[b * T + t]! += unit(t, b, a) * v[a]!;
    }
  }
  const alignments = softmax(scores, T, lengths);
  const context = new Float64Array(B * M);
  const slopes = Float64Array.from(upstream.alignments);
  const gradients = {
    memory: new Float64Array(T * B * M),
    weight: new Float64Array(A * M),
    bias: new Float64Array(A),
    v: new Float64Array(A),
  };
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let k = 0; k < M; k++) {
        context[b * M + k]! += alignments[b * T + t]! * m(t, b, k);
        slopes[b * T + t]! += upstream.context[b * M + k]! * m(t, b, k);
        gradients.memory[(t * B + b) * M + k] = alignments[b * T + t]! * upstream.context[b * M + k]!;
      }
    }
  }
  const dScores = softmaxGradient(alignments, slopes, T);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let a = 0; a < A; a++) {
        const value = unit(t, b, a);
        gradients.v[a]! += dScores[b * T + t]! * value;
        const slope = dScores[b * T + t]! * v[a]! * (1 - value * value);
        gradients.bias[a]! += slope;
        for (let k = 0; k < M; k++) {
          gradients.weight[a * M + k]! += slope * m(t, b, k);
          gradients.memory[(t * B + b) * M + k]! += slope * weight[a * M + k]!;
        }
      }
    }
  }
  return { context, alignments, gradients };
}
