/** Values for benches: many, quickly, the same in every run. (Philox would take seconds for a 4096² matrix.) */
import { Random } from '../../data/random.ts';
import { type Shape, sizeOf } from '../../scheduler/tensor.ts';

export interface RandomValues {
  /** Floats in ±scale. */
  floats(shape: Shape, scale?: number): { data: Float32Array<ArrayBuffer>; shape: Shape };
  /** Integers in [low, high). */
  ids(shape: Shape, low: number, high: number): { data: Uint32Array<ArrayBuffer>; shape: Shape };
}

export function randomTensors(seed = 1): RandomValues {
  const random = new Random(seed);
  const next = () => random.uint32() / 2 ** 32;
  return {
    floats(shape, scale = 1) {
      const data = new Float32Array(sizeOf(shape));
      for (let i = 0; i < data.length; i++) data[i] = (2 * next() - 1) * scale;
      return { data, shape };
    },
    ids(shape, low, high) {
      const data = new Uint32Array(sizeOf(shape));
      for (let i = 0; i < data.length; i++) data[i] = low + Math.floor(next() * (high - low));
      return { data, shape };
    },
  };
}
