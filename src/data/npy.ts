/**
 * Reads and writes `.npy`, NumPy's format of one array
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic string and version, the length of a
 * header, the header (a Python dictionary of fixed keys, see `npy-header.ts`), then the elements. Arrays of numbers become
 * float32; pickled objects are refused. Whatever the file holds, reading it runs nothing and allocates no more than four
 * times the file's length.
 */

import { DataError, ShapeError } from '../errors.ts';
import { halfToNumber } from './half-precision.ts';
import { parseNpyHeader } from './npy-header.ts';

/** An array in C order: the last index runs fastest. */
export interface NpyArray {
  /** Lengths of the dimensions; none for a scalar. */
  readonly shape: readonly number[];
  /** The elements, rounded to float32 where the file has more digits. */
  readonly data: Float32Array;
}

/** `\x93NUMPY` */
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;
/** NumPy's own limit on headers that it reads without being told to trust the file. */
const MAX_HEADER_BYTES = 10_000;
/** Elements start at a multiple of this. */
const ALIGNMENT = 64;
/** Dimensions that every version of NumPy can hold. */
const MAX_DIMENSIONS = 32;

type ElementReader = (view: DataView, offset: number, littleEndian: boolean) => number;

/** How to read one element of each kind and size. */
const READERS: ReadonlyMap<string, ElementReader> = new Map<string, ElementReader>([
  ['b1', (view, offset) => (view.getUint8(offset) === 0 ? 0 : 1)],
  ['i1', (view, offset) => view.getInt8(offset)],
  ['u1', (view, offset) => view.getUint8(offset)],
  ['i2', (view, offset, little) => view.getInt16(offset, little)],
  ['u2', (view, offset, little) => view.getUint16(offset, little)],
  ['i4', (view, offset, little) => view.getInt32(offset, little)],
  ['u4', (view, offset, little) => view.getUint32(offset, little)],
  ['i8', (view, offset, little) => Number(view.getBigInt64(offset, little))],
  ['u8', (view, offset, little) => Number(view.getBigUint64(offset, little))],
  ['f2', (view, offset, little) => halfToNumber(view.getUint16(offset, little))],
  ['f4', (view, offset, little) => view.getFloat32(offset, little)],
  ['f8', (view, offset, little) => view.getFloat64(offset, little)],
]);

/**
 * The array of a `.npy` file, versions 1 to 3: f2, f4, f8, i1 to i8, u1 to u8 and b1 of either byte order. An array in
 * Fortran order is put into C order. NaN and infinities come as they are.
 * @param name what messages call the file.
 * @throws DataError naming the file and what is wrong with it.
 */
export function readNpy(bytes: Uint8Array, name: string): NpyArray {
  const fail = (what: string): never => {
    throw new DataError(`${name} is not a .npy file that can be read: ${what}.`);
  };
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) fail('it does not start with \\x93NUMPY');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6] ?? 0;
  if (major < 1 || major > 3) fail(`its format version is ${major}, and 1 to 3 are known`);
  const headerStart = major === 1 ? 10 : 12;
  if (bytes.length < headerStart) fail('it is cut short');
  const headerBytes = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerBytes > MAX_HEADER_BYTES) {
    fail(`its header claims ${headerBytes} bytes, more than the ${MAX_HEADER_BYTES} accepted`);
  }
  const start = headerStart + headerBytes;
  if (start > bytes.length) {
    fail(`its header claims ${headerBytes} bytes, but only ${bytes.length - headerStart} follow`);
  }
  const header = parseNpyHeader(asciiText(bytes.subarray(headerStart, start)), fail);
  const [, order = '', element = ''] = /^([<>|])([a-z][0-9]+)$/.exec(header.descr) ?? [];
  const read = READERS.get(element);
  const size = Number(element.slice(1));
  if (!read || (order === '|' && size > 1)) {
    return fail(
      `its elements are ${JSON.stringify(header.descr)}; save it with array.astype("float32") ` +
        '(f2, f4, f8, i1 to i8, u1 to u8 and b1 can be read)',
    );
  }
  const { shape } = header;
  if (shape.length > MAX_DIMENSIONS) fail(`it has ${shape.length} dimensions`);
  const count = elementCount(shape);
  const needed = count === undefined ? undefined : count * size;
  const present = bytes.length - start;
  if (count === undefined || needed !== present) {
    const wanted = count === undefined ? 'more than any file has' : `${needed} bytes`;
    return fail(
      `shape (${shape.join(', ')}) of ${element} takes ${wanted}, and ${present} follow its header`,
    );
  }
  const data = new Float32Array(count);
  const little = order !== '>';
  for (let i = 0; i < count; i++) data[i] = read(view, start + i * size, little);
  return { shape, data: header.fortranOrder ? toRowMajor(data, shape) : data };
}

/**
 * A `.npy` file (version 1, little-endian f4, C order) as `numpy.load` reads it. The same array gives the same bytes.
 * @throws ShapeError if the shape does not have as many elements as there are.
 */
export function writeNpy({ shape, data }: NpyArray): Uint8Array {
  if (shape.length > MAX_DIMENSIONS || elementCount(shape) !== data.length) {
    throw new ShapeError(`An array of shape [${shape.join(', ')}] cannot hold ${data.length} elements.`);
  }
  // Python's tuples: (), (3,), (3, 4).
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const start = Math.ceil((10 + header.length + 1) / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(start + data.byteLength);
  file.set([...MAGIC, 1, 0]);
  new DataView(file.buffer).setUint16(8, start - 10, true);
  file.set(new TextEncoder().encode(`${header.padEnd(start - 11)}\n`), 10);
  // Little-endian, as is everything that runs WebGPU.
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return file;
}

/** Undefined where there are more than could be counted. */
function elementCount(shape: readonly number[]): number | undefined {
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const length of shape) {
    count *= length;
    if (!(Number.isSafeInteger(count) && count > 0)) return undefined;
  }
  return count;
}

/** From Fortran order, where the first index runs fastest, to C order. */
function toRowMajor(data: Float32Array, shape: readonly number[]): Float32Array {
  const result = new Float32Array(data.length);
  const index = new Array<number>(shape.length).fill(0);
  const strides = shape.map((_, axis) =>
    shape.slice(0, axis).reduce((product, length) => product * length, 1),
  );
  for (let i = 0; i < data.length; i++) {
    let from = 0;
    for (let axis = 0; axis < shape.length; axis++) from += index[axis]! * strides[axis]!;
    result[i] = data[from]!;
    // Counts up the index, last dimension first.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return result;
}

function asciiText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}
