/**
 * WGSL has no imports, and each shader is to be readable alone: the few functions that several need are copied. The
 * copies must stay the same, and what they promise is measured here once.
 */
import { expect, test } from 'vitest';
import { shaderInfo, shaderNames } from '../../src/gpu/shader.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { testGpu } from '../setup/gpu.ts';

/** The text of a function by the names of the shaders that have it. */
function copiesOf(name: string): Map<string, string> {
  const copies = new Map<string, string>();
  for (const shader of shaderNames()) {
    const text = new RegExp(`^fn ${name}\\([\\s\\S]*?^}`, 'm').exec(shaderInfo(shader).code)?.[0];
    if (text) copies.set(shader, text);
  }
  return copies;
}

test.each(['tanh_accurate', 'sigmoid_accurate', 'philox', 'multiply'])(
  'all copies of %s are the same',
  (name) => {
    const copies = copiesOf(name);
    expect(copies.size).toBeGreaterThan(1);
    const [first] = copies.values();
    for (const [shader, text] of copies) expect(text, shader).toBe(first);
  },
);

test('no shader calls a tanh of its language', () => {
  for (const name of shaderNames()) {
    const code = shaderInfo(name).code.replaceAll(/\/\/.*/g, '');
    expect(code, name).not.toMatch(/\btanh\s*\(/);
  }
});

test('tanh_accurate has a relative error below 1e-6 and saturates', async () => {
  const magnitudes = Array.from({ length: 400 }, (_, i) => 10 ** (-37 + (i / 400) * 39));
  const around = Array.from({ length: 300 }, (_, i) => 0.3 + i / 300);
  const inputs = Float32Array.from(
    [...magnitudes, ...around, 0, 9.9, 10, 10.1, 88, 89, 1e4, 1e19, 1e20, 3.4e38].flatMap((x) => [x, -x]),
  );
  const T = inputs.length;
  const one = { data: Float32Array.of(1), shape: [1, 1, 1] };
  const zero = { data: Float32Array.of(0), shape: [1, 1, 1] };
  // The concat score of one unit: 1 * tanh(q + 0).
  const { outputs } = await evaluate(
    await testGpu(),
    {
      q: { data: inputs, shape: [T, 1, 1] },
      k: zero,
      v: one,
      lengths: { data: Uint32Array.of(1), shape: [1] },
    },
    (tape, { q, k, v, lengths }) => {
      const scores = tape.tensor('scores', [T, 1, 1]);
      tape.dispatch('attention-concat', 'forward', {
        bindings: { q, k, v, lengths, scores },
        params: { start: 0, end: T, steps: T, batch: 1, sources: 1, units: 1, accumulate: 0, stride: 0 },
        workgroups: [Math.ceil(T / 64)],
      });
      return { scores };
    },
  );
  let worst = 0;
  outputs.scores.data.forEach((value, i) => {
    const exact = Math.tanh(inputs[i]!);
    expect(Math.abs(value), `tanh(${inputs[i]})`).toBeLessThanOrEqual(1);
    const error = exact === 0 ? Math.abs(value) : Math.abs(value - exact) / Math.abs(exact);
    expect(Number.isNaN(error)).toBe(false);
    worst = Math.max(worst, error);
  });
  expect(worst).toBeLessThan(1e-6);
});
