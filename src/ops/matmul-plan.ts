/**
 * Which matmul kernel runs a product, and on how many workgroups. A portfolio of tiles that all compute the same bits
 * (every sum runs over k in order), so the choice is about speed only; it depends on nothing but the arguments, so that
 * a run can be repeated. A new tile is one more shader with the same bindings and one more branch here.
 *
 * | kernel             | tile            | needs                                          |
 * | `matmul-quad-vec4` | 16 × 4·lanes    | subgroups, 16-byte alignment, not A and B transposed |
 * | `matmul-quad`      | 16 × 4·lanes    | subgroups                                      |
 * | `matmul`           |  8 × 4·lanes    | nothing                                        |
 */

/** A product's sizes and its strides in elements, named as in the shaders, and what it runs on. */
export interface MatmulShape {
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
  /** The GPU is played by a CPU. */
  readonly software: boolean;
  /** The device was opened with the feature `subgroups`. */
  readonly subgroups: boolean;
}

type Choice =
  | { readonly kernel: 'matmul' | 'matmul-quad'; readonly entry: 'main' }
  | { readonly kernel: 'matmul-quad-vec4'; readonly entry: 'nn' | 'nt' | 'tn' };

export type MatmulPlan = Choice & {
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly constants: { readonly lanes: number };
};

/**
 * The kernel for a product. Nothing is split: the caller keeps a dispatch short (a software adapter does 3 to 30 GFLOP
 * a second) and its workgroups within 65,535 a dimension.
 */
export function chooseMatmul(shape: MatmulShape): MatmulPlan {
  const choice = chooseKernel(shape);
  const lanes = chooseLanes(shape);
  const rows = choice.kernel === 'matmul' ? 8 : 16;
  return {
    ...choice,
    workgroups: [Math.ceil(shape.n / (4 * lanes)), Math.ceil(shape.m / rows), shape.batch],
    constants: { lanes },
  };
}

function chooseKernel(shape: MatmulShape): Choice {
  if (!shape.subgroups) return { kernel: 'matmul', entry: 'main' };
  const { k, batch, aOffset, aBatch, aRow, aCol, bOffset, bBatch, bRow, bCol } = shape;
  const batchesAligned = batch === 1 || aligned(aBatch, bBatch);
  if (batchesAligned && aligned(aOffset, bOffset)) {
    if (aCol === 1 && bCol === 1 && aligned(k, aRow, bRow))
      return { kernel: 'matmul-quad-vec4', entry: 'nn' };
    if (aCol === 1 && bRow === 1 && aligned(k, aRow, bCol))
      return { kernel: 'matmul-quad-vec4', entry: 'nt' };
    if (aRow === 1 && bCol === 1 && aligned(aCol, bRow)) return { kernel: 'matmul-quad-vec4', entry: 'tn' };
  }
  return { kernel: 'matmul-quad', entry: 'main' };
}

/** Software adapters have 4 or 8 lanes; wider workgroups only waste columns there. A GPU wants full subgroups. */
function chooseLanes({ n, software }: MatmulShape): number {
  if (software) return n <= 16 ? 4 : 8;
  return n <= 64 ? 16 : 64;
}

function aligned(...numbers: number[]): boolean {
  return numbers.every((number) => number % 4 === 0);
}
