/** Order statistics of repeated timings: the median says how long it took, the quartiles how sure that is. */

export interface Spread {
  readonly median: number;
  /** First quartile. */
  readonly lower: number;
  /** Third quartile. */
  readonly upper: number;
  readonly fastest: number;
  /** How many values there were. */
  readonly count: number;
}

/** The spread of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    lower: quantile(sorted, 0.25),
    upper: quantile(sorted, 0.75),
    fastest: quantile(sorted, 0),
    count: sorted.length,
  };
}

/** Half the interquartile range over the median: the ± of a table. */
export function relativeSpread({ median, lower, upper }: Spread): number {
  return median === 0 ? 0 : (upper - lower) / 2 / median;
}

/** Of sorted values, linear between the two nearest (numpy's and R's default, type 7). */
export function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  if (below === undefined || above === undefined) throw new RangeError('no values, no quantile');
  return below + (above - below) * (at - Math.floor(at));
}
