/** The metrics that `testing.eval_metrics` names, of decoded lines against their references. */
import type { Tokenizer } from '../data/tokenizer.ts';
import type { EvalMetric, TestingConfig } from '../train/config/types.ts';
import { sequenceAccuracy } from '../train/metrics/accuracy.ts';
import { corpusBleu } from '../train/metrics/bleu.ts';
import { sequenceErrorRate, tokenErrorRate } from '../train/metrics/error-rate.ts';
import type { TextScores } from '../train/reports.ts';

/**
 * `token_accuracy` is not of the lines but of the teacher-forced pass: the caller gives it.
 * WER is the share of lines that are not right in full, PER edits per reference token (as in grapheme-to-phoneme
 * work); both in per cent, as is BLEU. Accuracies are shares, 0 to 1.
 */
export function scoreLines(
  hypotheses: readonly string[],
  references: readonly string[],
  tokenizer: Tokenizer,
  testing: TestingConfig,
  tokenAccuracy: number,
): TextScores {
  const tokens = (lines: readonly string[]) => lines.map((line) => tokenizer.tokenize(line));
  const [hypothesisTokens, referenceTokens] = [tokens(hypotheses), tokens(references)];
  const of: Readonly<Record<EvalMetric, () => TextScores>> = {
    token_accuracy: () => ({ token_accuracy: tokenAccuracy }),
    sequence_accuracy: () => ({
      sequence_accuracy: sequenceAccuracy(hypothesisTokens, referenceTokens).rate,
    }),
    wer: () => ({ wer: 100 * sequenceErrorRate(hypothesisTokens, referenceTokens).rate }),
    per: () => ({ per: 100 * tokenErrorRate(hypothesisTokens, referenceTokens).rate }),
    bleu: () => {
      const { score, signature } = corpusBleu(hypotheses, references, testing.sacrebleu_cfg);
      return { bleu: score, bleu_signature: signature };
    },
  };
  return Object.assign({}, ...testing.eval_metrics.map((metric) => of[metric]()));
}
