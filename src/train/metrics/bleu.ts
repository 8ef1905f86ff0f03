/**
 * Corpus BLEU (Papineni et al. 2002) with the numbers of Python's sacrebleu (Post 2018): the same
 * tokenisations, clipping, closest reference length and smoothing, checked against it to 1e-6.
 * BLEU compares texts: pass hypotheses detokenised (with `13a`, `zh`) or split by spaces (with `none`).
 */

import { splitWhitespace, trimWhitespaceEnd } from '../../data/whitespace.ts';
import { DataError } from '../../errors.ts';
import { type BleuTokenization, tokenizeForBleu } from './bleu-tokenizers.ts';

/** The longest n-grams counted. */
const ORDER = 4;

/**
 * Stands where sacrebleu's signature has its own version: which revision of this implementation made the score. It
 * changes if a score ever does.
 */
const VERSION = 'couplet-1';

export interface BleuOptions {
  /** How texts are split: sacrebleu's names. Default `13a`. */
  readonly tokenize?: BleuTokenization;
  /** Fold to lower case first. Default false. */
  readonly lowercase?: boolean;
  /**
   * What stands for a precision without matches: `exp` halves it each time (sacrebleu's default), `floor` takes 0.1
   * matches, `add-k` adds 1 to matches and totals of n > 1, `none` makes the score 0.
   */
  readonly smooth?: BleuSmoothing;
  /** Leave out the orders of n-grams that the hypotheses are too short for (for single sentences). Default false. */
  readonly effectiveOrder?: boolean;
}

export type BleuSmoothing = 'exp' | 'floor' | 'add-k' | 'none';

export interface BleuScore {
  /** 0 to 100. */
  readonly score: number;
  /** n-gram precisions for n = 1 … 4, 0 to 100, smoothed. */
  readonly precisions: readonly number[];
  readonly brevityPenalty: number;
  /** Tokens of all hypotheses. */
  readonly hypothesisLength: number;
  /** Tokens of all references (of the closest in length, where there are several). */
  readonly referenceLength: number;
  /** What has to be known to compare the score, such as `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:couplet-1`. */
  readonly signature: string;
}

/**
 * BLEU of a corpus.
 * @param hypotheses one text per sentence.
 * @param references one text per sentence; or several such lists, for several references.
 * @throws DataError if there are no sentences or the lists are not equally long.
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: readonly string[] | readonly (readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  const streams = referenceStreams(hypotheses, references);
  const { tokenize = '13a', lowercase = false } = options;
  const tokensOf = (text: string) => {
    const folded = lowercase ? text.toLowerCase() : text;
    return splitWhitespace(tokenizeForBleu(trimWhitespaceEnd(folded), tokenize));
  };

  const matches = new Array<number>(ORDER).fill(0);
  const totals = new Array<number>(ORDER).fill(0);
  let hypothesisLength = 0;
  let referenceLength = 0;
  for (const [index, hypothesis] of hypotheses.entries()) {
    const tokens = tokensOf(hypothesis);
    const alternatives = streams.map((stream) => tokensOf(stream[index]!));
    hypothesisLength += tokens.length;
    referenceLength += closestLength(tokens.length, alternatives);
    for (let n = 1; n <= ORDER; n++) {
      const allowed = mostOf(alternatives.map((reference) => countNgrams(reference, n)));
      for (const [ngram, count] of countNgrams(tokens, n)) {
        totals[n - 1]! += count;
        matches[n - 1]! += Math.min(count, allowed.get(ngram) ?? 0);
      }
    }
  }
  const brevityPenalty = penaltyForBrevity(hypothesisLength, referenceLength);
  return {
    ...combine(matches, totals, brevityPenalty, options),
    brevityPenalty,
    hypothesisLength,
    referenceLength,
    signature: signatureOf(streams.length, options),
  };
}

/** One line as sacrebleu prints it: the score, the four precisions, the brevity penalty and the lengths. */
export function describeBleu(bleu: BleuScore): string {
  const ratio = bleu.referenceLength === 0 ? 0 : bleu.hypothesisLength / bleu.referenceLength;
  return (
    `BLEU|${bleu.signature} = ${bleu.score.toFixed(2)} ${bleu.precisions.map((p) => p.toFixed(1)).join('/')} ` +
    `(BP = ${bleu.brevityPenalty.toFixed(3)} ratio = ${ratio.toFixed(3)} ` +
    `hyp_len = ${bleu.hypothesisLength} ref_len = ${bleu.referenceLength})`
  );
}

