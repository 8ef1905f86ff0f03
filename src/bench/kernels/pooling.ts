/** Pooling over time, as a classifier does it. */
import { type Pooling, pooling, poolings } from '../../ops/pooling.ts';
import * as reference from '../../reference/pooling.ts';
import { type KernelCase, kernelBench } from './kernel.ts';
import { whole } from './samples.ts';

export const poolingBench = kernelBench({
  name: 'pooling',
  summary: 'Mean and maximum over the steps',
  cases: ({ dimensions: { B, S, H } }) => poolings.map((kind) => poolingCase(kind, S, B, H)),
});

function poolingCase(kind: Pooling, T: number, B: number, H: number): KernelCase {
  const places = kind === 'max' ? B * H : 0;
  return {
    title: `${kind} pooling`,
    sizes: { T, B, H },
    forward: { flops: T * B * H, bytes: 4 * (T * B * H + B * H + places) },
    backward: { flops: kind === 'mean' ? B * H : 0, bytes: 4 * (T * B * H + B * H + places) },
    setup(random) {
      const [x, dy] = [random.floats([T, B, H]), random.floats([B, H])];
      const lengths = { data: new Uint32Array(B).fill(T), shape: [B] };
      return {
        inputs: { x, lengths },
        build: (tape, tensors) => ({ y: pooling(tape, tensors.x!, tensors.lengths!, kind) }),
        upstream: { y: dy },
        check() {
          const { y, dx } = reference.pooling(kind, { T, B, H }, x.data, lengths.data, dy.data);
          return { values: [whole('y', y)], gradients: [whole('d x', dx)] };
        },
      };
    },
  };
}
