/** The token that a decoder reads next, with the random numbers that the kernel must draw. */
import type { RandomState } from './dropout.ts';
import { philox } from './philox.ts';

export interface Choice {
  /** [B, V]. */
  readonly logits: ArrayLike<number>;
  readonly vocabulary: number;
  readonly step: number;
  readonly site: number;
  readonly random: RandomState;
  readonly padding: number;
  readonly begin: number;
}

/** Scheduled sampling: for each row its own token with the probability, else `teacher`'s [B], whose padding stays. */
export function chooseToken(
  choice: Choice & {
    readonly teacher: ArrayLike<number>;
    readonly probability: number;
    /** 0: the most probable token. */
    readonly temperature: number;
  },
): number[] {
  const batch = choice.teacher.length;
  return Array.from(choice.teacher, (taught, row) => {
    const [first, , ...key] = numbersOf(choice, batch, row);
    const own = Math.floor(first! / 2 ** 8) / 2 ** 24 < choice.probability;
    if (taught === choice.padding || !own) return taught;
    return ownToken(choice, row, choice.temperature, key);
  });
}

/** Generation: a draw from softmax(logits / temperature) for each row that has not ended. */
export function sampleStep(
  choice: Choice & {
    readonly last: ArrayLike<number>;
    readonly temperature: number;
    readonly end: number;
  },
): number[] {
  const batch = choice.last.length;
  return Array.from(choice.last, (token, row) => {
    if (token === choice.end || token === choice.padding) return choice.padding;
    const [, , ...key] = numbersOf(choice, batch, row);
    return ownToken(choice, row, choice.temperature, key);
  });
}

function numbersOf({ step, site, random }: Choice, batch: number, row: number): number[] {
  const [seedLow, seedHigh, stepLow, stepHigh] = random;
  return philox([step * batch + row, site, stepLow, stepHigh], [seedLow, seedHigh]);
}

function ownToken(choice: Choice, row: number, temperature: number, key: readonly number[]): number {
  const { logits, vocabulary, padding, begin } = choice;
  let [best, token] = [Number.NEGATIVE_INFINITY, -1];
  for (let id = 0; id < vocabulary; id++) {
    if (id === padding || id === begin) continue;
    const noise = temperature > 0 ? gumbel(philox([Math.floor(id / 4), 0, 0, 0], key)[id % 4]!) : 0;
    const score = logits[row * vocabulary + id]! + temperature * noise;
    if (score > best) [best, token] = [score, id];
  }
  return token;
}

function gumbel(word: number): number {
  return -Math.log(-Math.log1p(-(word + 0.5) / 2 ** 32));
}
