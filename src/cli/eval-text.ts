/** The figures of an evaluation as lines of text. */
import type { Validation } from '../train/reports.ts';
import { printable } from './session.ts';

export function evaluationText(title: string, { loss, perplexity, accuracy, scores }: Validation): string {
  const rows: [string, string][] = [
    ['loss (nats a token)', loss.toFixed(4)],
    ['perplexity', perplexity.toFixed(3)],
    ['token accuracy (given the right tokens before)', `${(100 * accuracy).toFixed(2)} %`],
  ];
  if (scores.sequence_accuracy !== undefined) {
    rows.push([
      'sequence accuracy (outputs without an error)',
      `${(100 * scores.sequence_accuracy).toFixed(2)} %`,
    ]);
  }
  if (scores.wer !== undefined) rows.push(['WER (outputs with an error)', `${scores.wer.toFixed(2)} %`]);
  if (scores.per !== undefined) rows.push(['PER (edits a reference symbol)', `${scores.per.toFixed(2)} %`]);
  if (scores.bleu !== undefined) rows.push(['BLEU', `${scores.bleu.toFixed(2)}  (${scores.bleu_signature})`]);
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}\n`);
  return `${printable(title)}\n${lines.join('')}`;
}
