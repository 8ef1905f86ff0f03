/**
 * Scores of classifiers, with the numbers of scikit-learn (`accuracy_score`, `precision_recall_fscore_support` and
 * `confusion_matrix`, all with `zero_division=0`), checked against it.
 */

import { compareCodePoints } from '../../data/code-points.ts';
import { checkPaired } from './error-rate.ts';
import { type PrecisionRecall, precisionRecall, ratio } from './ratio.ts';
import { percent, textTable } from './text-table.ts';

export interface ClassScores extends PrecisionRecall {
  readonly name: string;
  /** Examples that are of this class. */
  readonly references: number;
  /** Examples that were taken for one of this class. */
  readonly predicted: number;
  /** Examples of which both hold. */
  readonly correct: number;
}

export interface ClassificationScores {
  /** correct / total. */
  readonly accuracy: number;
  readonly correct: number;
  readonly total: number;
  /** Mean of the classes' precision, each class counting the same. */
  readonly macroPrecision: number;
  readonly macroRecall: number;
  /** Mean of the classes' F1 (not the F1 of the means). */
  readonly macroF1: number;
  /**
   * The classes that occur among the references or the predictions, in the order of their code points. The macro averages
   * are over these, as scikit-learn's are: a class that a model knows but that is in neither does not count, and one that
   * was only ever predicted counts with 0.
   */
  readonly classes: readonly ClassScores[];
  /** `confusion[i][j]`: examples of class i that were taken for class j. */
  readonly confusion: readonly (readonly number[])[];
}

/**
 * Compares predicted classes with the right ones.
 * @throws DataError if there are none or the lists are not equally long.
 */
export function classificationScores(
  predictions: readonly string[],
  references: readonly string[],
): ClassificationScores {
  checkPaired(predictions, references);
  const names = [...new Set([...references, ...predictions])].sort(compareCodePoints);
  const indexOf = new Map(names.map((name, index) => [name, index]));
  const confusion = names.map(() => new Array<number>(names.length).fill(0));
  for (const [i, reference] of references.entries()) {
    confusion[indexOf.get(reference)!]![indexOf.get(predictions[i]!)!]!++;
  }
  const classes = names.map((name, index) => {
    const correct = confusion[index]![index]!;
    const predicted = sum(confusion.map((row) => row[index]!));
    const own = sum(confusion[index]!);
    return { name, ...precisionRecall(correct, predicted, own), references: own, predicted, correct };
  });
  const correct = sum(classes.map((scores) => scores.correct));
  const mean = (part: (scores: ClassScores) => number) => ratio(sum(classes.map(part)), classes.length);
  return {
    accuracy: correct / references.length,
    correct,
    total: references.length,
    macroPrecision: mean(({ precision }) => precision),
    macroRecall: mean(({ recall }) => recall),
    macroF1: mean(({ f1 }) => f1),
    classes,
    confusion,
  };
}

/** The scores of each class under each other in percent, and their means. */
export function classTable(scores: ClassificationScores): string[] {
  const { macroPrecision, macroRecall, macroF1, total } = scores;
  return textTable([
    ['class', 'precision', 'recall', 'F1', 'examples'],
    ...scores.classes.map(({ name, precision, recall, f1, references }) => [
      name,
      percent(precision),
      percent(recall),
      percent(f1),
      `${references}`,
    ]),
    ['macro average', percent(macroPrecision), percent(macroRecall), percent(macroF1), `${total}`],
  ]);
}

/** The confusion matrix: a row for each right class, a column for each predicted one, in the same order. */
export function confusionTable({ classes, confusion }: ClassificationScores): string[] {
  return textTable([
    ['right \\ predicted', ...classes.map(({ name }) => name)],
    ...confusion.map((row, index) => [classes[index]!.name, ...row.map(String)]),
  ]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
