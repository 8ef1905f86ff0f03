/**
 * Numbers from a 32-bit hash, bit for bit the same here and in test/golden/hash_numbers.py, so that fixtures and
 * benchmarks name a seed instead of carrying large weights. Element `i` is a pure function of the seed and `i`:
 *
 *   hash(seed, i) = lowbias32(lowbias32(i) ^ lowbias32(seed + 0x9e3779b9))   modulo 2³²; its top 24 bits are used.
 *
 * lowbias32 is the mixing function of Chris Wellons' hash-prospector.
 */

function lowbias32(x: number): number {
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

const keyOf = (seed: number): number => lowbias32((seed + 0x9e3779b9) >>> 0);
const top24 = (key: number, index: number): number => lowbias32(lowbias32(index) ^ key) >>> 8;

/** `count` uniform numbers in [−scale, scale): float32((top24 · 2⁻²³ − 1) · scale), the product taken in float64. */
export function hashUniform(seed: number, count: number, scale: number): Float32Array<ArrayBuffer> {
  const key = keyOf(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = (top24(key, i) * 2 ** -23 - 1) * scale;
  return values;
}

/** `count` integers in [low, high): low + ⌊top24 · (high − low) / 2²⁴⌋. */
export function hashIds(seed: number, count: number, low: number, high: number): Uint32Array<ArrayBuffer> {
  const key = keyOf(seed);
  const ids = new Uint32Array(count);
  for (let i = 0; i < count; i++) ids[i] = low + Math.floor((top24(key, i) * (high - low)) / 2 ** 24);
  return ids;
}
