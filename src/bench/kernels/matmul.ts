/** Matrix products alone (squares, and a recurrent layer's skinny ones), and with bias and gradients: linear layers. */
import { linear, matmul } from '../../ops/matmul.ts';
import { type KernelCase, kernelBench } from './kernel.ts';
import { productSample, whole } from './samples.ts';

export const matmulBench = kernelBench({
  name: 'matmul',
  summary: 'Matrix products: squares, and those of a recurrent step; either operand transposed',
  cases({ dimensions: { B, H }, squares }) {
    const shapes = [...squares.map((side) => [side, side, side] as const), [B, 4 * H, H] as const];
    return shapes.flatMap(([M, N, K]) => layouts.map((layout) => matmulCase(layout, M, N, K)));
  },
});

export const linearBench = kernelBench({
  name: 'linear',
  summary: 'x·Wᵀ + b over all steps, as a layer projects its input; its gradients',
  cases: ({ dimensions: { B, T, E, H } }) => [linearCase(T * B, 4 * H, E)],
});

const layouts = ['NN', 'NT', 'TN'] as const;

/** C = A·B; T: that operand is stored transposed. */
function matmulCase(layout: (typeof layouts)[number], M: number, N: number, K: number): KernelCase {
  const [transposeA, transposeB] = [layout === 'TN', layout === 'NT'];
  return {
    title: `matmul ${layout}`,
    sizes: { M, N, K },
    forward: { flops: 2 * M * N * K, bytes: 4 * (M * K + K * N + M * N) },
    setup(random) {
      const a = random.floats(transposeA ? [K, M] : [M, K]);
      const b = random.floats(transposeB ? [N, K] : [K, N]);
      return {
        inputs: { a, b },
        build: (tape, tensors) => ({ c: matmul(tape, tensors.a!, tensors.b!, { transposeA, transposeB }) }),
        check() {
          const left = (i: number, k: number) => a.data[transposeA ? k * M + i : i * K + k]!;
          const right = (k: number, j: number) => b.data[transposeB ? j * K + k : k * N + j]!;
          return { values: [productSample('c', [M, N, K], left, right)] };
        },
      };
    },
  };
}

/** y [R, N] = x [R, K] · Wᵀ + b. */
function linearCase(R: number, N: number, K: number): KernelCase {
  return {
    title: 'linear',
    sizes: { R, N, K },
    forward: { flops: 2 * R * N * K + R * N, bytes: 4 * (R * K + N * K + N + R * N) },
    backward: { flops: 4 * R * N * K + R * N, bytes: 4 * (R * N + 2 * R * K + 2 * N * K + N) },
    setup(random) {
      const [x, weight, bias] = [random.floats([R, K]), random.floats([N, K]), random.floats([N])];
      const dy = random.floats([R, N]);
      return {
        inputs: { x, weight, bias },
        build: (tape, tensors) => ({ y: linear(tape, tensors.x!, tensors.weight!, tensors.bias!) }),
        upstream: { y: dy },
        check() {
          const [xAt, weightAt, dyAt] = [matrix(x.data, K), matrix(weight.data, K), matrix(dy.data, N)];
          const sums = new Float64Array(N);
          for (let i = 0; i < R; i++) for (let j = 0; j < N; j++) sums[j]! += dyAt(i, j);
          return {
            values: [
              productSample(
                'y',
                [R, N, K],
                xAt,
                (k, j) => weightAt(j, k),
                (j) => bias.data[j]!,
              ),
            ],
            gradients: [
              productSample('d x', [R, K, N], dyAt, weightAt),
              productSample('d weight', [N, K, R], (n, r) => dyAt(r, n), xAt),
              whole('d bias', sums),
            ],
          };
        },
      };
    },
  };
}

function matrix(data: ArrayLike<number>, columns: number): (row: number, column: number) => number {
  return (row, column) => data[row * columns + column]!;
}
