/** The most probable next token of each row, as greedy decoding chooses it. */

export interface GreedyIds {
  readonly padding: number;
  readonly begin: number;
  readonly end: number;
}

/** From logits [B, V] and each row's last token; a row that has ended goes on with padding. */
export function greedyStep(
  logits: ArrayLike<number>,
  last: ArrayLike<number>,
  vocabulary: number,
  { padding, begin, end }: GreedyIds,
): number[] {
  return Array.from(last, (token, row) => {
    if (token === end || token === padding) return padding;
    let choice = -1;
    for (let id = 0; id < vocabulary; id++) {
      if (id === padding || id === begin) continue;
      if (choice < 0 || logits[row * vocabulary + id]! > logits[row * vocabulary + choice]!) choice = id;
    }
    return choice;
  });
}
