/** Numbers in text files: read strictly, as 32-bit floating point. */

// Every part is told apart by its first character, so that nothing backtracks.
const DECIMAL = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/**
 * The float32 next to a decimal number such as `-1.5e-3`; undefined for anything else: words, `nan`, `inf`, hexadecimal,
 * nothing at all, or a number that 32-bit floating point has no finite value for.
 */
export function parseFloat32(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = Math.fround(Number(text));
  return Number.isFinite(value) ? value : undefined;
}

/** A piece of a file for a message: JSON, and never a page of it. */
export function quotedPiece(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text);
}
