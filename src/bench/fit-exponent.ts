/** How a cost grows: the exponent p of cost ≈ c · size^p, by least squares on logarithms. */

/** @throws RangeError for fewer than two different sizes, or values that are not positive */
export function fitExponent(sizes: readonly number[], costs: readonly number[]): number {
  if (sizes.length !== costs.length) throw new RangeError(`${sizes.length} sizes, ${costs.length} costs`);
  if (![...sizes, ...costs].every((value) => value > 0)) throw new RangeError('sizes and costs are positive');
  if (new Set(sizes).size < 2) throw new RangeError('an exponent needs two different sizes');
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [x, y] = [sizes.map(Math.log), costs.map(Math.log)];
  const [meanX, meanY] = [mean(x), mean(y)];
  const covariance = mean(x.map((value, i) => (value - meanX) * (y[i]! - meanY)));
  return covariance / mean(x.map((value) => (value - meanX) ** 2));
}
