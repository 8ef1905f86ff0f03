/** What `training.early_stopping_metric` watches: its value of a validation, and which way is better. */
import { ConfigError } from '../errors.ts';
import type { EarlyStoppingMetric } from './config/types.ts';
import type { Validation } from './reports.ts';

export const lowerIsBetter: Readonly<Record<EarlyStoppingMetric, boolean>> = {
  loss: true,
  ppl: true,
  wer: true,
  accuracy: false,
  bleu: false,
  macro_f1: false,
  entity_f1: false,
};

/**
 * Accuracy is that of what the model puts out, where that is scored: of classes, or of tokens (which is with the right
 * words before them, but of a tagger that of its own tags). Else it is that of the pass that gives the loss, which
 * leaves out labels that training never saw.
 */
export function scoreOf(validation: Validation, metric: EarlyStoppingMetric): number {
  const { loss, perplexity, accuracy, scores } = validation;
  const { wer, bleu, macro_f1, entity_f1 } = scores;
  const values = {
    loss,
    ppl: perplexity,
    accuracy: scores.accuracy ?? scores.token_accuracy ?? accuracy,
    wer,
    bleu,
    macro_f1,
    entity_f1,
  };
  const score = values[metric];
  if (score === undefined) {
    const reason =
      metric === 'entity_f1'
        ? 'the held-out tags mark no entities (those are B-X, I-X and O), or testing.eval_metrics lacks it'
        : 'add it to testing.eval_metrics';
    throw new ConfigError(`training.early_stopping_metric: ${metric} is not scored in validation: ${reason}`);
  }
  return score;
}
