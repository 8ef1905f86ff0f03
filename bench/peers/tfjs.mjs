/**
 * TensorFlow.js on its WebGPU backend: `node bench/peers/tfjs.mjs`, spoken to by `protocol.mjs`. Training steps are in
 * `tfjs-model.mjs`. Data stays on the GPU; a result is read once at the end of a turn, which also waits for it.
 *
 * Its settings were tried out, see docs/bench.md: what is set here was the fastest that was seen. `TFJS_FLAGS=FLAG=VALUE,…`
 * sets others.
 */
import { countCalls, report } from './device.mjs'; // First: its backend looks for WebGPU when it is imported.
import { serve } from './protocol.mjs';
import { prepareTraining } from './tfjs-model.mjs';

const tf = await import('@tensorflow/tfjs-core');
await import('@tensorflow/tfjs-backend-cpu'); // Takes the few-element tensors that the WebGPU backend hands over.
await import('@tensorflow/tfjs-backend-webgpu');
const given = (process.env.TFJS_FLAGS ?? '').split(',').filter(Boolean);
for (const [flag, value] of given.map((setting) => setting.split('='))) tf.env().set(flag, JSON.parse(value));
if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js did not start its WebGPU backend');
await tf.ready();

/** Uniform in ±1 from a small generator: the same numbers everywhere, and none that a kernel could skip. */
function uniform(shape, seed) {
  let state = seed;
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return tf.tensor(values, shape);
}

/** `repeats` runs of one op on the same operands; one element of the last result is read. */
function repeated(operands, op) {
  const run = async (repeats) => {
    for (let i = 0; i < repeats - 1; i++) tf.dispose(op());
    const last = tf.tidy(() => tf.slice(tf.reshape(op(), [-1]), [0], [1]));
    await last.data();
    last.dispose();
  };
  return { run, release: () => tf.dispose(operands) };
}

/** By the titles of our benches. [M, K] · [K, N]; T: that operand is stored transposed. */
const works = {
  'matmul NN': ({ M, K, N }) => product(uniform([M, K], 1), uniform([K, N], 2), false, false),
  'matmul NT': ({ M, K, N }) => product(uniform([M, K], 1), uniform([N, K], 2), false, true),
  'matmul TN': ({ M, K, N }) => product(uniform([K, M], 1), uniform([K, N], 2), true, false),
  'softmax, forward'({ R, N }) {
    const x = uniform([R, N], 3);
    return repeated([x], () => tf.softmax(x));
  },
};

function product(a, b, transposeA, transposeB) {
  return repeated([a, b], () => tf.matMul(a, b, transposeA, transposeB));
}

/** Its own choice (-1), but for small layers its kernel for small results (3), which it leaves too early. */
function matmulProgram(training) {
  return training && training.configuration.sizes.H <= 64 ? 3 : -1;
}

await serve({
  hello: { name: 'TensorFlow.js', version: tf.version_core, device: report.name },
  async prepare({ title, sizes, training }) {
    if (given.length === 0) tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', matmulProgram(training));
    if (training) return await prepareTraining(tf, training); // which says losses, and so compiles
    const prepared = works[title]?.(sizes);
    await prepared?.run(1); // compiles
    return prepared;
  },
  count: countCalls,
});
