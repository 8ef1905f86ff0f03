/**
 * Tokenised sentence pairs before there are vocabularies: every distinct token is a number (its type), so that
 * the text is tokenised once, counted, and turned into ids by a table. Pairs that cannot be trained on are
 * dropped here, and counted by reason.
 */

import { DataError } from '../errors.ts';
import { type Forms, textForms } from './forms.ts';
import type { Frames } from './frames.ts';
import type { ParallelText } from './parallel.ts';
import { type Sequences, SequencesBuilder } from './sequences.ts';
import { isSpecialToken } from './special-tokens.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface CorpusOptions {
  readonly source: Tokenizer;
  readonly target: Tokenizer;
  /** Drop pairs whose source has more tokens than this, `</s>` not counted. Default: keep all. */
  readonly maxSourceLength?: number;
  /** Drop pairs whose target has more tokens than this, `</s>` not counted. Default: keep all. */
  readonly maxTargetLength?: number;
  /** What the two sides are. Default: text. */
  readonly forms?: Forms;
}

export interface Corpus {
  readonly source: CorpusSide;
  readonly target: CorpusSide;
  /** The sources of the kept pairs, where they are frames. */
  readonly frames?: readonly Frames[];
  /** For each kept pair, the index of its line in the text, from 0. */
  readonly lines: Uint32Array;
  readonly report: CorpusReport;
}

export interface CorpusSide {
  /** The distinct tokens, in order of appearance. */
  readonly types: readonly string[];
  /** How often each token was seen. */
  readonly counts: ReadonlyMap<string, number>;
  /** For each kept pair, the indices of its tokens in `types`. */
  readonly sequences: Sequences;
}

/** What became of the pairs of a text. Each dropped pair counts once, under the first reason that holds. */
export interface CorpusReport {
  readonly name: string;
  readonly pairs: number;
  readonly kept: number;
  readonly emptySource: number;
  readonly emptyTarget: number;
  readonly longSource: number;
  readonly longTarget: number;
  /** Tokens of the kept pairs, `</s>` not counted. */
  readonly sourceTokens: number;
  readonly targetTokens: number;
  /** Tokens that read like a special token (`<s>` in the text): they are treated as unknown. */
  readonly literalSpecials: number;
}

type DropReason = 'emptySource' | 'emptyTarget' | 'longSource' | 'longTarget';

/**
 * Tokenises the pairs of a text, and drops those with an empty side or a side longer than its limit; of a language
 * model's lines only the long ones.
 * @throws DataError if no pair is left.
 */
export function tokenizeCorpus(text: ParallelText, options: CorpusOptions): Corpus {
  const { maxSourceLength = Number.POSITIVE_INFINITY, maxTargetLength = Number.POSITIVE_INFINITY } = options;
  const { forms = textForms } = options;
  const dropped = { emptySource: 0, emptyTarget: 0, longSource: 0, longTarget: 0 };
  const sourceSide = new SideBuilder();
  const targetSide = new SideBuilder();
  const lines: number[] = [];
  for (let line = 0; line < text.source.length; line++) {
    const source = sourceTokens(text, line, options.source, forms);
    const target = options.target.tokenize(text.target[line]!);
    const limits = { maxSourceLength, maxTargetLength };
    const reason = reasonToDrop(source.length, target.length, limits, forms);
    if (reason) {
      dropped[reason]++;
      continue;
    }
    if (forms.target === 'tags' && source.length !== target.length) {
      throw new DataError(
        `${text.name}: line ${line + 1} has ${source.length} tokens but ${target.length} tags; each token needs one.`,
      );
    }
    sourceSide.push(source);
    targetSide.push(target);
    lines.push(line);
  }
  const source = sourceSide.finish();
  const target = targetSide.finish();
  const report: CorpusReport = {
    name: text.name,
    pairs: text.source.length,
    kept: lines.length,
    ...dropped,
    sourceTokens: source.sequences.totalLength,
    targetTokens: target.sequences.totalLength,
    literalSpecials: literalSpecials(source) + literalSpecials(target),
  };
  if (report.pairs === 0) throw new DataError(`${text.name} is empty: it holds no pairs.`);
  if (report.kept === 0) throw new DataError(`${describeCorpus(report)}. Nothing is left to work with.`);
  const { frames } = text;
  return {
    source,
    target,
    ...(frames && { frames: lines.map((line) => frames[line]!) }),
    lines: Uint32Array.from(lines),
    report,
  };
}

/**
 * One line for a log, such as
 * `train.tsv: 3598 of 3600 pairs kept (dropped: 1 empty source, 1 target too long), 27041 source and 23450 target tokens`.
 */
export function describeCorpus(report: CorpusReport): string {
  const reasons = [
    [report.emptySource, 'empty source'],
    [report.emptyTarget, 'empty target'],
    [report.longSource, 'source too long'],
    [report.longTarget, 'target too long'],
  ] as const;
  const dropped = reasons.filter(([count]) => count > 0).map(([count, reason]) => `${count} ${reason}`);
  let text = `${report.name}: ${report.kept} of ${report.pairs} pairs kept`;
  if (dropped.length > 0) text += ` (dropped: ${dropped.join(', ')})`;
  text += `, ${report.sourceTokens} source and ${report.targetTokens} target tokens`;
  if (report.literalSpecials > 0) {
    text += `; ${report.literalSpecials} read like special tokens (<s> and the like) and are treated as unknown`;
  }
  return text;
}

/** The tokens of a source. Of frames only their number matters here: the steps, none of which is a token of anything. */
function sourceTokens(text: ParallelText, line: number, tokenizer: Tokenizer, forms: Forms): string[] {
  if (forms.source === 'none') return [];
  if (forms.source !== 'frames') return tokenizer.tokenize(text.source[line]!);
  const frames = text.frames?.[line];
  if (!frames) throw new DataError(`${text.name}: line ${line + 1} has no frames.`);
  return new Array<string>(frames.steps).fill(FRAME);
}

const FRAME = '<frame>';

/** A language model's blank line is not an empty example: it parts speeches or paragraphs, and is to be predicted. */
function reasonToDrop(
  source: number,
  target: number,
  { maxSourceLength, maxTargetLength }: { maxSourceLength: number; maxTargetLength: number },
  forms: Forms,
): DropReason | undefined {
  if (forms.source === 'none') return target > maxTargetLength ? 'longTarget' : undefined;
  if (source === 0) return 'emptySource';
  if (target === 0) return 'emptyTarget';
  if (source > maxSourceLength) return 'longSource';
  if (target > maxTargetLength) return 'longTarget';
  return undefined;
}

function literalSpecials(side: CorpusSide): number {
  let count = 0;
  for (const [token, seen] of side.counts) if (isSpecialToken(token)) count += seen;
  return count;
}

/** Numbers the distinct tokens as they come, and counts them. */
class SideBuilder {
  readonly #types: string[] = [];
  readonly #counts: number[] = [];
  readonly #indices = new Map<string, number>();
  readonly #sequences = new SequencesBuilder();

  push(tokens: readonly string[]): void {
    this.#sequences.push(tokens.map((token) => this.#indexOf(token)));
  }

  finish(): CorpusSide {
    return {
      types: this.#types,
      counts: new Map(this.#types.map((type, index) => [type, this.#counts[index]!])),
      sequences: this.#sequences.finish(),
    };
  }

  #indexOf(token: string): number {
    let index = this.#indices.get(token);
    if (index === undefined) {
      index = this.#types.push(token) - 1;
      this.#indices.set(token, index);
      this.#counts.push(0);
    }
    this.#counts[index]!++;
    return index;
  }
}
