import { expect, test, vi } from 'vitest';
import { Gpu } from '../../src/gpu/gpu.ts';
import { shaderInfo, shaderNames } from '../../src/gpu/shader.ts';
import { storedTypes } from '../../src/gpu/stored-as.ts';
import { type SelfTestRow, selfTest } from '../../src/self-test/self-test.ts';
import { RandomTensors, worstError } from '../../src/self-test/test-case.ts';
import { testGpu } from '../setup/gpu.ts';

test('compares every entry of every shader, and all are right', async () => {
  const compiled = new Set<string>();
  const kernel = vi.spyOn(Gpu.prototype, 'kernel');
  const gpu = await testGpu();
  const rows = await selfTest(gpu);
  const halves = new Set<string>();
  for (const [{ name, code }, entry] of kernel.mock.calls) {
    compiled.add(`${name}/${entry}`);
    if (code.startsWith('enable f16;')) halves.add(name);
  }
  kernel.mockRestore();
  const all = shaderNames().flatMap((name) =>
    Object.keys(shaderInfo(name).entries).map((entry) => `${name}/${entry}`),
  );
  expect(all.filter((entry) => !compiled.has(entry))).toEqual([]);
  // In mixed precision too, where the device can: every shader that may store f16, on a CPU but for those of GPUs alone.
  const stored = shaderNames().filter(
    (name) => storedTypes(shaderInfo(name)).length > 0 && !(gpu.software && name.includes('-tiled')),
  );
  expect([...halves].sort()).toEqual(gpu.halves ? stored.sort() : []);
  expect(rows.filter(({ ok }) => !ok)).toEqual([]);
  expect(rows.every(({ maxError, tolerance }) => maxError <= tolerance)).toBe(true);
  const isMixed = ({ case: name }: SelfTestRow) => name.includes('mixed precision');
  expect(rows.every((row) => row.tolerance <= (isMixed(row) ? 12 * 2 ** -11 : 1e-4))).toBe(true);
});

test('a device that computes something else fails, with the tensor and its error', async () => {
  const gpu = await testGpu();
  // Everything that is read back is a little off.
  const read = vi.spyOn(Gpu.prototype, 'read').mockImplementation(async (_buffer, _offset, bytes) => {
    return new Float32Array(bytes / 4).fill(1e-3).buffer;
  });
  const rows = await selfTest(gpu);
  read.mockRestore();
  expect(rows.filter(({ ok }) => ok)).toEqual([]);
  expect(rows[0]).toMatchObject({
    kernel: 'matmul',
    ok: false,
    message: expect.stringMatching(/^c is off by/),
  });
});

test('a device that breaks off is a row that says why', async () => {
  const gpu = await testGpu();
  const kernel = vi.spyOn(Gpu.prototype, 'kernel').mockRejectedValue(new Error('no compiler'));
  const rows = await selfTest(gpu);
  kernel.mockRestore();
  for (const row of rows)
    expect(row).toMatchObject({ ok: false, maxError: Infinity, message: 'no compiler' });
});

test('errors are relative to the scale of each tensor; the worst one counts', () => {
  const actual = { a: { data: [1, 2.5] }, b: { data: [100, 101] } };
  expect(worstError([actual, { a: [1, 2], b: [100, 100] }])).toEqual({ name: 'a', error: 0.25 });
  expect(worstError([{ a: { data: [0, 1e-9] } }, { a: [0, 0] }])).toEqual({ name: 'a', error: 1e-9 });
  for (const data of [[Number.NaN], [Infinity], [], [1, 2]]) {
    expect(worstError([{ a: { data } }, { a: [1] }]).error).toBe(Infinity);
  }
  expect(worstError([{}, { a: [1] }])).toEqual({ name: 'a', error: Infinity });
});

test('random tensors are the same in every run', () => {
  const draw = () => new RandomTensors(3).floats([5], 2).data;
  expect(draw()).toEqual(draw());
  expect(draw().every((value) => Math.abs(value) <= 2)).toBe(true);
  expect(draw()).not.toEqual(new RandomTensors(4).floats([5], 2).data);
});
