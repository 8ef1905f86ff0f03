/** Numbers of 16 bits, which files hold and JavaScript has no array for (`Float16Array` is too young to be counted on). */

/** The value of an IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. Exact in float32. */
export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
