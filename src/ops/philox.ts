/**
 * Philox 4×32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a pure function
 * from a counter to four random words, the same here and in shaders/dropout.wgsl. `PhiloxStream` deals its words out
 * one after another on the CPU, for initial weights.
 */

type Words4 = readonly [number, number, number, number];

/** The four 32-bit words of a counter (four words) under a key (two words). */
export function philox4x32(
  counter: Words4,
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const evenHigh = multiplyHigh(0xd2511f53, c0);
    const evenLow = Math.imul(0xd2511f53, c0);
    const oddHigh = multiplyHigh(0xcd9e8d57, c2);
    const oddLow = Math.imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [oddHigh ^ c1 ^ k0, oddLow, evenHigh ^ c3 ^ k1, evenLow];
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The upper 32 bits of the 64-bit product of two 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const cross = aLow * bHigh;
  const middle = ((aLow * bLow) >>> 16) + (cross & 0xffff) + aHigh * bLow;
  return aHigh * bHigh + (cross >>> 16) + (middle >>> 16);
}

/** The counter's last word in a stream; a training step, which stands there in dropout's counters, never gets so far. */
const streamMark = 0xffff_ffff;

/** Random numbers in sequence. Streams of one seed with different numbers share none, nor with any dropout mask. */
export class PhiloxStream {
  readonly #key: readonly [number, number];
  readonly #stream: number;
  #block = 0;
  #words: readonly number[] = [];
  #used = 0;
  #spareNormal: number | undefined;

  /** `seed` below 2⁵³, `stream` below 2³². */
  constructor(seed: number, stream = 0) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#stream = stream;
  }

  /** An integer in [0, 2³²). */
  nextU32(): number {
    if (this.#used === this.#words.length) {
      const high = Math.floor(this.#block / 2 ** 32);
      this.#words = philox4x32([this.#block >>> 0, this.#stream, high, streamMark], this.#key);
      this.#block++;
      this.#used = 0;
    }
    return this.#words[this.#used++]!;
  }

  /** A float in [low, high), of 32 random bits. */
  nextUniform(low = 0, high = 1): number {
    return low + (high - low) * (this.nextU32() * 2 ** -32);
  }

  /** A normally distributed float (Box and Muller's method, which makes two at a time). */
  nextNormal(mean = 0, deviation = 1): number {
    let value = this.#spareNormal;
    if (value === undefined) {
      const radius = Math.sqrt(-2 * Math.log((this.nextU32() + 1) * 2 ** -32)); // of a number in (0, 1]
      const angle = 2 * Math.PI * this.nextUniform();
      value = radius * Math.cos(angle);
      this.#spareNormal = radius * Math.sin(angle);
    } else {
      this.#spareNormal = undefined;
    }
    return mean + deviation * value;
  }
}
