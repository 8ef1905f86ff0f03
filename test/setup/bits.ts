/** Equality of numbers to the last bit: −0 is not 0, and one NaN is another only with the same bits. */
import { expect } from 'vitest';

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array) =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

export function sameBits(a: Float32Array, b: Float32Array): boolean {
  return bytesOf(a).equals(bytesOf(b));
}

/** Named tensors that must be equal bit for bit; names what is not. */
export function expectSameBits(
  actual: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, Float32Array>,
  label: string,
): void {
  expect([...actual.keys()], `${label}: names`).toEqual([...expected.keys()]);
  const different = [...expected].filter(([name, values]) => !sameBits(actual.get(name)!, values));
  expect(
    different.map(([name]) => name),
    `${label}: not bit-equal`,
  ).toEqual([]);
}