/** The geometric mean of the precisions times the brevity penalty. */
function combine(
  matches: readonly number[],
  totals: readonly number[],
  brevityPenalty: number,
  { smooth = 'exp', effectiveOrder = false }: BleuOptions,
): { score: number; precisions: number[] } {
  const precisions = new Array<number>(ORDER).fill(0);
  if (matches.every((count) => count === 0)) return { score: 0, precisions };
  let halved = 1;
  let order = ORDER;
  for (let n = 1; n <= ORDER; n++) {
    const added = smooth === 'add-k' && n > 1 ? 1 : 0;
    const match = matches[n - 1]! + added;
    const total = totals[n - 1]! + added;
    // Every hypothesis is shorter than n.
    if (total === 0) break;
    if (effectiveOrder) order = n;
    if (match > 0) {
      precisions[n - 1] = (100 * match) / total;
    } else if (smooth === 'exp') {
      halved *= 2;
      precisions[n - 1] = 100 / (halved * total);
    } else if (smooth === 'floor') {
      precisions[n - 1] = (100 * 0.1) / total;
    }
  }
  const used = precisions.slice(0, order);
  if (used.includes(0)) return { score: 0, precisions };
  const logarithms = used.reduce((sum, precision) => sum + Math.log(precision), 0);
  return { score: brevityPenalty * Math.exp(logarithms / order), precisions };
}

function penaltyForBrevity(hypothesisLength: number, referenceLength: number): number {
  if (hypothesisLength >= referenceLength) return 1;
  return hypothesisLength === 0 ? 0 : Math.exp(1 - referenceLength / hypothesisLength);
}

/** The length of the reference closest in length; of two equally close ones, the shorter. */
function closestLength(length: number, references: readonly (readonly string[])[]): number {
  const lengths = references.map((reference) => reference.length);
  return lengths.reduce((best, other) => {
    const closer = Math.abs(other - length) - Math.abs(best - length);
    return closer < 0 || (closer === 0 && other < best) ? other : best;
  });
}

/** Tokens hold no spaces, so n-grams joined by spaces are equal exactly if their tokens are. */
function countNgrams(tokens: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= tokens.length; i++) {
    const ngram = tokens.slice(i, i + n).join(' ');
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

/** For each n-gram, its highest count in any of the references. */
function mostOf(counts: readonly Map<string, number>[]): Map<string, number> {
  const most = new Map<string, number>();
  for (const part of counts) {
    for (const [ngram, count] of part) most.set(ngram, Math.max(count, most.get(ngram) ?? 0));
  }
  return most;
}

function referenceStreams(
  hypotheses: readonly string[],
  references: readonly string[] | readonly (readonly string[])[],
): readonly (readonly string[])[] {
  if (hypotheses.length === 0) throw new DataError('BLEU needs at least one hypothesis.');
  const single = typeof references[0] === 'string' || references.length === 0;
  const streams = (single ? [references] : references) as readonly (readonly string[])[];
  for (const stream of streams) {
    if (stream.length !== hypotheses.length) {
      throw new DataError(`There are ${hypotheses.length} hypotheses but ${stream.length} references.`);
    }
  }
  return streams;
}

function signatureOf(references: number, options: BleuOptions): string {
  const { tokenize = '13a', lowercase = false, smooth = 'exp', effectiveOrder = false } = options;
  const smoothing = { exp: 'exp', floor: 'floor[0.10]', 'add-k': 'add-k[1.00]', none: 'none' }[smooth];
  return [
    `nrefs:${references}`,
    `case:${lowercase ? 'lc' : 'mixed'}`,
    `eff:${effectiveOrder ? 'yes' : 'no'}`,
    `tok:${tokenize}`,
    `smooth:${smoothing}`,
    `version:${VERSION}`,
  ].join('|');
}
