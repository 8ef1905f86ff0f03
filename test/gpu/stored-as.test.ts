/**
 * The f16 variants of the kernels: every one can be made from its text and parses, with f16 where it says and nowhere
 * else. Runs without a device, so on adapters without 16-bit floats too.
 */
import { expect, test } from 'vitest';
import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { shaderInfo, shaderNames } from '../../src/gpu/shader.ts';
import { storedAsHalf, storedTypes } from '../../src/gpu/stored-as.ts';

const withTypes = shaderNames()
  .map((name) => shaderInfo(name))
  .filter((shader) => storedTypes(shader).length > 0);

/** The bindings whose text says f16, as scalars or vectors. */
function halves(code: string): string[] {
  const { storage } = new WgslReflect(code);
  const isHalf = (type: object) => /"name":"(vec[234])?(f16|h)"/.test(JSON.stringify(type));
  return storage.filter(({ type }) => isHalf(type)).map(({ name }) => name);
}

test('most kernels that training runs have one', () => {
  const names = withTypes.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['convert', 'dropout', 'embedding', 'fill', 'lstm-cell', 'matmul']),
  );
});

test.each(withTypes.map((shader) => [shader.name, shader] as const))('%s', (_, shader) => {
  expect(halves(shader.code)).toEqual([]);
  const bindings = Object.values(shader.entries).flatMap((entry) => Object.entries(entry.bindings));
  for (const type of storedTypes(shader)) {
    const variant = storedAsHalf(shader, [type]);
    const expected = new Set(bindings.flatMap(([name, { element }]) => (element === type ? [name] : [])));
    expect(expected.size, type).toBeGreaterThan(0);
    expect(new Set(halves(variant.code))).toEqual(expected);
    // The same lines, so that a compiler's messages name those of the file.
    expect(variant.code.split('\n').length).toBe(shader.code.split('\n').length);
    expect(storedAsHalf(shader, [type])).toBe(variant);
  }
  const all = storedAsHalf(shader, storedTypes(shader));
  expect(storedTypes(all)).toEqual([]);
  expect(storedAsHalf(shader, storedTypes(shader).toReversed())).toBe(all);
  expect(storedAsHalf(shader, [])).toBe(shader);
});
