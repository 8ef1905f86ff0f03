/** Inverted dropout, with the mask that the kernel must make, from the CPU's Philox. */
import { philox4x32 } from '../../src/ops/philox.ts';

/** Seed low, seed high, step low, step high. */
export type RandomState = readonly [number, number, number, number];

/** 1 where an element of `count` is kept, 0 where it is dropped. */
export function dropoutMask(
  count: number,
  probability: number,
  site: number,
  random: RandomState,
): Uint8Array {
  const [seedLow, seedHigh, stepLow, stepHigh] = random;
  const mask = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const words = philox4x32([Math.floor(i / 4), site, stepLow, stepHigh], [seedLow, seedHigh]);
    mask[i] = words[i % 4]! >= probability * 2 ** 32 ? 1 : 0;
  }
  return mask;
}
