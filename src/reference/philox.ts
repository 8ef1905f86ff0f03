/** Philox 4×32 with ten rounds (Salmon et al. 2011) in whole numbers of any size, straight from the paper. */

const word = 1n << 32n;

/** The four words of a counter (four words) under a key (two words), all 32 bits. */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [a, b, c, d] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const [even, odd] = [0xd2511f53n * a, 0xcd9e8d57n * c];
    [a, b, c, d] = [(odd / word) ^ b ^ k0, odd % word, (even / word) ^ d ^ k1, even % word];
    k0 = (k0 + 0x9e3779b9n) % word;
    k1 = (k1 + 0xbb67ae85n) % word;
  }
  return [a, b, c, d].map(Number);
}
