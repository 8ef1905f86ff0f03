/**
 * Which matmul kernel runs a product, and on how many workgroups. A portfolio of tiles that all compute the same bits
 * (every sum runs over k in order), so the choice is about speed only. It depends on nothing but the arguments, so that a
 * run can be repeated: on the shape, on what the device is, and on what a probe found out about it, if there was one.
 *
 * | variant              | kernel             | tile of C, rows × columns | needs                                  |
 * | -------------------- | ------------------ | ------------------------- | -------------------------------------- |
 * | `plain`              | `matmul`           | 8 × 4·lanes               | nothing                                |
 * | `quads`              | `matmul-quad-vec4` | 16 × 4·lanes              | subgroups, alignment, not TT           |
 * |                      | `matmul-quad`      | 16 × 4·lanes              | subgroups                              |
 * | `tile-ROWSxCOLUMNS`, | `matmul-tiled`     | as named                  | alignment                              |
 * | `fours-ROWSxCOLUMNS` | `matmul-tiled-any` | as named                  | nothing                                |
 *
 * Alignment: one stride of A and one of B is 1; the others and the offsets are multiples of 4, K too where it is the
 * contiguous side of an operand. The tiles of the last two go through workgroup memory and barriers, which pays on GPUs
 * alone; the quads are made for CPUs that play GPU. A new tile is one more line here; `planMatmul` is the only place that
 * knows how to call a kernel.
 */
import type { Tuning } from '../gpu/tuning.ts';

/** A product's sizes and its strides in elements, named as in the shaders. */
export interface MatmulOperands {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly aOffset: number;
  readonly aBatch: number;
  readonly aRow: number;
  readonly aCol: number;
  readonly bOffset: number;
  readonly bBatch: number;
  readonly bRow: number;
  readonly bCol: number;
}

/** What a product runs on. */
export interface MatmulDevice {
  /** The GPU is played by a CPU. */
  readonly software: boolean;
  /** The device was opened with the feature `subgroups`. */
  readonly subgroups: boolean;
  readonly tuning?: Tuning | undefined;
}

export type MatmulShape = MatmulOperands & MatmulDevice;

/** The tiles of `matmul-tiled`: invocations across and down, each with `side` × `side` sums, and the depth in k. */
const tiles = {
  'tile-128x128': { side: 8, down: 16, across: 16, depth: 8 },
  'tile-128x64': { side: 8, down: 16, across: 8, depth: 8 },
  'tile-64x64': { side: 8, down: 8, across: 8, depth: 8 },
  'tile-32x128': { side: 8, down: 4, across: 16, depth: 8 },
  'fours-64x64': { side: 4, down: 16, across: 16, depth: 16 },
  'fours-32x32': { side: 4, down: 8, across: 8, depth: 16 },
  'fours-16x64': { side: 4, down: 4, across: 16, depth: 16 },
  'fours-16x32': { side: 4, down: 4, across: 8, depth: 16 },
} as const;

type TileName = keyof typeof tiles;
export type MatmulVariant = 'plain' | 'quads' | TileName;

const tileNames = Object.keys(tiles) as TileName[];
export const matmulVariants: readonly MatmulVariant[] = ['plain', 'quads', ...tileNames];

type Kernel =
  | { readonly kernel: 'matmul' | 'matmul-quad'; readonly entry: 'main' }
  | { readonly kernel: 'matmul-quad-vec4'; readonly entry: 'nn' | 'nt' | 'tn' }
  | { readonly kernel: 'matmul-tiled' | 'matmul-tiled-any'; readonly entry: 'eights' | 'fours' };

export type MatmulPlan = Kernel & {
  readonly variant: MatmulVariant;
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly constants: Readonly<Record<string, number>>;
};

/**
 * The kernel for a product. Nothing is split: the caller keeps a dispatch short (a software adapter does 3 to 30 GFLOP
 * a second) and its workgroups within 65,535 a dimension.
 */
export function chooseMatmul(shape: MatmulShape): MatmulPlan {
  const tuned = shape.tuning?.kernels[matmulClass(shape)];
  const variant = matmulVariants.find((name) => name === tuned) ?? ruledVariant(shape);
  return planMatmul(variant, shape) ?? planMatmul('plain', shape)!;
}

/** How `variant` runs a product, or undefined where it cannot. */
export function planMatmul(variant: MatmulVariant, shape: MatmulShape): MatmulPlan | undefined {
  if (variant === 'quads' && !shape.subgroups) return undefined;
  if (variant === 'plain' || variant === 'quads') {
    const kernel: Kernel =
      variant === 'plain' ? { kernel: 'matmul', entry: 'main' } : quadKernel(contiguous(shape));
    const lanes = chooseLanes(shape);
    const workgroups = grid(shape, variant === 'plain' ? 8 : 16, 4 * lanes);
    return { variant, ...kernel, workgroups, constants: { lanes } };
  }
  const { side, down, across, depth } = tiles[variant];
  const modes = contiguous(shape);
  const alongA = (modes?.a ?? (shape.aCol === 1 ? 'n' : 't')) === 'n' ? 1 : 0;
  const alongB = (modes?.b ?? (shape.bRow === 1 ? 't' : 'n')) === 't' ? 1 : 0;
  return {
    variant,
    kernel: modes ? 'matmul-tiled' : 'matmul-tiled-any',
    entry: side === 8 ? 'eights' : 'fours',
    workgroups: grid(shape, side * down, side * across),
    constants: { side, down, across, depth, alongA, alongB },
  };
}

