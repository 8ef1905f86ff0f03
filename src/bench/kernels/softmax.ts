/** Softmax over rows with lengths, as attention has them: [T·B, S]. */
import { softmax } from '../../ops/softmax.ts';
import * as reference from '../../reference/softmax.ts';
import { type KernelCase, kernelBench, transcendental } from './kernel.ts';
import { everyIndex, sampledRows } from './samples.ts';

export const softmaxBench = kernelBench({
  name: 'softmax',
  summary: 'Softmax over the source positions, and over a vocabulary',
  cases({ dimensions: { B, S, T, V } }) {
    return [softmaxCase(T * B, S), softmaxCase(B, V)];
  },
});

function softmaxCase(R: number, N: number): KernelCase {
  return {
    title: 'softmax',
    sizes: { R, N },
    // Maximum, difference, exponential, sum, division of each element.
    forward: { flops: R * N * (4 + transcendental), bytes: 4 * 2 * R * N },
    // Product and sum of each element, then difference and product.
    backward: { flops: 4 * R * N, bytes: 4 * 3 * R * N },
    setup(random) {
      const x = random.floats([R, N], 4);
      const dy = random.floats([R, N]);
      return {
        inputs: { x },
        build: (tape, tensors) => ({ y: softmax(tape, tensors.x!) }),
        upstream: { y: dy },
        check() {
          const rows = sampledRows(R, N);
          const at = everyIndex(rows, N);
          const pick = (data: ArrayLike<number>) => Float64Array.from(at, (index) => data[index]!);
          const y = reference.softmax(pick(x.data), N);
          const gradient = reference.softmaxGradient(y, pick(dy.data), N);
          return {
            values: [{ tensor: 'y', at, expected: y }],
            gradients: [{ tensor: 'd x', at, expected: gradient }],
          };
        },
      };
    },
  };
}
