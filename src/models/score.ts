/** The metrics that `testing.eval_metrics` names, of a model's outputs against their references. */
import type { EvalMetric, TestingConfig } from '../train/config/types.ts';
import { sequenceAccuracy, tokenAccuracy } from '../train/metrics/accuracy.ts';
import { bitsPerCharacter } from '../train/metrics/bits.ts';
import { corpusBleu } from '../train/metrics/bleu.ts';
import { classificationScores } from '../train/metrics/classification.ts';
import { sequenceErrorRate, tokenErrorRate } from '../train/metrics/error-rate.ts';
import { entityScores, isEntityTag } from '../train/metrics/tagging.ts';
import type { TextScores } from '../train/reports.ts';

/** Outputs and references side by side, as lines and as tokens. */
export interface Scored {
  readonly hypotheses: readonly string[];
  readonly references: readonly string[];
  readonly hypothesisTokens: readonly (readonly string[])[];
  readonly referenceTokens: readonly (readonly string[])[];
  /** Of a tagger the tags are tokens, and their accuracy is that of the outputs. */
  readonly tags: boolean;
  /** Of the teacher-forced pass; absent where only a part of its lines is scored. */
  readonly forced?: { readonly accuracy: number; readonly nll: number; readonly characters: number };
}

/** Tags side by side, those left out that are not to be scored. */
export function withoutIgnored(
  hypotheses: readonly (readonly string[])[],
  references: readonly (readonly string[])[],
  ignored: string | null,
): Pick<Scored, 'hypothesisTokens' | 'referenceTokens'> {
  if (ignored === null) return { hypothesisTokens: hypotheses, referenceTokens: references };
  return {
    hypothesisTokens: hypotheses.map((tags, line) => tags.filter((_, t) => references[line]![t] !== ignored)),
    referenceTokens: references.map((tags) => tags.filter((tag) => tag !== ignored)),
  };
}

/** Some of the lines. */
export function partOf(scored: Scored, indices: readonly number[]): Scored {
  const pick = <Item>(items: readonly Item[]) => indices.map((index) => items[index]!);
  return {
    hypotheses: pick(scored.hypotheses),
    references: pick(scored.references),
    hypothesisTokens: pick(scored.hypothesisTokens),
    referenceTokens: pick(scored.referenceTokens),
    tags: scored.tags,
  };
}

/** Whether a metric needs the model's own outputs. */
export function needsOutputs(metric: EvalMetric, tags: boolean): boolean {
  if (metric === 'bits_per_character') return false;
  return metric !== 'token_accuracy' || tags;
}

/**
 * WER is the share of lines that are not right in full, PER edits per reference token (as in grapheme-to-phoneme
 * work); both in per cent, as is BLEU. All others are shares, 0 to 1, or bits.
 */
export function scoreOutputs(scored: Scored, testing: TestingConfig): TextScores {
  const { hypotheses, references, hypothesisTokens, referenceTokens, tags, forced } = scored;
  const of: Readonly<Record<EvalMetric, () => TextScores>> = {
    token_accuracy: () => {
      if (tags) return { token_accuracy: tokenAccuracy(hypothesisTokens, referenceTokens).rate };
      return forced ? { token_accuracy: forced.accuracy } : {};
    },
    sequence_accuracy: () => ({
      sequence_accuracy: sequenceAccuracy(hypothesisTokens, referenceTokens).rate,
    }),
    wer: () => ({ wer: 100 * sequenceErrorRate(hypothesisTokens, referenceTokens).rate }),
    per: () => ({ per: 100 * tokenErrorRate(hypothesisTokens, referenceTokens).rate }),
    bleu: () => {
      const { score, signature } = corpusBleu(hypotheses, references, testing.sacrebleu_cfg);
      return { bleu: score, bleu_signature: signature };
    },
    accuracy: () => ({ accuracy: classificationScores(hypotheses, references).accuracy }),
    macro_f1: () => ({ macro_f1: classificationScores(hypotheses, references).macroF1 }),
    entity_f1: () => {
      // Parts of speech mark no entities.
      if (!referenceTokens.flat().every(isEntityTag)) return {};
      const { f1, precision, recall } = entityScores(hypothesisTokens, referenceTokens);
      return { entity_f1: f1, entity_precision: precision, entity_recall: recall };
    },
    bits_per_character: () =>
      forced ? { bits_per_character: bitsPerCharacter(forced.nll, forced.characters) } : {},
  };
  return Object.assign({}, ...testing.eval_metrics.map((metric) => of[metric]()));
}
