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

/** The nearest value that a binary16 has, of two the one with an even last bit; infinite beyond 65,504. */
export function roundToHalf(value: number): number {
  const magnitude = Math.abs(value);
  if (magnitude === 0 || !Number.isFinite(value)) return value;
  // Adding and taking off again 1.5·2⁵² units of the last place leaves a whole number of them, rounded to even.
  const unit = 2 ** (Math.max(Math.floor(Math.log2(magnitude)), -14) - 10);
  const shift = 1.5 * 2 ** 52 * unit;
  const rounded = value + shift - shift;
  return Math.abs(rounded) > 65_504 ? Math.sign(value) * Number.POSITIVE_INFINITY : rounded;
}
