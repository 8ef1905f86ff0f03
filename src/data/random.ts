/**
 * Random numbers for the order of the data: xoshiro128** (Blackman & Vigna 2018, "Scrambled linear
 * pseudorandom number generators"), 128 bits of state, period 2^128 − 1. The same on every platform, and a
 * stream is found from its key alone: `new Random(seed, epoch)` needs no history. Not for secrets. (Dropout
 * has its own counter-based generator on the GPU.)
 */

export class Random {
  /** Four 32-bit words, not all zero. */
  readonly #state: Uint32Array;

  /**
   * @param keys integers that select the stream, such as a seed and an epoch; their order matters.
   */
  constructor(...keys: readonly number[]) {
    this.#state = stateFromKeys(keys);
  }

  /** A generator in a given state of four 32-bit words, as published test vectors give it. */
  static fromState(state: readonly [number, number, number, number]): Random {
    const random = new Random();
    random.#state.set(state);
    if (random.#state.every((word) => word === 0))
      throw new RangeError('The state of xoshiro128** must not be all zero');
    return random;
  }

  /** The next 32 bits, as an integer from 0 to 2^32 − 1. */
  uint32(): number {
    const s = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = rotateLeft(s[3]!, 11);
    return result;
  }

  /** A number of [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** An integer of 0 … n − 1, all equally likely (1 ≤ n ≤ 2^32): values beyond the last multiple of n are drawn again. */
  below(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= 0x100000000))
      throw new RangeError(`below(${n}): n must be 1 to 2^32`);
    const limit = 0x100000000 - (0x100000000 % n);
    let value = this.uint32();
    while (value >= limit) value = this.uint32();
    return value % n;
  }

  /** Puts the items in random order, in place (Fisher–Yates), and returns them. */
  shuffle<Items extends { readonly length: number; [index: number]: unknown }>(items: Items): Items {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      const item = items[last];
      items[last] = items[other];
      items[other] = item;
    }
    return items;
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Four words, each a hash of all keys; keys beyond 32 bits count in full. */
function stateFromKeys(keys: readonly number[]): Uint32Array {
  const state = new Uint32Array(4);
  for (let lane = 0; lane < 4; lane++) {
    let hash = mix(0x9e3779b9 * (lane + 1));
    for (const key of keys) {
      if (!Number.isSafeInteger(key))
        throw new RangeError(`A random stream's key must be an integer, not ${key}`);
      hash = mix(hash + (key >>> 0));
      hash = mix(hash + Math.floor(key / 0x100000000));
    }
    state[lane] = hash;
  }
  if (state.every((word) => word === 0)) state[0] = 1;
  return state;
}

/** A bijection of 32-bit words that spreads every bit over all others (Wellons' "lowbias32" constants). */
function mix(word: number): number {
  let x = (word + 0x9e3779b9) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
