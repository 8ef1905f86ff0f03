/** Inverted dropout: the mask that the kernel must make. */
import { philox } from './philox.ts';

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
  for (let i = 0; i < count; i += 4) {
    const words = philox([i / 4, site, stepLow, stepHigh], [seedLow, seedHigh]);
    for (let j = i; j < Math.min(count, i + 4); j++) mask[j] = words[j - i]! >= probability * 2 ** 32 ? 1 : 0;
  }
  return mask;
}
