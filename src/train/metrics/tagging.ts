/**
 * Scores of taggers: the share of right tags, and precision, recall and F1 of the entities that the tags mark. An entity
 * counts as right if its type and both its ends are.
 *
 * Which entities tags mark follows the CoNLL shared tasks' `conlleval.pl` (Tjong Kim Sang) and, where it says nothing of
 * single-token tags, Python's `seqeval` in its default mode; both are checked against. The rules are tolerant: any sequence
 * of tags means something, in IOB1, IOB2 and IOBES alike. An `I-X` after nothing, or after another type, begins an entity.
 * On B, I and O alone the two scorers agree; on `E` they do not (conlleval's `E` belongs to an older scheme), and seqeval
 * is followed.
 */

import { compareCodePoints } from '../../data/code-points.ts';
import { DataError } from '../../errors.ts';
import { checkPaired } from './error-rate.ts';
import { type PrecisionRecall, precisionRecall } from './ratio.ts';
import { percent, textTable } from './text-table.ts';

type TagSequence = readonly string[];

/** Tokens `start` … `end` − 1. */
export interface Entity {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

export interface EntityCounts extends PrecisionRecall {
  /** Entities of the references. */
  readonly references: number;
  /** Entities of the predictions. */
  readonly predicted: number;
  /** Entities that are in both. */
  readonly correct: number;
}

export interface EntityTypeCounts extends EntityCounts {
  readonly type: string;
}

/** Over all entities ("micro"), and by type. */
export interface EntityScores extends EntityCounts {
  /** The types that occur among the references or the predictions, in the order of their code points. */
  readonly types: readonly EntityTypeCounts[];
}

/**
 * Precision, recall and F1 of entities; each is 0 where it is undefined.
 * @throws DataError if there are no sentences, one has not as many tags in both, or a tag marks no entity
 * (see `isEntityTag`).
 */
export function entityScores(
  predictions: readonly TagSequence[],
  references: readonly TagSequence[],
): EntityScores {
  checkTags(predictions, references);
  const counts = new Map<string, { references: number; predicted: number; correct: number }>();
  const of = (type: string) => {
    const known = counts.get(type) ?? { references: 0, predicted: 0, correct: 0 };
    counts.set(type, known);
    return known;
  };
  for (const [sentence, tags] of references.entries()) {
    const right = new Set<string>();
    for (const entity of entitiesOf(tags)) {
      of(entity.type).references++;
      right.add(keyOf(entity));
    }
    for (const entity of entitiesOf(predictions[sentence]!)) {
      of(entity.type).predicted++;
      if (right.has(keyOf(entity))) of(entity.type).correct++;
    }
  }
  const types = [...counts.entries()]
    .sort(([a], [b]) => compareCodePoints(a, b))
    .map(([type, part]) => ({ type, ...withRates(part) }));
  const total = { references: 0, predicted: 0, correct: 0 };
  for (const part of types) {
    total.references += part.references;
    total.predicted += part.predicted;
    total.correct += part.correct;
  }
  return { ...withRates(total), types };
}

/**
 * The entities that a sentence's tags mark, in order.
 * @throws DataError naming the first tag that is not one of entities.
 */
export function entitiesOf(tags: TagSequence): Entity[] {
  const entities: Entity[] = [];
  let previous = outside;
  let start = 0;
  for (let i = 0; i <= tags.length; i++) {
    const tag = i < tags.length ? parseTag(tags[i]!) : outside;
    if (ends(previous, tag)) entities.push({ type: previous.type, start, end: i });
    if (starts(previous, tag)) start = i;
    previous = tag;
  }
  return entities;
}

/** Whether a tag is `O`, or B, I, E or S alone or with `-` and a type. Parts of speech are not, for example. */
export function isEntityTag(tag: string): boolean {
  return ENTITY_TAG.test(tag);
}

/** Entities by type under each other, in percent, as `conlleval.pl` lists them, and all of them. */
export function entityTable(scores: EntityScores): string[] {
  const row = (name: string, { precision, recall, f1, references, predicted, correct }: EntityCounts) => [
    name,
    percent(precision, 2),
    percent(recall, 2),
    percent(f1, 2),
    `${correct}`,
    `${predicted}`,
    `${references}`,
  ];
  return textTable([
    ['type', 'precision', 'recall', 'F1', 'correct', 'predicted', 'references'],
    ...scores.types.map((part) => row(part.type, part)),
    row('all', scores),
  ]);
}

interface Tag {
  readonly place: 'B' | 'I' | 'E' | 'S' | 'O';
  readonly type: string;
}

const ENTITY_TAG = /^(?:O|([BIES])(?:-([\s\S]*))?)$/;
const outside: Tag = { place: 'O', type: '' };

function parseTag(tag: string): Tag {
  const match = ENTITY_TAG.exec(tag);
  if (!match) {
    throw new DataError(
      `The tag ${JSON.stringify(tag)} marks no entity (O, or B-, I-, E- or S- and a type): entity F1 does not apply.`,
    );
  }
  const [, place, type = ''] = match;
  return place === undefined ? outside : { place: place as Tag['place'], type };
}

/** Whether an entity that `previous` is in ends before `tag`. */
function ends(previous: Tag, tag: Tag): boolean {
  if (previous.place === 'O') return false;
  if (previous.place === 'E' || previous.place === 'S') return true;
  return tag.place === 'B' || tag.place === 'S' || tag.place === 'O' || previous.type !== tag.type;
}

/** Whether an entity starts at `tag`. */
function starts(previous: Tag, tag: Tag): boolean {
  if (tag.place === 'O') return false;
  if (tag.place === 'B' || tag.place === 'S') return true;
  const isAfterEnd = previous.place === 'O' || previous.place === 'E' || previous.place === 'S';
  return isAfterEnd || previous.type !== tag.type;
}

function withRates(counts: { references: number; predicted: number; correct: number }): EntityCounts {
  return { ...precisionRecall(counts.correct, counts.predicted, counts.references), ...counts };
}

function keyOf({ type, start, end }: Entity): string {
  return `${start} ${end} ${type}`;
}

function checkTags(predictions: readonly TagSequence[], references: readonly TagSequence[]): void {
  checkPaired(predictions, references);
  for (const [sentence, { length }] of references.entries()) {
    const predicted = predictions[sentence]!.length;
    if (predicted !== length) {
      throw new DataError(`Sentence ${sentence + 1} has ${length} tags, but ${predicted} were predicted.`);
    }
  }
}
