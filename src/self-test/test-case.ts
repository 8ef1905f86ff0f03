/** What a self-test is: an op run on the device in one of its variants, and what the float64 reference says. */
import { roundToHalf } from '../data/half-precision.ts';
import { Gpu } from '../gpu/gpu.ts';
import type { Precision } from '../gpu/stored-as.ts';
import type { FloatTensor, IdTensor } from '../ops/functions/define-op.ts';
import { type MatmulVariant, onlyVariant } from '../ops/matmul-plan.ts';
import { PhiloxStream } from '../ops/philox.ts';
import { type Shape, sizeOf } from '../scheduler/tensor.ts';

/** Largest errors allowed, relative to the scale of each tensor. */
export const valueTolerance = 1e-5;
export const gradientTolerance = 1e-4;
/** What rounding to f16 (10 bits of fraction) may be off by, relative to the value. */
export const halfRounding = 2 ** -11;

export interface TestCase {
  readonly kernel: string;
  readonly name: string;
  /** Which variants of the kernels to run; absent: those that this device gets. */
  readonly variant?: Variant;
  /** It runs a GPU's tiles, which take a CPU long to compile: there it is not run a second time in mixed precision. */
  readonly tiles?: boolean;
  /**
   * Present: it is run a second time as mixed precision does it, on inputs that are exact in f16, and may be off by so many
   * roundings to f16: how often what goes into a result has been stored on its way.
   */
  readonly roundings?: number;
  run(gpu: Gpu, random: RandomTensors, precision: Precision): Promise<Outcome>;
}

/** An op in a precision. */
export function inPrecision<F, Half>(op: F & { readonly half: Half }, precision: Precision): F | Half {
  return precision === 'mixed' ? op.half : op;
}

/** How kernels that come in variants choose among them. */
export interface Variant {
  readonly software: boolean;
  /** Such variants are left out where the device has no subgroups. */
  readonly subgroups: boolean;
  /** The variant of matrix products. Absent: the device's own, and no GPU's on a CPU, which takes seconds to compile it. */
  readonly matmul?: MatmulVariant;
}

type Numbers = Readonly<Record<string, { readonly data: ArrayLike<number> }>>;
type Expected = Readonly<Record<string, ArrayLike<number>>>;

/** By name of the tensor, what the device computed and what it should be. */
export interface Outcome {
  readonly values: readonly [actual: Numbers, expected: Expected];
  readonly gradients?: readonly [actual: Numbers, expected: Expected];
}

/** One device under the looks that make kernels choose other variants; each keeps what it has compiled. */
export class Variants {
  readonly #gpu: Gpu;
  readonly #looks = new Map<string, Gpu>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Undefined where the device cannot run the variant. */
  get(variant: Variant | undefined): Gpu | undefined {
    const { device, report } = this.#gpu;
    const { software, subgroups, matmul }: Variant = variant ?? this.#gpu;
    if (subgroups && !this.#gpu.subgroups) return undefined;
    const key = `${software} ${subgroups} ${matmul}`;
    const features = report.features.filter((feature) => subgroups || feature !== 'subgroups');
    const look =
      this.#looks.get(key) ??
      new Gpu(device, { ...report, kind: software ? 'software' : 'hardware', features }, false);
    const pretended = this.#gpu.software && !software ? (subgroups ? 'quads' : 'plain') : undefined;
    const forced = matmul ?? pretended;
    look.tuning = forced ? onlyVariant(forced) : this.#gpu.tuning;
    this.#looks.set(key, look);
    return look;
  }

  dispose(): void {
    for (const look of this.#looks.values()) look.dispose();
  }
}

/** Random tensors, the same in every run. */
export class RandomTensors {
  readonly #stream: PhiloxStream;
  readonly #round: (value: number) => number;

  /** `precision`: in which they are exact. */
  constructor(seed: number, precision: Precision = 'f32') {
    this.#stream = new PhiloxStream(seed);
    this.#round = precision === 'mixed' ? roundToHalf : (value) => value;
  }

  /** Floats in ±scale. */
  floats(shape: Shape, scale = 1): FloatTensor & { data: Float32Array<ArrayBuffer> } {
    const draw = () => this.#round(this.#stream.nextUniform(-scale, scale));
    const data = Float32Array.from({ length: sizeOf(shape) }, draw);
    return { data, shape };
  }

  /** Integers in [low, high). */
  ids(shape: Shape, low: number, high: number): IdTensor {
    const data = Uint32Array.from({ length: sizeOf(shape) }, () =>
      Math.floor(this.#stream.nextUniform(low, high)),
    );
    return { data, shape };
  }
}

/** The tensor that is furthest off, with its largest error relative to its scale. */
export function worstError([actual, expected]: readonly [Numbers, Expected]): {
  name: string;
  error: number;
} {
  let worst = { name: '', error: 0 };
  for (const [name, values] of Object.entries(expected)) {
    const error = relativeError(actual[name]?.data ?? [], values);
    if (worst.name === '' || error > worst.error) worst = { name, error };
  }
  return worst;
}

/** Infinite for anything missing or not finite; absolute where everything should be zero. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [scale, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!Number.isFinite(error)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, error);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return scale === 0 ? largest : largest / scale;
}
