/** The figures of an evaluation as lines of text. */
import type { ModelType } from '../nn/model-config.ts';
import { lengthTable } from '../train/metrics/by-length.ts';
import type { TextScores, Validation } from '../train/reports.ts';
import { printable } from './session.ts';

/** What a score is called in tables and in the line of a validation, and how it is written. */
interface ScoreName {
  readonly long: string;
  readonly short: string;
  /** Share: 0 to 1, shown in per cent. */
  readonly unit: 'share' | 'percent' | 'bits' | 'points';
}

type Score = Exclude<keyof TextScores, 'bleu_signature'>;

/** In the order in which they are shown. */
export const scoreNames: Readonly<Record<Score, ScoreName>> = {
  accuracy: { long: 'accuracy', short: 'accuracy', unit: 'share' },
  macro_f1: { long: 'macro-F1 (mean over the classes)', short: 'macro-F1', unit: 'share' },
  token_accuracy: { long: 'token accuracy', short: 'token accuracy', unit: 'share' },
  sequence_accuracy: {
    long: 'sequence accuracy (outputs without an error)',
    short: 'exact',
    unit: 'share',
  },
  entity_precision: { long: 'entity precision', short: 'P', unit: 'share' },
  entity_recall: { long: 'entity recall', short: 'R', unit: 'share' },
  entity_f1: { long: 'entity F1 (as conlleval)', short: 'F1', unit: 'share' },
  wer: { long: 'WER (outputs with an error)', short: 'WER', unit: 'percent' },
  per: { long: 'PER (edits a reference symbol)', short: 'PER', unit: 'percent' },
  bleu: { long: 'BLEU', short: 'BLEU', unit: 'points' },
  bits_per_character: { long: 'bits per character', short: 'bpc', unit: 'bits' },
};

const allScores = Object.keys(scoreNames) as Score[];

/** `91.37`, or with its unit `91.37 %`. */
function figure(name: Score, value: number, unit: boolean): string {
  const kind = scoreNames[name].unit;
  if (kind === 'bits') return value.toFixed(4);
  const text = (kind === 'share' ? 100 * value : value).toFixed(2);
  return unit && kind !== 'points' ? `${text} %` : text;
}

/** The scores that are there, in short: `accuracy 91.37 %`. Those named in `without` are left out. */
export function shortScores(scores: TextScores, without: readonly Score[] = []): string[] {
  return allScores.flatMap((name) => {
    const value = scores[name];
    if (value === undefined || without.includes(name)) return [];
    const isShare = scoreNames[name].unit === 'share';
    return [`${scoreNames[name].short} ${figure(name, value, isShare)}`];
  });
}

export function evaluationText(
  title: string,
  { loss, perplexity, accuracy, scores, byLength }: Validation,
  type: ModelType = 'seq2seq',
): string {
  const unit = type === 'classifier' ? 'an example' : 'a token';
  const rows: [string, string][] = [[`loss (nats ${unit})`, loss.toFixed(4)]];
  const writes = type !== 'classifier' && type !== 'tagger';
  if (writes) {
    rows.push(['perplexity', perplexity.toFixed(3)]);
    rows.push(['token accuracy (given the right tokens before)', `${(100 * accuracy).toFixed(2)} %`]);
  }
  for (const name of allScores) {
    const value = scores[name];
    // Of models that write text it is the figure above.
    if (value === undefined || (writes && name === 'token_accuracy')) continue;
    const signature = name === 'bleu' ? `  (${scores.bleu_signature})` : '';
    rows.push([scoreNames[name].long, `${figure(name, value, true)}${signature}`]);
  }
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}\n`);
  const table = byLength ? ['\n', ...indented(byLengthTable(byLength))] : [];
  return `${printable(title)}\n${lines.join('')}${table.join('')}`;
}

/** Lines of a table as they stand under figures. */
export function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${printable(line)}\n`);
}

/** A column for each score that some range has. */
function byLengthTable(rows: NonNullable<Validation['byLength']>): string[] {
  const shown = allScores.filter((name) => rows.some(({ score }) => score[name] !== undefined));
  const columns = shown.map((name) => {
    const show = (score: TextScores) => {
      const value = score[name];
      return value === undefined ? '–' : figure(name, value, false);
    };
    return [scoreNames[name].short, show] as const;
  });
  return lengthTable(rows, Object.fromEntries(columns));
}
