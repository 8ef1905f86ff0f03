/** How well a classifier does each class, a tagger each tag or each type of entity. */
import { splitWhitespace } from '../data/whitespace.ts';
import type { ModelType } from '../nn/model-config.ts';
import { classificationScores, classTable, confusionTable } from '../train/metrics/classification.ts';
import { entityScores, entityTable, isEntityTag } from '../train/metrics/tagging.ts';
import type { Sample } from '../train/reports.ts';
import { indented } from './eval-text.ts';

/** A confusion matrix of more classes is wider than a terminal. */
const widestConfusion = 12;

export interface ClassScores {
  readonly text: string;
  /** What is added to the figures in JSON. */
  readonly json: object;
}

/** @param ignored the tag that is not scored */
export function classScores(
  samples: readonly Sample[],
  type: ModelType,
  ignored: string | null,
): ClassScores {
  const hypotheses = samples.map(({ hypothesis }) => hypothesis);
  const references = samples.map(({ reference }) => reference);
  if (type === 'classifier') {
    return ofClasses(hypotheses, references);
  }
  const right = references.map((line) => splitWhitespace(line));
  const scored = (tags: readonly string[], line: number) =>
    tags.filter((_, t) => right[line]![t] !== ignored);
  const rightScored = right.map(scored);
  const found = hypotheses.map((line) => splitWhitespace(line)).map(scored);
  if (!rightScored.flat().every(isEntityTag)) return ofClasses(found.flat(), rightScored.flat());
  const entities = entityScores(found, rightScored);
  return { text: `\n${indented(entityTable(entities)).join('')}`, json: { entities } };
}

function ofClasses(hypotheses: readonly string[], references: readonly string[]): ClassScores {
  const scores = classificationScores(hypotheses, references);
  const { classes, confusion } = scores;
  const tables = [classTable(scores), ...(classes.length <= widestConfusion ? [confusionTable(scores)] : [])];
  return {
    text: tables.map((lines) => `\n${indented(lines).join('')}`).join(''),
    json: { classes, confusion },
  };
}
