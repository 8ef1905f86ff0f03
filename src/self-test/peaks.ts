/** Self-tests of the kernels by which benchmarks measure what a device can do at most. */
import { evaluate } from '../ops/evaluate.ts';
import { peakChains } from '../reference/peaks.ts';
import type { TestCase } from './test-case.ts';

function fmaCase(entry: 'fused' | 'separate'): TestCase {
  return {
    kernel: 'peak-fma',
    name: `${entry}, twelve rounds`,
    async run(gpu) {
      const params = { rounds: 12, start: 0.01, factor: 0.75, summand: 0.5 };
      const size = 192;
      const { outputs } = await evaluate(gpu, {}, (tape) => {
        const y = tape.tensor('y', [size]);
        tape.dispatch('peak-fma', entry, { bindings: { y }, params, workgroups: [size / 64] });
        return { y };
      });
      return { values: [outputs, { y: peakChains({ size, ...params }) }] };
    },
  };
}

/** In a grid of two rows, the last workgroup of which has nothing to do. */
function copyCase(entry: 'vectors' | 'scalars'): TestCase {
  return {
    kernel: 'peak-copy',
    name: `${entry}, a folded grid`,
    async run(gpu, random) {
      const width = entry === 'vectors' ? 4 : 1;
      const groups = 3;
      const size = groups * 512 * width;
      const x = random.floats([size]);
      const { outputs } = await evaluate(gpu, { x }, (tape, tensors) => {
        const y = tape.tensor('y', [size]);
        const call = { params: { stride: 2, groups }, workgroups: [2, 2] as const };
        if (entry === 'scalars')
          tape.dispatch('peak-copy', entry, { bindings: { x: tensors.x, y }, ...call });
        else {
          tape.dispatch('peak-copy', entry, { bindings: { xVectors: tensors.x, yVectors: y }, ...call });
        }
        return { y };
      });
      return { values: [outputs, { y: x.data }] };
    },
  };
}

export const peakCases: readonly TestCase[] = [
  fmaCase('fused'),
  fmaCase('separate'),
  copyCase('vectors'),
  copyCase('scalars'),
];
