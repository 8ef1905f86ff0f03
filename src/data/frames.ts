/**
 * Sequences of real-valued vectors: speech frames, prices, the frames of a video, features of an image. From NumPy's
 * `.npy` or from lines of numbers; whatever is no finite number is an error that says where it stands.
 */

import { DataError, ShapeError } from '../errors.ts';
import { parseFloat32, quotedPiece } from './decimal.ts';
import { readNpy } from './npy.ts';
import { splitWhitespace, trimWhitespace } from './whitespace.ts';

/** One sequence. */
export interface Frames {
  /** [T, F] row-major: number f of step t is at `t * size + f`. */
  readonly data: Float32Array;
  /** T, at least 1. */
  readonly steps: number;
  /** F, at least 1. */
  readonly size: number;
}

/**
 * The sequence of a `.npy` file: an array [T, F], or [T] of single numbers.
 * @throws DataError naming the file if it is not readable as one (see `readNpy`), has other dimensions, is empty or holds
 * NaN or infinity, with row and column (from 1).
 */
export function framesFromNpy(bytes: Uint8Array, name: string): Frames {
  const { shape, data } = readNpy(bytes, name);
  const [steps = 0, size = 1] = shape;
  if (shape.length !== 1 && shape.length !== 2) {
    throw new DataError(
      `${name} has shape (${shape.join(', ')}), and a sequence has two dimensions: steps, and numbers in each.`,
    );
  }
  if (data.length === 0) throw new DataError(`${name} is empty: its shape is (${shape.join(', ')}).`);
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const place = `row ${Math.floor(wrong / size) + 1}, column ${(wrong % size) + 1}`;
    throw new DataError(
      `${name}: ${place} is ${data[wrong]} in 32-bit floating point, and numbers are needed.`,
    );
  }
  return { data, steps, size };
}

export type Delimiter = ',' | ';' | '\t' | ' ';

export interface CsvOptions {
  /**
   * What stands between the numbers of a line; a space stands for any whitespace. Default: the first of tab, semicolon
   * and comma that the first line of numbers has, else whitespace.
   */
  readonly delimiter?: Delimiter;
}

/**
 * The sequence of a text file with one step a line: numbers with a decimal point, not quoted. A first line without any
 * number in it is a header and skipped; blank lines are accepted at the end only, since one in between may be a lost value.
 * @throws DataError naming the file, the line and the column (from 1) of what is not a finite number, or the line that
 * has not as many numbers as the first.
 */
export function framesFromCsv(text: string, name: string, options: CsvOptions = {}): Frames {
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split('\n').map(trimLineEnd);
  while (lines.length > 0 && trimWhitespace(lines.at(-1)!) === '') lines.pop();
  const cellsOf = (line: string) => splitCells(line, options.delimiter ?? delimiterOf(line));
  const start = lines.length > 0 && isHeader(cellsOf(lines[0]!)) ? 1 : 0;
  const first = lines[start];
  if (first === undefined) throw new DataError(`${name} holds no line of numbers.`);
  const delimiter = options.delimiter ?? delimiterOf(first);
  const size = splitCells(first, delimiter).length;
  const steps = lines.length - start;
  // No more than the text can hold, whatever its first line promises; a shorter line is found before the end is passed.
  const data = new Float32Array(Math.min(steps * size, text.length));
  for (let step = 0; step < steps; step++) {
    const here = `${name}: line ${start + step + 1}`;
    const line = lines[start + step]!;
    if (trimWhitespace(line) === '') throw new DataError(`${here} is blank. Is a value missing?`);
    const cells = splitCells(line, delimiter);
    if (cells.length !== size) {
      throw new DataError(`${here} has ${numbers(cells.length)}, but line ${start + 1} has ${size}.`);
    }
    for (const [column, cell] of cells.entries()) {
      const value = parseFloat32(cell);
      if (value === undefined) {
        throw new DataError(`${here}, column ${column + 1}: ${quotedPiece(cell)} is not a finite number.`);
      }
      data[step * size + column] = value;
    }
  }
  return { data, steps, size };
}

/**
 * For vectors that a program hands over.
 * @param name what the message calls them
 * @throws ShapeError unless there is a whole step of numbers, and no part of one is left over
 */
export function checkFrames({ data, steps, size }: Frames, name: string): void {
  if (Number.isSafeInteger(steps) && steps > 0 && size > 0 && data.length === steps * size) return;
  throw new ShapeError(
    `${name}: ${data.length} numbers are not a matrix of ${steps} steps with ${size} numbers each.`,
  );
}

function delimiterOf(line: string): Delimiter {
  return (['\t', ';', ','] as const).find((delimiter) => line.includes(delimiter)) ?? ' ';
}

function splitCells(line: string, delimiter: Delimiter): string[] {
  return delimiter === ' ' ? splitWhitespace(line) : line.split(delimiter).map(trimWhitespace);
}

/** Names of columns. A missing value is no name: a first line of `nan` is not skipped. */
function isHeader(cells: readonly string[]): boolean {
  const isName = (cell: string) =>
    parseFloat32(cell) === undefined && !/^[+-]?(nan|inf(inity)?|[0-9.].*)$/i.test(cell);
  return cells.every(isName) && cells.some((cell) => cell !== '');
}

function trimLineEnd(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

function numbers(count: number): string {
  return `${count} number${count === 1 ? '' : 's'}`;
}
