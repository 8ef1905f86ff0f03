/**
 * Reads and writes safetensors, the format of model files (https://github.com/huggingface/safetensors): a u64
 * little-endian header length, a JSON header, then the tensors' bytes in C order. Whatever the file holds,
 * reading it runs nothing and allocates no more than the file is long.
 */
import { CheckpointError } from '../errors.ts';
import type { TensorInfo } from './safetensors-header.ts';
import { parseHeader, quoted } from './safetensors-header.ts';

/** The element types of the format with whole bytes, and how many. */
const BYTES_OF = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

export type Dtype = keyof typeof BYTES_OF;

/** A tensor as a file has it. `bytes` is a view of the file and may lie at any offset. */
export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface Safetensors {
  /** In the order of their bytes. A Map, so that any name is only a name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

export type TensorValues =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface TensorToStore {
  readonly shape: readonly number[];
  readonly values: TensorValues;
}

const LENGTH_BYTES = 8;
/** The format's own limit on a header. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * The tensors and metadata of a safetensors file. Every byte of it is accounted for: no hole, no overlap,
 * nothing behind the last tensor.
 *
 * @param file what to call it in messages
 * @throws CheckpointError naming the file and what is wrong
 */
export function readSafetensors(bytes: Uint8Array, file = 'The model file'): Safetensors {
  const fail = (what: string): never => {
    throw new CheckpointError(`${file} is not a valid safetensors file: ${what}.`);
  };
  if (bytes.length < LENGTH_BYTES)
    fail(`it has ${bytes.length} bytes, fewer than the ${LENGTH_BYTES} of its header's length`);
  const declared = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (declared > BigInt(MAX_HEADER_BYTES))
    fail(`its header claims ${declared} bytes, more than the ${MAX_HEADER_BYTES} allowed`);
  const headerBytes = Number(declared);
  const start = LENGTH_BYTES + headerBytes;
  if (start > bytes.length)
    fail(`its header claims ${headerBytes} bytes, but only ${bytes.length - LENGTH_BYTES} follow`);

  let text = '';
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    text = decoder.decode(bytes.subarray(LENGTH_BYTES, start));
  } catch {
    fail('its header is not UTF-8');
  }
  const { tensors: infos, metadata } = parseHeader(text, file);

  const ordered = [...infos].sort(
    ([, a], [, b]) => a.dataOffsets[0] - b.dataOffsets[0] || a.dataOffsets[1] - b.dataOffsets[1],
  );
  const tensors = new Map<string, StoredTensor>();
  const dataBytes = bytes.length - start;
  let covered = 0;
  for (const [name, info] of ordered) {
    const [from, to] = info.dataOffsets;
    const tensor = `the tensor ${quoted(name)}`;
    const dtype = knownDtype(info.dtype) ?? fail(`${tensor} has the unknown dtype ${quoted(info.dtype)}`);
    const size = sizeInBytes(info, BYTES_OF[dtype]);
    if (to < from) fail(`${tensor} ends before it begins`);
    if (to > dataBytes) fail(`${tensor} ends at byte ${to} of ${dataBytes}`);
    if (size !== to - from) {
      fail(
        `${tensor} has ${to - from} bytes, but ${dtype} of shape [${shapeText(info.shape)}] takes ${size ?? 'more than any file has'}`,
      );
    }
    if (from < covered) fail(`${tensor} overlaps the one before it`);
    if (from > covered) fail(`no tensor covers the bytes ${covered} to ${from}`);
    covered = to;
    tensors.set(name, { dtype, shape: info.shape, bytes: bytes.subarray(start + from, start + to) });
  }
  if (covered !== dataBytes) fail(`${dataBytes - covered} bytes follow its last tensor`);
  return { tensors, metadata };
}

