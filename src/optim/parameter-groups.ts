/**
 * Learning rates and freezing by the names of parameters. A configuration lists patterns; each parameter belongs to the
 * first that matches its name, all others to a last group of their own. For an epoch that gives groups of ranges in the
 * store's arenas, each to be updated at its own rate or to stay as it is: what PyTorch does with `param_groups` and
 * `requires_grad`. `update.ts` records it.
 */
import { ConfigError } from '../errors.ts';
import { nearest } from '../nn/config/nearest.ts';
import type { ColumnPart, Columns, ParameterPlace } from '../scheduler/parameters.ts';

/** One entry of the list `parameter_groups` of a configuration. */
export interface ParameterGroupOptions {
  /**
   * Of whole names, such as `encoder.rnn.weight_ih_l0`; `*` stands for any characters, dots included. Where the columns
   * of a weight belong to several inputs, `decoder.rnn.weight_ih_l0.context` names one's (as `weight_ih_l0` all of them).
   */
  readonly pattern: string;
  /** What the learning rate is multiplied by. Default: 1. */
  readonly lr?: number;
  /** The epochs at the start in which the parameters stay as they are. Default: 0. */
  readonly frozen_epochs?: number | 'always';
}

/** A piece of an arena segment, in bytes; offset and length are multiples of 256. */
export interface ParameterRange {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  /** Of the one matrix that lies there these columns alone; the others are in other groups. */
  readonly columns?: Columns;
}

export interface ParameterGroup {
  /** The pattern, or `*` for the parameters that no pattern matches. No two groups have the same. */
  readonly name: string;
  /** What the learning rate is multiplied by. */
  readonly multiplier: number;
  readonly frozen: boolean;
  /** In order; those that touch are one. */
  readonly ranges: readonly ParameterRange[];
}

/** The name of the group of all parameters that no pattern matches. */
export const restOfParameters = '*';

/**
 * The groups of an epoch, together all parameters. Without options there is one group.
 *
 * @param places the store's, in their order
 * @param epoch from 1
 * @throws ConfigError for a pattern that matches no parameter, or only such as an earlier one has taken
 */
export function parameterGroups(
  options: readonly ParameterGroupOptions[],
  places: readonly ParameterPlace[],
  epoch: number,
): ParameterGroup[] {
  const matchers = options.map(({ pattern }) => matcher(pattern));
  const ownerOf = (...names: string[]) => matchers.findIndex((matches) => names.some(matches));
  const owned = places.flatMap((place) => ownedPieces(place, ownerOf));
  const rangesOf = (owner: number) => merged(owned.filter((piece) => piece.owner === owner));
  const groups = options.map(({ pattern, lr = 1, frozen_epochs = 0 }, index) => {
    const ranges = rangesOf(index);
    if (ranges.length === 0) throw unmatched(pattern, matchers[index]!, places);
    const frozen = frozen_epochs === 'always' || epoch <= frozen_epochs;
    return { name: pattern, multiplier: lr, frozen, ranges };
  });
  const rest = rangesOf(-1);
  if (rest.length === 0) return groups;
  return [...groups, { name: restOfParameters, multiplier: 1, frozen: false, ranges: rest }];
}

/** Whether two lists would be recorded alike. */
export function sameGroups(a: readonly ParameterGroup[], b: readonly ParameterGroup[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Whether a pattern stands for a name. */
export function matcher(pattern: string): (name: string) => boolean {
  const literal = (text: string) => text.replace(/[\\^$.|?+()[\]{}]/g, '\\$&');
  const expression = new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`, 's');
  return (name) => expression.test(name);
}

/** A parameter, or some of its columns, and the number of the pattern that it belongs to. */
interface Piece extends ParameterRange {
  readonly owner: number;
}

/** A parameter in one piece, unless its columns belong to different patterns. */
function ownedPieces(
  { name, segment, offset, bytes, parts = [] }: ParameterPlace,
  ownerOf: (...names: string[]) => number,
): Piece[] {
  const range = { segment, offset, bytes };
  const owners = parts.map((part) => ownerOf(name, part.name));
  if (owners.every((owner) => owner === owners[0])) {
    return [{ ...range, owner: owners[0] ?? ownerOf(name) }];
  }
  return parts.map(({ rows, row, column, width }: ColumnPart, index) => ({
    ...range,
    columns: { rows, row, column, width },
    owner: owners[index]!,
  }));
}

/** Ranges of the pieces, which are in order. */
function merged(pieces: readonly Piece[]): ParameterRange[] {
  const ranges: ParameterRange[] = [];
  for (const { owner: _, ...piece } of pieces) {
    const last = ranges.at(-1);
    const touch = last?.segment === piece.segment && last.offset + last.bytes === piece.offset;
    if (touch && !last.columns && !piece.columns) {
      ranges[ranges.length - 1] = { ...last, bytes: last.bytes + piece.bytes };
    } else {
      ranges.push(piece);
    }
  }
  return ranges;
}

function unmatched(
  pattern: string,
  matches: (name: string) => boolean,
  places: readonly ParameterPlace[],
): ConfigError {
  const names = places.flatMap(({ name, parts = [] }) => [name, ...parts.map((part) => part.name)]);
  const taken = names.find(matches);
  if (taken !== undefined) {
    return new ConfigError(
      `parameter_groups: all that '${pattern}' matches (such as ${taken}) belongs to patterns before it: the first ` +
        'match counts, so put the narrower pattern first',
    );
  }
  const parts = [...new Set(names.flatMap(prefixes))];
  const meant = nearest(pattern, pattern.includes('*') ? [...parts, ...names] : names);
  const advice = meant
    ? `did you mean '${meant}'?`
    : `there are ${parts.filter((part) => part.split('.').length === 2).join(', ') || names.join(', ')}`;
  return new ConfigError(`parameter_groups: no parameter matches '${pattern}'; ${advice}`);
}

/** Of `a.b.c`: `a.*` and `a.b.*`. */
function prefixes(name: string): string[] {
  const words = name.split('.');
  return words.slice(1).map((_, index) => `${words.slice(0, index + 1).join('.')}.*`);
}
