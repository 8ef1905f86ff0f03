/** Random but reproducible tensors for tests. */
import type { Shape } from '../../src/scheduler/tensor.ts';
import { hashIds, hashUniform } from './hash-numbers.ts';

const sizeOf = (shape: Shape): number => shape.reduce((product, length) => product * length, 1);

/** Floats evenly in ±scale. */
export function randomFloats(
  seed: number,
  shape: Shape,
  scale = 1,
): { data: Float32Array<ArrayBuffer>; shape: Shape } {
  return { data: hashUniform(seed, sizeOf(shape), scale), shape };
}

/** Integers in [low, high). */
export function randomIds(
  seed: number,
  shape: Shape,
  low: number,
  high: number,
): { data: Uint32Array<ArrayBuffer>; shape: Shape } {
  return { data: hashIds(seed, sizeOf(shape), low, high), shape };
}
