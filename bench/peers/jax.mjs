/**
 * jax-js on its WebGPU backend: `node bench/peers/jax.mjs`, spoken to by `protocol.mjs`. Every function is jitted; its
 * arrays are counted by reference, so operands that are used again are passed as `.ref` and results are disposed.
 */

import { readFileSync } from 'node:fs';
import { countCalls, report } from './device.mjs'; // First: puts WebGPU where jax-js looks for it.
import { serve } from './protocol.mjs';

const { init, defaultDevice, blockUntilReady, jit, numpy: np, nn } = await import('@jax-js/jax');
if (!(await init('webgpu')).includes('webgpu')) throw new Error('jax-js did not start its WebGPU backend');
defaultDevice('webgpu');

/** Uniform in ±1 from a small generator: the same numbers everywhere, and none that a kernel could skip. */
function uniform([rows, columns], seed) {
  let state = seed;
  const values = Float32Array.from({ length: rows * columns }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return np.array(values, { shape: [rows, columns] });
}

/** `repeats` runs on the same operands. */
function repeated(operands, compiled) {
  const run = async (repeats) => {
    // It is lazy: what is disposed before it was submitted is never computed. All results live until all are there.
    const results = Array.from({ length: repeats }, () =>
      compiled(...operands.map((operand) => operand.ref)),
    );
    for (const result of results) await blockUntilReady(result);
    for (const result of results) result.dispose();
  };
  const release = () => {
    for (const operand of operands) operand.dispose();
  };
  return { run, release };
}

/** By the titles of our benches. */
const works = {
  /** [M, K] · [K, N]; T: that operand is stored transposed. */
  'matmul NN': ({ M, K, N }) =>
    repeated(
      [uniform([M, K], 1), uniform([K, N], 2)],
      jit((a, b) => np.matmul(a, b)),
    ),
  'matmul NT': ({ M, K, N }) =>
    repeated(
      [uniform([M, K], 1), uniform([N, K], 2)],
      jit((a, b) => np.matmul(a, np.transpose(b))),
    ),
  'matmul TN': ({ M, K, N }) =>
    repeated(
      [uniform([K, M], 1), uniform([K, N], 2)],
      jit((a, b) => np.matmul(np.transpose(a), b)),
    ),
  'softmax, forward': ({ R, N }) =>
    repeated(
      [uniform([R, N], 3)],
      jit((x) => nn.softmax(x, -1)),
    ),
};

const manifest = JSON.parse(
  readFileSync(new URL('node_modules/@jax-js/jax/package.json', import.meta.url), 'utf8'),
);
await serve({
  hello: { name: 'jax-js', version: manifest.version, device: report.name },
  async prepare(task) {
    const prepared = works[task.title]?.(task.sizes);
    await prepared?.run(1); // compiles
    return prepared;
  },
  count: countCalls,
});
