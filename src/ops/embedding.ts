/**
 * Rows of a table picked by id, and their gradient: deterministic and without atomics, from ids that may have been
 * made on the GPU.
 */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

const width = 64; // columns of a workgroup, as in the shader
const side = 8; // positions of a workgroup of the entries by fours, and fours of columns
const maxPositionsAcross = 65_535; // workgroups of a grid's dimension
const noPadding = 0xffff_ffff;

export interface EmbeddingOptions {
  /** The id whose row gets no gradient. It is looked up like any other. */
  readonly paddingIndex?: number | undefined;
}

/**
 * weight[ids] for ids u32 [...] and weight [V, E]: [..., E]. Ids must be below V. The gradient of `weight` sorts the
 * ids by comparing each with each (on a software adapter with each row, where those are few): meant for up to some ten
 * thousand ids.
 */
export function embedding(tape: Tape, ids: Tensor, weight: Tensor, options: EmbeddingOptions = {}): Tensor {
  if (ids.dtype !== 'u32' || weight.dtype !== 'f32' || weight.shape.length !== 2) {
    throw new ShapeError(`embedding takes u32 ids and a table [V, E], not ${ids.dtype} ${ids} and ${weight}`);
  }
  const [count, columns] = [ids.size, weight.dim(1)];
  const y = tape.result('embedding', [...ids.shape, columns], weight);
  recordEmbedding(tape, ids, weight, y, 0, count);
  tape.onBackward(() => {
    const dy = tape.gradientOf(y);
    if (dy) recordEmbeddingGradient(tape, ids, weight, dy, options.paddingIndex);
  });
  return y;
}

/** Adds to the gradient of `weight`, if it needs one, what `dy` [..., E] says of the rows that `ids` picked. */
export function recordEmbeddingGradient(
  tape: Tape,
  ids: Tensor,
  weight: Tensor,
  dy: Tensor,
  paddingIndex: number = noPadding,
): void {
  const dWeight = tape.gradientPart(weight);
  if (!dWeight) return;
  const [count, columns] = [ids.size, weight.dim(1)];
  const order = tape.tensor('embedding order', [count], { dtype: 'u32' });
  const rows = weight.dim(0);
  const params = { first: 0, count, columns, paddingIndex, rows };
  // Few threads with long loops: what a CPU wants and a GPU does not.
  const byRow = tape.software && 2 * rows < count;
  tape.dispatch('embedding', byRow ? 'rank_rows' : 'rank', {
    bindings: { ids, order },
    params,
    workgroups: [Math.ceil((byRow ? rows : count) / width)],
  });
  const sorted = order;
  if (columns % 4 === 0) {
    const bindings = { ids, sorted, dyFours: dy, dWeightFours: dWeight };
    tape.dispatch('embedding', 'backward_fours', {
      bindings,
      params,
      workgroups: gridOfFours(columns, count),
    });
  } else {
    const workgroups = [Math.ceil(columns / width), ...positions(count)] as const;
    tape.dispatch('embedding', 'backward', { bindings: { ids, sorted, dy, dWeight }, params, workgroups });
  }
}

/** y[n] ← weight[ids[n]] for the positions `first` to `end` (exclusive) of ids [...] and y [..., E]. */
export function recordEmbedding(
  tape: Tape,
  ids: Tensor,
  weight: Tensor,
  y: Tensor,
  first: number,
  end: number,
): void {
  const columns = weight.dim(1);
  const params = { first, count: end, columns, paddingIndex: noPadding, rows: weight.dim(0) };
  if (columns % 4 === 0) {
    const bindings = { ids, weightFours: weight, yFours: y };
    const workgroups = gridOfFours(columns, end - first);
    tape.dispatch('embedding', 'forward_fours', { bindings, params, workgroups });
  } else {
    const workgroups = positions(end - first);
    tape.dispatch('embedding', 'forward', { bindings: { ids, weight, y }, params, workgroups });
  }
}

function gridOfFours(columns: number, count: number): readonly [x: number, y: number, z: number] {
  return [Math.ceil(columns / (4 * side)), ...positions(Math.ceil(count / side))];
}

/** A workgroup for each of `count` positions, folded into y where there are more than one dimension takes. */
function positions(count: number): [x: number, y: number] {
  const across = Math.min(count, maxPositionsAcross);
  return [across, Math.ceil(count / Math.max(1, across))];
}
