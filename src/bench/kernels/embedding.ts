/** Rows picked from a table, and their gradient, which adds up repeated ids. */
import { embedding } from '../../ops/embedding.ts';
import { type KernelCase, kernelBench } from './kernel.ts';
import { everyIndex, pickRows, sampledRows, spreadOut } from './samples.ts';

export const embeddingBench = kernelBench({
  name: 'embedding',
  summary: 'Rows of a table by id; their gradient sorts the ids',
  cases: ({ dimensions: { B, S, E, V } }) => [embeddingCase(S * B, V, E)],
});

/** N ids of V, each about as often as every other. */
function embeddingCase(N: number, V: number, E: number): KernelCase {
  return {
    title: 'embedding',
    sizes: { N, V, E },
    forward: { flops: 0, bytes: 4 * (N + 2 * N * E) },
    // Adds to rows of a parameter's gradient that is there.
    backward: { flops: N * E, bytes: 4 * (N + N * E + 2 * Math.min(N, V) * E) },
    setup(random) {
      const ids = random.ids([N], 0, V);
      const [weight, dy] = [random.floats([V, E]), random.floats([N, E])];
      return {
        inputs: { ids, weight },
        build: (tape, tensors) => ({ y: embedding(tape, tensors.ids!, tensors.weight!) }),
        upstream: { y: dy },
        // A parameter's gradient needs no clearing: the optimiser does that.
        timed: ({ shader }) => shader.name !== 'fill',
        check() {
          const positions = sampledRows(N, E);
          const picked = positions.map((position) => ids.data[position]!);
          const rows = [...new Set([...picked, ...spreadOut(V, 16)])];
          const sums = new Float64Array(rows.length * E);
          for (const [index, row] of rows.entries()) {
            for (let n = 0; n < N; n++) {
              if (ids.data[n] !== row) continue;
              for (let e = 0; e < E; e++) sums[index * E + e]! += dy.data[n * E + e]!;
            }
          }
          return {
            values: [
              { tensor: 'y', at: everyIndex(positions, E), expected: pickRows(weight.data, picked, E) },
            ],
            gradients: [{ tensor: 'd weight', at: everyIndex(rows, E), expected: sums }],
          };
        },
      };
    },
  };
}
