/**
 * One update of all parameters: norm of the gradients → clipping coefficient → optimiser, segment by segment. It knows
 * nothing of the batch, so it is recorded once as a plan of its own and run after every one or more training plans.
 */
import { ShapeError } from '../errors.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { hyperSize, type Optimizer, updateSize } from './optimizer.ts';

export interface UpdateOptions {
  readonly optimizer: Optimizer;
  /** For each of the optimiser's moments, in its order, one tensor a segment (`store.createArenas(name)`). */
  readonly moments: readonly (readonly Tensor[])[];
  /** f32 [hyperSize], persistent: the host writes `optimizer.hyper(step, learningRate)` before each run. */
  readonly hyper: Tensor;
  /** f32 [updateSize], persistent: the last norm and coefficient, for who wants to look. */
  readonly update: Tensor;
  /** f32 [8], persistent: see `statistic` in `ops/cross-entropy.ts`. */
  readonly statistics: Tensor;
  /** The gradient is scaled down to this norm where it is longer; 0: never. */
  readonly maxNorm: number;
}

/** A workgroup of the norm adds up at least so many values; a segment gets at most so many workgroups. */
const valuesPerGroup = 4096;
const mostGroups = 4096;

/**
 * Records the update of every parameter from the gradients in the store's arenas, which are zero afterwards. Where
 * any gradient is not finite (or their norm overflows) parameters and moments stay as they are, bit for bit, and the
 * update is counted as skipped; the gradients are cleared all the same.
 *
 * @throws ShapeError where a tensor has the wrong shape
 */
export function recordUpdate(
  tape: Tape,
  store: Pick<ParameterStore, 'segments'>,
  options: UpdateOptions,
): void {
  const { optimizer, moments, hyper, update } = options;
  const { segments } = store;
  expectShape(hyper, hyperSize);
  expectShape(update, updateSize);
  expectShape(options.statistics, statisticsSize);
  if (
    moments.length !== optimizer.moments.length ||
    moments.some(({ length }) => length !== segments.length)
  ) {
    throw new ShapeError(`${optimizer.name} keeps ${optimizer.moments.length} moments for each segment`);
  }
  recordNorm(tape, store, options);
  for (const [index, segment] of segments.entries()) {
    const own = moments.map((arenas) => arenas[index]!);
    optimizer.recordUpdate(tape, segment, own, hyper, update);
  }
}

function recordNorm(
  tape: Tape,
  store: Pick<ParameterStore, 'segments'>,
  { update, statistics, maxNorm }: UpdateOptions,
): void {
  const groupsOf = store.segments.map(({ gradients }) =>
    Math.min(mostGroups, Math.ceil(gradients.size / valuesPerGroup)),
  );
  const count = groupsOf.reduce((sum, groups) => sum + groups, 0);
  const partials = tape.tensor('partial sums of squares', [count]);
  let offset = 0;
  for (const [index, { gradients }] of store.segments.entries()) {
    const groups = groupsOf[index]!;
    tape.dispatch('gradient-norm', 'partial', {
      bindings: { gradients, partials },
      params: { size: gradients.size / 4, groups, offset, count, maxNorm },
      workgroups: [groups],
    });
    offset += groups;
  }
  tape.dispatch('gradient-norm', 'finish', {
    bindings: { partials, update, statistics },
    params: { size: 0, groups: 0, offset: 0, count, maxNorm },
    workgroups: [1],
  });
}
