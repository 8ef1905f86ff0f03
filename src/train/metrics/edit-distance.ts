/**
 * How far two sequences are apart: the fewest insertions, deletions and substitutions that turn one into the
 * other (Levenshtein 1966).
 */

/** Tokens or ids; a string counts as its UTF-16 units. */
export type Tokens = ArrayLike<string | number>;

export function editDistance(a: Tokens, b: Tokens): number {
  // Row i of the table, updated in place: row[j] edits turn the first i of a into the first j of b.
  const row = Uint32Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const substituted = diagonal + (a[i - 1] === b[j - 1] ? 0 : 1);
      diagonal = row[j]!;
      row[j] = Math.min(substituted, diagonal + 1, row[j - 1]! + 1);
    }
  }
  return row[b.length]!;
}
