/** The figures of an evaluation as lines of text. */
import type { Validation } from '../train/reports.ts';

export function printEvaluation(name: string, { loss, perplexity, accuracy, scores }: Validation): void {
  const rows: [string, string][] = [
    ['loss (nats a token)', loss.toFixed(4)],
    ['perplexity', perplexity.toFixed(3)],
    ['token accuracy (given the right words before)', `${(100 * accuracy).toFixed(2)} %`],
  ];
  if (scores.sequence_accuracy !== undefined) {
    rows.push(['sequence accuracy (exact match)', `${(100 * scores.sequence_accuracy).toFixed(2)} %`]);
  }
  if (scores.wer !== undefined) rows.push(['WER (outputs with any error)', `${scores.wer.toFixed(2)} %`]);
  if (scores.per !== undefined) rows.push(['PER (edits a reference symbol)', `${scores.per.toFixed(2)} %`]);
  if (scores.bleu !== undefined) rows.push([`BLEU (${scores.bleu_signature})`, scores.bleu.toFixed(2)]);
  const width = Math.max(...rows.map(([label]) => label.length));
  process.stdout.write(`${name}\n`);
  for (const [label, value] of rows) process.stdout.write(`  ${label.padEnd(width)}  ${value}\n`);
}
