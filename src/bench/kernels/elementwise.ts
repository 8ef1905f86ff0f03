/** Kernels that do little more than move memory: copies, fills, activations' gradients, column sums, dropout. */
import { recordActivationGradientRange } from '../../ops/activation.ts';
import { recordColumnSumRows } from '../../ops/column-sum.ts';
import { recordCopy } from '../../ops/copy.ts';
import { dropout } from '../../ops/dropout.ts';
import { philox } from '../../reference/philox.ts';
import { drawFlops, type KernelCase, kernelBench } from './kernel.ts';
import type { RandomValues } from './random-values.ts';
import { spreadOut, whole } from './samples.ts';

export const copyBench = kernelBench({
  name: 'copy',
  summary: 'Copies and fills, as between the layers',
  cases: ({ dimensions: { B, T, H } }) => [copyCase(T * B * H), fillCase(T * B * H)],
});

export const activationBench = kernelBench({
  name: 'activation',
  summary: 'Gradients of activations (forward they are part of a product)',
  cases: ({ dimensions: { B, T, H } }) => [activationCase(T * B * H)],
});

export const columnSumBench = kernelBench({
  name: 'column-sum',
  summary: 'Sums over all steps and rows: the gradients of biases',
  cases: ({ dimensions: { B, T, H } }) => [columnSumCase(T * B, 4 * H)],
});

export const dropoutBench = kernelBench({
  name: 'dropout',
  summary: 'Dropout with its counter-based random numbers',
  cases: ({ dimensions: { B, T, H } }) => [dropoutCase(T, B, H)],
});

/** Elements of large tensors that are checked. */
const samples = 20_000;

function copyCase(N: number): KernelCase {
  return {
    title: 'copy',
    sizes: { N },
    forward: { flops: 0, bytes: 4 * 2 * N },
    setup(random) {
      const x = random.floats([N]);
      return {
        inputs: { x },
        build(tape, tensors) {
          const y = tape.tensor('y', [N]);
          recordCopy(tape, tensors.x!, y);
          return { y };
        },
        check: () => ({ values: [whole('y', x.data)] }),
      };
    },
  };
}

function fillCase(N: number): KernelCase {
  return {
    title: 'fill',
    sizes: { N },
    forward: { flops: 0, bytes: 4 * N },
    setup: () => ({
      inputs: {},
      build(tape) {
        const y = tape.tensor('y', [N]);
        tape.fill(y, 0.5);
        return { y };
      },
      check: () => ({ values: [whole('y', new Float32Array(N).fill(0.5))] }),
    }),
  };
}

function activationCase(N: number): KernelCase {
  return {
    title: 'tanh gradient',
    sizes: { N },
    forward: { flops: 3 * N, bytes: 4 * 3 * N },
    setup(random) {
      const [y, dy] = [random.floats([N]), random.floats([N])];
      return {
        inputs: { y, dy },
        build(tape, tensors) {
          const dx = tape.tensor('dx', [N]);
          recordActivationGradientRange(tape, 'tanh', tensors.y!, tensors.dy!, dx, { start: 0, end: N });
          return { dx };
        },
        check() {
          const expected = Float64Array.from(y.data, (value, i) => dy.data[i]! * (1 - value * value));
          return { values: [whole('dx', expected)] };
        },
      };
    },
  };
}

function columnSumCase(R: number, N: number): KernelCase {
  return {
    title: 'column sum',
    sizes: { R, N },
    forward: { flops: R * N, bytes: 4 * (R * N + N) },
    setup(random) {
      const x = random.floats([R, N]);
      return {
        inputs: { x },
        build(tape, tensors) {
          const y = tape.tensor('y', [N]);
          const from = { tensor: tensors.x!, offset: 0, row: N };
          recordColumnSumRows(tape, from, R, N, { tensor: y, accumulate: 0 });
          return { y };
        },
        check() {
          const sums = new Float64Array(N);
          for (let i = 0; i < R * N; i++) sums[i % N]! += x.data[i]!;
          return { values: [whole('y', sums)] };
        },
      };
    },
  };
}

const [probability, site] = [0.25, 3];
const state = [5, 2 ** 8, 11, 0] as const;

function dropoutCase(T: number, B: number, H: number): KernelCase {
  const size = T * B * H;
  const work = { flops: size * (drawFlops + 2), bytes: 4 * 2 * size };
  return {
    title: 'dropout',
    sizes: { T, B, H },
    forward: work,
    backward: work,
    setup(random: RandomValues) {
      const [x, dy] = [random.floats([T, B, H]), random.floats([T, B, H])];
      const words = { data: Uint32Array.from(state), shape: [4] };
      return {
        inputs: { x, random: words },
        build: (tape, tensors) => ({
          y: dropout(tape, tensors.x!, { probability, site, random: tensors.random! }),
        }),
        upstream: { y: dy },
        check() {
          const at = spreadOut(size, samples);
          const scales = at.map((i) => {
            const counter = [Math.floor(i / 4), site, state[2], state[3]];
            return philox(counter, [state[0], state[1]])[i % 4]! >= probability * 2 ** 32
              ? 1 / (1 - probability)
              : 0;
          });
          const kept = (data: Float32Array) => at.map((i, index) => data[i]! * scales[index]!);
          return {
            values: [{ tensor: 'y', at, expected: kept(x.data) }],
            gradients: [{ tensor: 'd x', at, expected: kept(dy.data) }],
          };
        },
      };
    },
  };
}