/**
 * The class of a product: products of a class are expected to have the same fastest variant. Its name says which
 * operands are transposed, and how large and of which form C is.
 */
export function matmulClass({ m, n, batch, aCol, bRow, bCol }: MatmulOperands): string {
  const mode = `${aCol === 1 ? 'n' : 't'}${bCol === 1 || bRow !== 1 ? 'n' : 't'}`;
  return `${mode} ${matmulSize(m, n, batch)}`;
}

/** A tuning that takes one variant for all products that it can compute: to time it, and to test it. */
export function onlyVariant(variant: MatmulVariant): Tuning {
  const classes = ['nn', 'nt', 'tn', 'tt'].flatMap((mode) => matmulSizes.map((size) => `${mode} ${size}`));
  return { kernels: Object.fromEntries(classes.map((name) => [name, variant])), splitWorkgroups: 0 };
}

/** What the rules say where nothing was measured. */
export function ruledTuning({ software }: Pick<MatmulDevice, 'software'>): Tuning {
  return { kernels: {}, splitWorkgroups: software ? 0 : 128 };
}

const matmulSizes = ['batched', 'skinny', 'small', 'large'] as const;
export type MatmulSize = (typeof matmulSizes)[number];

/** `batched`: small ones, as in attention; `skinny`: one time step; `small`: a usual weight; `large`: all steps at once. */
function matmulSize(m: number, n: number, batch: number): MatmulSize {
  if (batch > 1 && m * n <= 2 ** 14) return 'batched';
  if (m <= 128) return 'skinny';
  return m * n * batch <= 2 ** 19 ? 'small' : 'large';
}

/**
 * Into how many parts the sum of a weight's gradient is cut: as many as give `splitWorkgroups` tiles of 64 × 64, of at
 * least 256 summands each. Large K and small M and N leave most of a GPU idle otherwise.
 */
export function splitsOfSum(
  { m, n, k }: Pick<MatmulOperands, 'm' | 'n' | 'k'>,
  device: Pick<MatmulDevice, 'software' | 'tuning'>,
): number {
  const wanted = (device.tuning ?? ruledTuning(device)).splitWorkgroups;
  const workgroups = Math.ceil(m / 64) * Math.ceil(n / 64);
  return Math.max(1, Math.min(Math.floor(wanted / workgroups), Math.floor(k / 256), 32));
}

/** Without a probe: on a GPU the largest tile of which there are enough to keep it busy. */
function ruledVariant(shape: MatmulShape): MatmulVariant {
  if (shape.software) return shape.subgroups ? 'quads' : 'plain';
  const { m, n, batch } = shape;
  const busy = ruledTiles.find((name) => {
    const { side, down, across } = tiles[name];
    const [x, y] = grid(shape, side * down, side * across);
    return x * y * batch >= 128;
  });
  return busy ?? (m <= 16 || n > 4 * m ? 'fours-16x32' : 'fours-32x32');
}

const ruledTiles = ['tile-128x128', 'tile-64x64', 'fours-32x32'] as const;

function grid({ m, n, batch }: MatmulOperands, rows: number, columns: number) {
  return [Math.ceil(n / columns), Math.ceil(m / rows), batch] as const;
}

type Modes = { readonly a: 'n' | 't'; readonly b: 'n' | 't' };

function quadKernel(modes: Modes | undefined): Kernel {
  if (modes?.a === 'n') return { kernel: 'matmul-quad-vec4', entry: `n${modes.b}` };
  if (modes?.b === 'n') return { kernel: 'matmul-quad-vec4', entry: 'tn' };
  return { kernel: 'matmul-quad', entry: 'main' };
}

/** Which way the operands lie, where both can be read in steps of 16 bytes. */
function contiguous(shape: MatmulOperands): Modes | undefined {
  const { k, batch, aOffset, aBatch, aRow, aCol, bOffset, bBatch, bRow, bCol } = shape;
  if (!aligned(aOffset, bOffset) || (batch > 1 && !aligned(aBatch, bBatch))) return undefined;
  const a = aCol === 1 && aligned(k, aRow) ? 'n' : aRow === 1 && aligned(aCol) ? 't' : undefined;
  const b = bCol === 1 && aligned(bRow) ? 'n' : bRow === 1 && aligned(k, bCol) ? 't' : undefined;
  return a && b && { a, b };
}

/** Software adapters have 4 or 8 lanes; wider workgroups only waste columns there. A GPU wants full subgroups. */
function chooseLanes({ n, software }: MatmulShape): number {
  if (software) return n <= 16 ? 4 : 8;
  return n <= 64 ? 16 : 64;
}

function aligned(...numbers: number[]): boolean {
  return numbers.every((number) => number % 4 === 0);
}
