/**
 * A tensor here is symbolic: a shape over some storage. Scratch storage gets its memory when a tape is frozen into
 * a plan, and shares it with whatever is not alive at the same time; buffer storage (inputs, parameters, states) is
 * there before and after. Reshaping makes another tensor over the same storage, and so over the same gradient.
 */
import { ShapeError } from '../errors.ts';

/** f16 is storage alone: kernels compute in f32. It is found in scratch memory; what outlives a plan is f32. */
export type DType = 'f32' | 'f16' | 'u32';
export type Shape = readonly number[];

export interface ScratchStorage {
  readonly kind: 'scratch';
  readonly label: string;
  readonly bytes: number;
}

export interface BufferStorage {
  readonly kind: 'buffer';
  readonly label: string;
  readonly bytes: number;
  readonly buffer: GPUBuffer;
  /** In bytes, a multiple of 256. */
  readonly offset: number;
}

export type Storage = ScratchStorage | BufferStorage;

export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly storage: Storage;
  readonly needsGradient: boolean;
  /** A parameter's own gradient tensor, which lives in an arena beside its values; undefined for all else. */
  readonly parameterGradient: Tensor | undefined;

  constructor(
    shape: Shape,
    dtype: DType,
    storage: Storage,
    needsGradient = false,
    parameterGradient: Tensor | undefined = undefined,
  ) {
    if (sizeOf(shape) * bytesOf(dtype) > storage.bytes) {
      throw new ShapeError(`${storage.label}: [${shape}] does not fit ${storage.bytes} bytes`);
    }
    this.shape = shape;
    this.dtype = dtype;
    this.storage = storage;
    this.needsGradient = needsGradient;
    this.parameterGradient = parameterGradient;
  }

  get label(): string {
    return this.storage.label;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** Length of dimension `index`; negative counts from the end. */
  dim(index: number): number {
    const size = this.shape.at(index);
    if (size === undefined) throw new ShapeError(`${this}: no dimension ${index}`);
    return size;
  }

  reshape(...shape: number[]): Tensor {
    if (sizeOf(shape) !== this.size) throw new ShapeError(`${this} cannot become [${shape}]`);
    return new Tensor(
      shape,
      this.dtype,
      this.storage,
      this.needsGradient,
      this.parameterGradient?.reshape(...shape),
    );
  }

  toString(): string {
    return `${this.label}[${this.shape.join(',')}]`;
  }
}

/** Of one number. */
export function bytesOf(dtype: DType): number {
  return dtype === 'f16' ? 2 : 4;
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Throws ShapeError, naming what was expected, unless the shapes are equal. */
export function expectShape(tensor: Tensor, ...shape: number[]): void {
  if (tensor.shape.length !== shape.length || tensor.shape.some((length, index) => length !== shape[index])) {
    throw new ShapeError(`${tensor} should have the shape [${shape}]`);
  }
}
