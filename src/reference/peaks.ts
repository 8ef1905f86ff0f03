/** What the kernels that only calculate leave behind: twelve chains x ← x · factor + summand for each element. */

export interface PeakChains {
  readonly size: number;
  readonly rounds: number;
  readonly start: number;
  readonly factor: number;
  readonly summand: number;
}

export function peakChains({ size, rounds, start, factor, summand }: PeakChains): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => {
    let sum = 0;
    for (let chain = 0; chain < 12; chain++) {
      let x = start * (i + chain / 16);
      for (let round = 0; round < rounds; round++) x = x * factor + summand;
      sum += x;
    }
    return sum;
  });
}
