/**
 * How a GPU runs a cell's step (`*-cell-tiled.wgsl`): which part of the batch and of the units a workgroup makes. The sums
 * are the same to the bit in all tiles, so the choice is about speed only, and depends on nothing but the sizes.
 *
 * An invocation owns 4 rows of the batch, and one unit (all its gates) or two of them. The largest tile is taken that gives
 * the GPU enough workgroups: it reads everything least often. What is left of a small layer is little work for many
 * multiprocessors; then small tiles that are deep in k have most loads on their way at a time.
 */
import type { Tape } from '../../scheduler/tape.ts';
import type { CellForwardStep, CellSizes, CellStep } from './cell.ts';

/** A workgroup of `across` × `down` invocations: 4·down rows, `across` units or twice as many. */
interface Tile {
  readonly across: number;
  readonly down: number;
  /** In k. */
  readonly depth: number;
}

/** By what a vector of weights holds. Large tiles first; the last one is for layers of little k. */
const tiles = {
  /** All gates of a unit, at most 4. */
  gates: {
    units: 1,
    tiles: [
      { across: 16, down: 16, depth: 16 },
      { across: 8, down: 16, depth: 16 },
      { across: 8, down: 8, depth: 32 },
      { across: 8, down: 4, depth: 32 },
      { across: 8, down: 4, depth: 8 },
    ],
  },
  /** Two units `across` apart. */
  units: {
    units: 2,
    tiles: [
      { across: 16, down: 16, depth: 16 },
      { across: 16, down: 8, depth: 32 },
      { across: 8, down: 8, depth: 32 },
      { across: 8, down: 4, depth: 32 },
      { across: 8, down: 4, depth: 8 },
    ],
  },
} as const;

export type TileKind = keyof typeof tiles;

/** About as many as large GPUs have multiprocessors. */
const busy = 100;
const littleK = 64;

/** All tiles of a kind, by their sizes: for tests. */
export function cellTiles(kind: TileKind): readonly Tile[] {
  return tiles[kind].tiles;
}

/** The grid of a step's kernel where it works in tiles. */
export function tileGrid(kind: TileKind, { across, down }: Tile, { batch, hidden, directions }: CellSizes) {
  const columns = across * tiles[kind].units;
  return [Math.ceil(hidden / columns), Math.ceil(batch / (4 * down)), directions] as const;
}

/** The first tile that keeps a GPU busy, or else the one of which there are most; a large one only if it is half full. */
export function chooseTile(kind: TileKind, sizes: CellSizes): Tile {
  const all: readonly Tile[] = tiles[kind].tiles;
  if (sizes.hidden <= littleK) return all.at(-1)!;
  const fitting = all.slice(0, -1).filter(({ down }) => down <= 8 || 2 * down < sizes.batch);
  const count = (tile: Tile) => tileGrid(kind, tile, sizes).reduce((product, size) => product * size);
  return (
    fitting.find((tile) => count(tile) >= busy) ??
    fitting.reduce((best, tile) => (count(tile) > count(best) ? tile : best))
  );
}

/** What a cell's kernel in tiles is dispatched with; undefined for many steps at once, and where CPUs play the GPU. */
export function tiledStep(tape: Tape, kind: TileKind, step: CellStep) {
  if (tape.software || step.count > 1) return undefined;
  const tile = chooseTile(kind, step);
  return { constants: { ...tile }, workgroups: tileGrid(kind, tile, step) };
}

/** The uniform fields about a step's own input where there is none. */
export const noInput = { inputWidth: 0, inputOffset: 0, inputColumn: 0, inputWeightRow: 0, inputAdds: 0 };

/** What a forward kernel in tiles is told of a step's own input. */
export function inputOf({ input, weights }: CellForwardStep) {
  if (!input) {
    const bindings = { input: weights, inputWeights: weights };
    return { bindings, params: noInput, constants: { withInput: 0 } };
  }
  return {
    bindings: { input: input.tensor, inputWeights: input.weights.tensor },
    params: {
      inputWidth: input.width,
      inputOffset: input.offset,
      inputColumn: input.weights.column,
      inputWeightRow: input.weights.row,
      inputAdds: input.adds,
    },
    constants: { withInput: 1 },
  };
}
