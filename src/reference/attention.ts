/**
 * Luong attention in float64, pair by pair: nothing is hoisted, batched or kept, and the gradients are written from
 * the formulas of one pair. Sequences are time-major.
 */
import { softmax, softmaxGradient } from './softmax.ts';

export interface AttentionSizes {
  readonly T: number;
  readonly B: number;
  readonly S: number;
  readonly H: number;
  readonly M: number;
  /** Units of the concat score. */
  readonly A: number;
}

/** Values by name: query [T,B,H], memory [S,B,M], linearOut [H,M+H] and what the score needs. */
export type Arrays = Readonly<Record<string, ArrayLike<number>>>;
type Score = 'dot' | 'general' | 'concat';

const vector = (array: ArrayLike<number>, row: number, width: number) =>
  Array.from({ length: width }, (_, i) => array[row * width + i]!);
const times = (matrix: ArrayLike<number>, x: readonly number[]) =>
  Array.from({ length: matrix.length / x.length }, (_, i) =>
    x.reduce((sum, value, j) => sum + matrix[i * x.length + j]! * value, 0),
  );
const inner = (x: readonly number[], y: readonly number[]) =>
  x.reduce((sum, value, i) => sum + value * y[i]!, 0);

function pairScore(score: Score, arrays: Arrays, h: readonly number[], m: readonly number[]): number {
  if (score === 'dot') return inner(h, m);
  if (score === 'general') return inner(h, times(arrays.linearIn!, m));
  const [ofQuery, ofMemory] = [times(arrays.linearQuery!, h), times(arrays.linearContext!, m)];
  return inner(
    Array.from(arrays.v!),
    ofQuery.map((value, i) => Math.tanh(value + ofMemory[i]!)),
  );
}

export interface AttentionValues {
  readonly weights: Float64Array;
  readonly context: Float64Array;
  readonly output: Float64Array;
}

export function attention(
  score: Score,
  sizes: AttentionSizes,
  arrays: Arrays,
  lengths: ArrayLike<number>,
): AttentionValues {
  const { T, B, S, H, M } = sizes;
  const scores = new Float64Array(T * B * S);
  const context = new Float64Array(T * B * M);
  const output = new Float64Array(T * B * H);
  for (let row = 0; row < T * B; row++) {
    const h = vector(arrays.query!, row, H);
    for (let s = 0; s < S; s++) {
      scores[row * S + s] = pairScore(score, arrays, h, vector(arrays.memory!, s * B + (row % B), M));
    }
  }
  const weights = softmax(scores, S, lengths);
  for (let row = 0; row < T * B; row++) {
    for (let s = 0; s < S; s++) {
      vector(arrays.memory!, s * B + (row % B), M).forEach((value, i) => {
        context[row * M + i]! += weights[row * S + s]! * value;
      });
    }
    const joined = [...context.subarray(row * M, (row + 1) * M), ...vector(arrays.query!, row, H)];
    output.set(times(arrays.linearOut!, joined).map(Math.tanh), row * H);
  }
  return { weights, context, output };
}

/** Gradients of every array, from those of `output` and, where given, of `weights`. */
export function attentionGradients(
  score: Score,
  sizes: AttentionSizes,
  arrays: Arrays,
  values: AttentionValues,
  upstream: { output: ArrayLike<number>; weights?: ArrayLike<number> },
): Record<string, Float64Array> {
  const { T, B, S, H, M } = sizes;
  const gradients = Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => [name, new Float64Array(array.length)]),
  );
  /** gradients[name][row] += x */
  const add = (name: string, row: number, x: readonly number[]) => {
    for (const [i, value] of x.entries()) gradients[name]![row * x.length + i]! += value;
  };
  /** For y = W x: adds to W's gradient and gives that of x. */
  const back = (name: string, x: readonly number[], dy: readonly number[]) => {
    for (const [i, value] of dy.entries())
      add(
        name,
        i,
        x.map((entry) => value * entry),
      );
    return x.map((_, j) => dy.reduce((sum, value, i) => sum + value * arrays[name]![i * x.length + j]!, 0));
  };

  const dWeights = Float64Array.from(upstream.weights ?? new Float64Array(T * B * S));
  for (let row = 0; row < T * B; row++) {
    const h = vector(arrays.query!, row, H);
    const c = vector(values.context, row, M);
    const before = vector(upstream.output, row, H).map(
      (value, i) => value * (1 - values.output[row * H + i]! ** 2),
    );
    const joined = back('linearOut', [...c, ...h], before);
    add('query', row, joined.slice(M));
    for (let s = 0; s < S; s++) {
      const place = s * B + (row % B);
      const weight = values.weights[row * S + s]!;
      dWeights[row * S + s]! += inner(joined.slice(0, M), vector(arrays.memory!, place, M));
      add(
        'memory',
        place,
        joined.slice(0, M).map((value) => weight * value),
      );
    }
  }
  const dScores = softmaxGradient(values.weights, dWeights, S);
  for (let row = 0; row < T * B; row++) {
    const h = vector(arrays.query!, row, H);
    for (let s = 0; s < S; s++) {
      const place = s * B + (row % B);
      const m = vector(arrays.memory!, place, M);
      const g = dScores[row * S + s]!;
      if (score === 'dot') {
        add(
          'query',
          row,
          m.map((value) => g * value),
        );
        add(
          'memory',
          place,
          h.map((value) => g * value),
        );
      } else if (score === 'general') {
        add(
          'query',
          row,
          times(arrays.linearIn!, m).map((value) => g * value),
        );
        add(
          'memory',
          place,
          back(
            'linearIn',
            m,
            h.map((value) => g * value),
          ),
        );
      } else {
        const ofMemory = times(arrays.linearContext!, m);
        const u = times(arrays.linearQuery!, h).map((value, i) => Math.tanh(value + ofMemory[i]!));
        add(
          'v',
          0,
          u.map((value) => g * value),
        );
        const dz = u.map((value, i) => g * arrays.v![i]! * (1 - value * value));
        add('query', row, back('linearQuery', h, dz));
        add('memory', place, back('linearContext', m, dz));
      }
    }
  }
  return gradients;
}
