/**
 * Initial values of parameters, on the CPU. Every parameter draws from a random stream of its own, found from the seed
 * and the parameter's name, so that adding or renaming one leaves the others as they were. What a whole model's
 * parameters start with is decided from its configuration in `initialize-model.ts`; here is how each way is done.
 *
 * A recurrent weight [G·H, I] holds its G gates on top of each other. The ways that look at a matrix's shape or at its
 * rows together (Xavier, orthogonal) take each gate as a matrix of its own: `blocks: G`. (PyTorch's functions, applied
 * to the stacked matrix, give Xavier a fan-out of G·H, and rows orthogonal across gates or not at all.)
 */
import { ShapeError } from '../errors.ts';
import { PhiloxStream } from '../ops/philox.ts';
import { type Shape, sizeOf } from '../scheduler/tensor.ts';

export type Initialization =
  | { readonly kind: 'zeros' }
  /** Evenly in ±range. */
  | { readonly kind: 'uniform'; readonly range: number }
  | { readonly kind: 'normal'; readonly deviation: number }
  /** Glorot & Bengio (2010): evenly in ±gain·√(6 / (fan-in + fan-out)), fans of [outputs, inputs] matrices. */
  | { readonly kind: 'xavier_uniform'; readonly gain?: number; readonly blocks?: number }
  /** The same with normal values of deviation gain·√(2 / (fan-in + fan-out)). */
  | { readonly kind: 'xavier_normal'; readonly gain?: number; readonly blocks?: number }
  /** Saxe et al. (2014): orthonormal rows or columns, whichever are fewer, times gain; all such matrices equally likely. */
  | { readonly kind: 'orthogonal'; readonly gain?: number; readonly blocks?: number };

/** A run of values (C order) that is set after all are drawn: a padding row's zeros, a forget gate's bias. */
export interface Fixed {
  readonly offset: number;
  readonly length: number;
  readonly value: number;
}

/** PyTorch's defaults: `nn.LSTM`, `nn.GRU` and `nn.RNN` draw weights and biases evenly in ±1/√hidden … */
export function pytorchRecurrent(hidden: number): Initialization {
  return { kind: 'uniform', range: 1 / Math.sqrt(hidden) };
}

/** … `nn.Linear` in ±1/√inputs, the bias too … */
export function pytorchLinear(inputs: number): Initialization {
  return { kind: 'uniform', range: 1 / Math.sqrt(inputs) };
}

/** … and `nn.Embedding` normally with deviation 1 (and zero for padding: `zeroRow`). */
export const pytorchEmbedding: Initialization = { kind: 'normal', deviation: 1 };

/** Row `index` of an embedding [V, E] at zero. */
export function zeroRow(index: number, embedding: number): Fixed {
  return { offset: index * embedding, length: embedding, value: 0 };
}

/** Gate `index` of a recurrent bias [G·H] at `value`. */
export function gateBias(index: number, hidden: number, value: number): Fixed {
  return { offset: index * hidden, length: hidden, value };
}

/**
 * The initial values of one parameter, in C order.
 *
 * @param name finds the random stream, together with `seed` (an integer in [0, 2⁵³))
 * @throws ShapeError where the shape is no matrix of `blocks` equal blocks, but the way needs one
 */
export function initialize(
  name: string,
  shape: Shape,
  initialization: Initialization,
  seed: number,
  fixed: readonly Fixed[] = [],
): Float32Array<ArrayBuffer> {
  const random = new PhiloxStream(seed, hashName(name));
  const values = new Float32Array(sizeOf(shape));
  switch (initialization.kind) {
    case 'zeros':
      break;
    case 'uniform':
      fillUniform(values, initialization.range, random);
      break;
    case 'normal':
      fillNormal(values, initialization.deviation, random);
      break;
    case 'xavier_uniform':
    case 'xavier_normal': {
      const { kind, gain = 1, blocks = 1 } = initialization;
      const { rows, columns } = block(name, shape, blocks);
      const deviation = gain * Math.sqrt(2 / (rows + columns));
      if (kind === 'xavier_uniform') fillUniform(values, Math.sqrt(3) * deviation, random);
      else fillNormal(values, deviation, random);
      break;
    }
    case 'orthogonal': {
      const { gain = 1, blocks = 1 } = initialization;
      const { rows, columns } = block(name, shape, blocks);
      for (let gate = 0; gate < blocks; gate++) {
        const part = values.subarray(gate * rows * columns, (gate + 1) * rows * columns);
        fillOrthogonal(part, rows, columns, gain, random);
      }
      break;
    }
    default:
      initialization satisfies never;
  }
  for (const { offset, length, value } of fixed) values.fill(value, offset, offset + length);
  return values;
}

function fillUniform(values: Float32Array, range: number, random: PhiloxStream): void {
  for (let i = 0; i < values.length; i++) values[i] = random.nextUniform(-range, range);
}

function fillNormal(values: Float32Array, deviation: number, random: PhiloxStream): void {
  for (let i = 0; i < values.length; i++) values[i] = random.nextNormal(0, deviation);
}

function block(name: string, shape: Shape, blocks: number): { rows: number; columns: number } {
  const [rows, columns] = shape;
  if (shape.length !== 2 || rows === undefined || columns === undefined || rows % blocks !== 0) {
    throw new ShapeError(`'${name}' [${shape}] is no matrix of ${blocks} equal blocks`);
  }
  return { rows: rows / blocks, columns };
}

/** The Q of a normal matrix whose R has a positive diagonal: such a Q is evenly distributed (Mezzadri 2007). */
function fillOrthogonal(
  values: Float32Array,
  rows: number,
  columns: number,
  gain: number,
  random: PhiloxStream,
): void {
  const [count, length] = rows <= columns ? [rows, columns] : [columns, rows];
  const vectors = Array.from({ length: count }, () =>
    Float64Array.from({ length }, () => random.nextNormal()),
  );
  orthonormalize(vectors);
  for (const [i, vector] of vectors.entries()) {
    for (let j = 0; j < length; j++) {
      values[rows <= columns ? i * columns + j : j * columns + i] = gain * vector[j]!;
    }
  }
}

/** Gram and Schmidt's process, each vector twice: once loses orthogonality where vectors are nearly dependent. */
function orthonormalize(vectors: readonly Float64Array[]): void {
  for (const [i, vector] of vectors.entries()) {
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < i; k++) {
        const other = vectors[k]!;
        const shared = dot(vector, other);
        for (let j = 0; j < vector.length; j++) vector[j]! -= shared * other[j]!;
      }
    }
    const norm = Math.sqrt(dot(vector, vector));
    for (let j = 0; j < vector.length; j++) vector[j]! /= norm;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!;
  return sum;
}

/** FNV-1a over UTF-16 units, and a final mixing, since FNV's low bits follow the last letters. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
