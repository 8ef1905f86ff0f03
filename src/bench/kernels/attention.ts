/** Luong's attention over all steps: scores, softmax, context and h̃, and all of their gradients. */
import { type AttentionScore, luongAttention } from '../../ops/attention.ts';
import * as reference from '../../reference/attention.ts';
import { type KernelCase, kernelBench, transcendental } from './kernel.ts';
import type { RandomValues } from './random-values.ts';
import { clearOtherRows, everyIndex, pickRows, rowsOfBatch, spreadOut, whole } from './samples.ts';

export const attentionBench = kernelBench({
  name: 'attention',
  summary: 'Attention with dot, general and concat scores',
  cases: ({ dimensions: { B, S, T, H } }) =>
    (['dot', 'general', 'concat'] as const).map((score) => attentionCase(score, T, B, S, H)),
});

type Floats = ReturnType<RandomValues['floats']>;

/** The score's own weights, for keys and queries of H and a concat score of H units. */
function weightsOf(score: AttentionScore, random: RandomValues, H: number): Record<string, Floats> {
  const square = () => random.floats([H, H], 1 / Math.sqrt(H));
  if (score === 'dot') return {};
  if (score === 'general') return { linearIn: square() };
  return { linearQuery: square(), linearContext: square(), v: random.floats([1, H], 1 / Math.sqrt(H)) };
}

function attentionCase(score: AttentionScore, T: number, B: number, S: number, H: number): KernelCase {
  const [queries, pairs] = [T * B, T * B * S];
  const matrices = { dot: 2, general: 3, concat: 4 }[score];
  // Keys of the memory, and of concat those of the queries.
  const keys = { dot: 0, general: S * B, concat: S * B + queries }[score];
  const products = 2 * (keys * H * H + pairs * H * 2 + queries * H * 2 * H);
  const hidden = score === 'concat' ? pairs * H * transcendental : 0;
  const arrays = 2 * queries * H + S * B * H + pairs + matrices * H * H;
  return {
    title: `attention, ${score}`,
    sizes: { T, B, S, H },
    forward: {
      flops: products + hidden + pairs * (4 + transcendental) + queries * H * transcendental,
      bytes: 4 * arrays,
    },
    // Two products for each of the forward pass; concat's tanh is computed again rather than kept.
    backward: { flops: 2 * products + hidden + pairs * 4 + queries * H * 3, bytes: 4 * 2 * arrays },
    setup(random) {
      const most = Math.max(2, Math.floor(Math.sqrt(2e7 / (S * H * H))));
      const [ts, bs] = [spreadOut(T, most), spreadOut(B, most)];
      const rows = ts.flatMap((t) => bs.map((b) => t * B + b));
      const places = rowsOfBatch(S, B, bs);
      const output = random.floats([T, B, H]);
      clearOtherRows(output.data, rows, H);
      const linearOut = random.floats([H, 2 * H], 1 / Math.sqrt(2 * H));
      const weights: Record<string, Floats> = { linearOut, ...weightsOf(score, random, H) };
      const [query, memory] = [random.floats([T, B, H]), random.floats([S, B, H])];
      const lengths = { data: new Uint32Array(B).fill(S), shape: [B] };
      return {
        inputs: { query, memory, lengths, ...weights },
        build: (tape, { query: q, memory: m, lengths: l, ...tensors }) => ({
          output: luongAttention(tape, {
            label: 'attention',
            score,
            query: q!,
            memory: m!,
            memoryLengths: l!,
            weights: { ...tensors, linearOut: tensors.linearOut! },
          }).output,
        }),
        upstream: { output },
        check() {
          const sizes = { T: ts.length, B: bs.length, S, H, M: H, A: H };
          const own = Object.fromEntries(Object.entries(weights).map(([name, { data }]) => [name, data]));
          const given = {
            ...own,
            query: pickRows(query.data, rows, H),
            memory: pickRows(memory.data, places, H),
          };
          const values = reference.attention(score, sizes, given, new Uint32Array(bs.length).fill(S));
          const slopes = reference.attentionGradients(score, sizes, given, values, {
            output: pickRows(output.data, rows, H),
          });
          return {
            values: [{ tensor: 'output', at: everyIndex(rows, H), expected: values.output }],
            gradients: [
              { tensor: 'd query', at: everyIndex(rows, H), expected: slopes.query! },
              { tensor: 'd memory', at: everyIndex(places, H), expected: slopes.memory! },
              ...Object.keys(weights).map((name) => whole(`d ${name}`, slopes[name]!)),
            ],
          };
        },
      };
    },
  };
}
