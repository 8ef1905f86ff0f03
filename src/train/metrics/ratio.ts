/** Ratios whose denominator may be nothing, as the field's scorers (conlleval, scikit-learn) define them. */

/** numerator / denominator; 0 where nothing is divided by nothing. */
export function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}

export interface PrecisionRecall {
  /** Share of what was predicted that is right. */
  readonly precision: number;
  /** Share of what is right that was predicted. */
  readonly recall: number;
  /** Their harmonic mean: 2 · correct / (predicted + references). */
  readonly f1: number;
}

/** Precision, recall and F1 from counts, each 0 where it is undefined. */
export function precisionRecall(correct: number, predicted: number, references: number): PrecisionRecall {
  return {
    precision: ratio(correct, predicted),
    recall: ratio(correct, references),
    f1: ratio(2 * correct, predicted + references),
  };
}
