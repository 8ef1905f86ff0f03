/**
 * Ordering of strings by Unicode code points, as Python and UTF-8 bytes order them. JavaScript's `<` compares
 * UTF-16 units, which puts characters beyond U+FFFF before U+E000–U+FFFF.
 */

/** Negative if `a` comes before `b`, positive if after, 0 if they are equal. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return orderOfUnit(unitA) - orderOfUnit(unitB);
  }
  return a.length - b.length;
}

/** Moves the surrogates (which stand for the highest code points) above all other units. */
function orderOfUnit(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