/**
 * A safetensors file with these tensors, wider elements first so that all are aligned, otherwise in the order
 * given. The same tensors and metadata give the same bytes.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, TensorToStore]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  const given = new Map(tensors);
  const entries = [...given].sort(([, a], [, b]) => b.values.BYTES_PER_ELEMENT - a.values.BYTES_PER_ELEMENT);
  const fields: string[] = [];
  const metadataFields = [...metadata].map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  if (metadataFields.length > 0) fields.push(`"__metadata__":{${metadataFields.join(',')}}`);
  let dataBytes = 0;
  for (const [name, { shape, values }] of entries) {
    if (name === '__metadata__') throw new CheckpointError('A tensor cannot be called __metadata__.');
    const count = shape.reduce((product, length) => product * length, 1);
    if (count !== values.length) {
      throw new CheckpointError(
        `The tensor ${quoted(name)} has ${values.length} values, but shape [${shapeText(shape)}].`,
      );
    }
    const info = { dtype: dtypeOf(values), shape, data_offsets: [dataBytes, dataBytes + values.byteLength] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    dataBytes += values.byteLength;
  }

  const text = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) throw new CheckpointError('Too many tensors for a safetensors header.');
  const file = new Uint8Array(LENGTH_BYTES + headerBytes + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes).set(text, LENGTH_BYTES);
  let position = LENGTH_BYTES + headerBytes;
  for (const [, { values }] of entries) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), position);
    position += values.byteLength;
  }
  return file;
}

/**
 * A copy of a floating-point tensor's values as float32: F32 as they are, F16 and BF16 exactly, F64 rounded.
 *
 * @throws CheckpointError naming `name` if its elements are of another kind
 */
export function toFloat32({ dtype, bytes }: StoredTensor, name: string): Float32Array {
  // A copy starts aligned (`slice` would make none of a Node Buffer); the elements are little-endian in the file and on
  // everything that runs WebGPU.
  const { buffer } = new Uint8Array(bytes);
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer));
  if (dtype === 'BF16') {
    const bits = Uint32Array.from(new Uint16Array(buffer), (half) => half << 16);
    return new Float32Array(bits.buffer);
  }
  if (dtype === 'F16') return Float32Array.from(new Uint16Array(buffer), halfToNumber);
  throw new CheckpointError(
    `The tensor ${quoted(name)} holds ${dtype}, which is not read as floating point.`,
  );
}

/** A copy of a tensor's whole numbers; I64 and U64 must be small enough to be exact. */
export function toIntegers({ dtype, bytes }: StoredTensor, name: string): number[] {
  const { buffer } = new Uint8Array(bytes);
  switch (dtype) {
    case 'U8':
      return [...new Uint8Array(buffer)];
    case 'I8':
      return [...new Int8Array(buffer)];
    case 'U16':
      return [...new Uint16Array(buffer)];
    case 'I16':
      return [...new Int16Array(buffer)];
    case 'U32':
      return [...new Uint32Array(buffer)];
    case 'I32':
      return [...new Int32Array(buffer)];
    case 'I64':
    case 'U64': {
      const numbers = Array.from(
        dtype === 'I64' ? new BigInt64Array(buffer) : new BigUint64Array(buffer),
        Number,
      );
      if (numbers.every(Number.isSafeInteger)) return numbers;
      throw new CheckpointError(`The tensor ${quoted(name)} holds a number too large to be exact.`);
    }
    default:
      throw new CheckpointError(`The tensor ${quoted(name)} holds ${dtype}, not whole numbers.`);
  }
}

function knownDtype(dtype: string): Dtype | undefined {
  return Object.hasOwn(BYTES_OF, dtype) ? (dtype as Dtype) : undefined;
}

/** Undefined when the shape has more elements than could be counted. */
function sizeInBytes({ shape }: TensorInfo, elementBytes: number): number | undefined {
  let size = elementBytes;
  for (const length of shape) {
    size *= length;
    if (!Number.isSafeInteger(size)) return undefined;
  }
  return size;
}

function shapeText(shape: readonly number[]): string {
  return shape.length > 8 ? `${shape.slice(0, 8).join(', ')}, …` : shape.join(', ');
}

function dtypeOf(values: TensorValues): Dtype {
  if (values instanceof Float32Array) return 'F32';
  if (values instanceof Float64Array) return 'F64';
  if (values instanceof Int32Array) return 'I32';
  if (values instanceof Uint32Array) return 'U32';
  if (values instanceof BigInt64Array) return 'I64';
  if (values instanceof BigUint64Array) return 'U64';
  return (values satisfies Uint8Array) && 'U8';
}

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
