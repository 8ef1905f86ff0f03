/**
 * One update of all parameters: norm of the gradients → clipping coefficient → optimiser, segment by segment, or range
 * by range where groups of parameters are treated differently. It knows nothing of the batch, so it is recorded once as
 * a plan of its own and run after every one or more training plans.
 */
import { ShapeError } from '../errors.ts';
import { recordCopyRows } from '../ops/copy.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import type { Columns, ParameterStore, Segment } from '../scheduler/parameters.ts';
import { partOf } from '../scheduler/persistent.ts';
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { hyperSize, type Optimizer, updateSize } from './optimizer.ts';
import type { ParameterRange } from './parameter-groups.ts';

/** Parameters that are updated by the same numbers, or not at all. */
export interface UpdateGroup {
  readonly ranges: readonly ParameterRange[];
  /**
   * f32 [hyperSize], persistent: the host writes `optimizer.hyper(step, learningRate)` before each run. Undefined:
   * frozen. Values and moments are not touched; the gradients are cleared first and so no part of the norm.
   */
  readonly hyper: Tensor | undefined;
}

export interface UpdateOptions {
  readonly optimizer: Optimizer;
  /** For each of the optimiser's moments, in its order, one tensor a segment (`store.createArenas(name)`). */
  readonly moments: readonly (readonly Tensor[])[];
  /** Together all parameters, none twice: `allAlike`, or what `parameter-groups.ts` makes of a configuration. */
  readonly groups: readonly UpdateGroup[];
  /** f32 [updateSize], persistent: the last norm and coefficient, for who wants to look. */
  readonly update: Tensor;
  /** f32 [8], persistent: see `statistic` in `ops/cross-entropy.ts`. */
  readonly statistics: Tensor;
  /** The gradient is scaled down to this norm where it is longer; 0: never. */
  readonly maxNorm: number;
  /** f32 [lossScaleSize], persistent, where the gradients are too large by a scale that adapts: see `loss-scale.ts`. */
  readonly lossScale?: Tensor | undefined;
}

/**
 * A workgroup of the norm adds up at least so many values; a segment gets at most so many workgroups. A software adapter has
 * few cores, and a workgroup's barrier and its last sum, which is one lane's, cost it as much as some hundred values.
 */
const valuesPerGroup = { software: 65_536, hardware: 4096 };
const mostGroups = 4096;

type Segments = Pick<ParameterStore, 'segments'>;

/** All parameters in one group. */
export function allAlike({ segments }: Segments, hyper: Tensor): UpdateGroup[] {
  const ranges = segments.map(({ values }, segment) => ({ segment, offset: 0, bytes: values.size * 4 }));
  return [{ ranges, hyper }];
}

/**
 * Records the update of every parameter from the gradients in the store's arenas, which are zero afterwards. Where
 * any gradient is not finite (or their norm overflows) parameters and moments stay as they are, bit for bit, and the
 * update is counted as skipped; the gradients are cleared all the same.
 *
 * @throws ShapeError where a tensor has the wrong shape
 */
export function recordUpdate(tape: Tape, { segments }: Segments, options: UpdateOptions): void {
  const { optimizer, moments, groups, update } = options;
  expectShape(update, updateSize);
  expectShape(options.statistics, statisticsSize);
  if (
    moments.length !== optimizer.moments.length ||
    moments.some(({ length }) => length !== segments.length)
  ) {
    throw new ShapeError(`${optimizer.name} keeps ${optimizer.moments.length} moments for each segment`);
  }
  const trained: { part: Segment; moments: Tensor[]; columns: Columns | undefined; hyper: Tensor }[] = [];
  for (const { ranges, hyper } of groups) {
    if (hyper) expectShape(hyper, hyperSize);
    for (const { segment, offset, bytes, columns } of ranges) {
      const { values, gradients } = segments[segment]!;
      const part = { values: partOf(values, offset, bytes), gradients: partOf(gradients, offset, bytes) };
      const own = moments.map((arenas) => partOf(arenas[segment]!, offset, bytes));
      if (hyper) trained.push({ part, moments: own, columns, hyper });
      else if (columns) clearColumns(tape, part.gradients, columns);
      else tape.fill(part.gradients, 0);
    }
  }
  recordNorm(tape, { segments }, options);
  for (const { part, moments, columns, hyper } of trained) {
    const record = (segment: Segment, own: readonly Tensor[]) =>
      optimizer.recordUpdate(tape, segment, own, hyper, update);
    if (columns) onColumns(tape, part, moments, columns, record);
    else record(part, moments);
  }
}

function clearColumns(tape: Tape, gradients: Tensor, { rows, row, column, width }: Columns): void {
  const zeros = tape.tensor('zeros', [width]);
  tape.fill(zeros, 0);
  recordCopyRows(
    tape,
    { tensor: zeros, offset: 0, row: 0 },
    { tensor: gradients, offset: column, row },
    rows,
    width,
  );
}

/**
 * Optimisers walk over contiguous memory: columns of a matrix are copied out, updated and copied back, the cleared
 * gradients too. An optimiser looks at each number by itself, so that changes no bit.
 */
function onColumns(
  tape: Tape,
  { values, gradients }: Segment,
  moments: readonly Tensor[],
  { rows, row, column, width }: Columns,
  record: (segment: Segment, moments: readonly Tensor[]) => void,
): void {
  const size = Math.ceil((rows * width) / 4) * 4;
  const copies = [values, gradients, ...moments].map((matrix) => ({
    within: { tensor: matrix, offset: column, row },
    alone: { tensor: tape.tensor('columns', [size]), offset: 0, row: width },
  }));
  for (const { within, alone } of copies) recordCopyRows(tape, within, alone, rows, width);
  const [ownValues, ownGradients, ...ownMoments] = copies.map(({ alone }) => alone.tensor);
  record({ values: ownValues!, gradients: ownGradients! }, ownMoments);
  for (const { within, alone } of copies) recordCopyRows(tape, alone, within, rows, width);
}

function recordNorm(
  tape: Tape,
  { segments }: Segments,
  { update, statistics, maxNorm, lossScale }: UpdateOptions,
): void {
  const values = valuesPerGroup[tape.software ? 'software' : 'hardware'];
  const groupsOf = segments.map(({ gradients }) => Math.min(mostGroups, Math.ceil(gradients.size / values)));
  const count = groupsOf.reduce((sum, groups) => sum + groups, 0);
  const partials = tape.tensor('partial sums of squares', [count]);
  let offset = 0;
  for (const [index, { gradients }] of segments.entries()) {
    const groups = groupsOf[index]!;
    tape.dispatch('gradient-norm', 'partial', {
      bindings: { gradients, partials },
      params: { size: gradients.size / 4, groups, offset, count, maxNorm },
      workgroups: [groups],
    });
    offset += groups;
  }
  const last = { params: { size: 0, groups: 0, offset: 0, count, maxNorm }, workgroups: [1] } as const;
  const bindings = { partials, update, statistics };
  if (lossScale) {
    tape.dispatch('gradient-norm', 'finish_scaled', { bindings: { ...bindings, lossScale }, ...last });
  } else {
    tape.dispatch('gradient-norm', 'finish', { bindings, ...last });
  }
}
