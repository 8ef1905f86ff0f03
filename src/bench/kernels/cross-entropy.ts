/**
 * The loss over a vocabulary: projection, softmax and cross-entropy, a chunk at a time. A float64 softmax of every row
 * would take minutes, so a few rows are repeated throughout: each is computed once, and every result is known exactly.
 */
import { crossEntropy, statistic, statisticsSize } from '../../ops/cross-entropy.ts';
import { type KernelCase, kernelBench, transcendental } from './kernel.ts';
import { everyIndex, spreadOut } from './samples.ts';

export const crossEntropyBench = kernelBench({
  name: 'cross-entropy',
  summary: 'Projection to the vocabulary, softmax and loss of all steps',
  cases: ({ dimensions: { B, T, H, V } }) => [crossEntropyCase(T * B, H, V)],
});

/** Different rows. No multiple of it is the edge of a tile. */
const different = 7;
const scale = 0.25;

/** N rows of H, V words. */
function crossEntropyCase(N: number, H: number, V: number): KernelCase {
  const product = 2 * N * H * V;
  return {
    title: 'cross-entropy',
    sizes: { N, H, V },
    // The logits need not touch the memory.
    forward: { flops: product + N * V * (4 + transcendental), bytes: 4 * (N * H + V * H + V + N) },
    backward: {
      flops: 2 * product + N * V * (3 + transcendental),
      bytes: 4 * (2 * N * H + 2 * V * H + 2 * V + N),
    },
    setup(random) {
      const hidden = random.floats([N, H]);
      for (let i = different * H; i < N * H; i++) hidden.data[i] = hidden.data[i - different * H]!;
      const [weight, bias] = [random.floats([V, H], 2 / Math.sqrt(H)), random.floats([V])];
      const targets = random.ids([N], 0, V);
      return {
        inputs: {
          hidden,
          weight,
          bias,
          targets,
          scale: { data: Float32Array.of(scale), shape: [1] },
          statistics: { data: new Float32Array(statisticsSize), shape: [statisticsSize] },
        },
        build(tape, tensors) {
          const { hidden, weight, bias, targets, scale, statistics } = tensors;
          crossEntropy(tape, {
            hidden: hidden!,
            weight: weight!,
            bias: bias!,
            targets: targets!,
            ignoreIndex: 0xffff_ffff,
            labelSmoothing: 0,
            scale: scale!,
            statistics: statistics!,
          });
          return { statistics: statistics! };
        },
        upstream: 'loss',
        check() {
          const given = { hidden: hidden.data, weight: weight.data, bias: bias.data, targets: targets.data };
          return expectedLoss(given, N, H, V);
        },
      };
    },
  };
}

interface Given {
  readonly hidden: Float32Array;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly targets: Uint32Array;
}

function expectedLoss({ hidden, weight, bias, targets }: Given, N: number, H: number, V: number) {
  const kinds = Math.min(different, N);
  const logits = new Float64Array(kinds * V);
  const shares = new Float64Array(kinds * V);
  /** Σ_v p_v W_v of each kind of row. */
  const means = new Float64Array(kinds * H);
  const norms = new Float64Array(kinds);
  const best = new Uint32Array(kinds);
  for (let kind = 0; kind < kinds; kind++) {
    const row = logits.subarray(kind * V, (kind + 1) * V);
    for (let v = 0; v < V; v++) {
      let sum = bias[v]!;
      for (let h = 0; h < H; h++) sum += hidden[kind * H + h]! * weight[v * H + h]!;
      row[v] = sum;
      if (sum > row[best[kind]!]!) best[kind] = v;
    }
    const largest = row[best[kind]!]!;
    norms[kind] = largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    for (let v = 0; v < V; v++) {
      const share = Math.exp(row[v]! - norms[kind]!);
      shares[kind * V + v] = share;
      for (let h = 0; h < H; h++) means[kind * H + h]! += share * weight[v * H + h]!;
    }
  }
  const kindOf = (n: number) => n % different;
  let [loss, correct] = [0, 0];
  for (const [n, target] of targets.entries()) {
    loss += norms[kindOf(n)]! - logits[kindOf(n) * V + target]!;
    if (best[kindOf(n)] === target) correct++;
  }
  /** The gradient of logit (n, v). */
  const slope = (n: number, v: number) => scale * (shares[kindOf(n) * V + v]! - (targets[n] === v ? 1 : 0));
  const rows = spreadOut(N, 32);
  const dHidden = Float64Array.from(everyIndex(rows, H), (index) => {
    const [n, h] = [Math.floor(index / H), index % H];
    return scale * (means[kindOf(n) * H + h]! - weight[targets[n]! * H + h]!);
  });
  const words = spreadOut(V, 32);
  const dWeight = new Float64Array(words.length * H);
  const dBias = new Float64Array(words.length);
  for (const [index, v] of words.entries()) {
    for (let n = 0; n < N; n++) {
      const d = slope(n, v);
      dBias[index]! += d;
      for (let h = 0; h < H; h++) dWeight[index * H + h]! += d * hidden[n * H + h]!;
    }
  }
  const sums = Float64Array.of(loss, loss, N, correct);
  return {
    values: [statistic.loss, statistic.nll, statistic.tokens, statistic.correct].map((at, index) => {
      return { tensor: 'statistics', at: [at], expected: [sums[index]!] };
    }),
    gradients: [
      { tensor: 'd hidden', at: everyIndex(rows, H), expected: dHidden },
      { tensor: 'd weight', at: everyIndex(words, H), expected: dWeight },
      { tensor: 'd bias', at: words, expected: dBias },
    ],
  };
}
