/**
 * From bytes to lines of text, for files, streams and downloads alike. A line ends at LF or CRLF and nowhere
 * else (not at U+0085 or U+2028, which would shift parallel files against each other); a byte order mark at
 * the start is dropped; a last line need not be terminated. What is not UTF-8, or too long to be a sentence,
 * is an error that names the line.
 */

import { DataError } from '../errors.ts';
import { firstInvalidUtf8 } from './utf8.ts';

/** The longest line accepted unless told otherwise, in bytes. */
export const DEFAULT_MAX_LINE_BYTES = 65_536;

/** Decoding in pieces keeps the strings small: V8 limits one string to half a gigabyte. */
const BLOCK_BYTES = 1 << 20;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface LineOptions {
  /** The longest line accepted, in bytes without its line end. Default 65,536. */
  readonly maxLineBytes?: number;
}

/** Lines of text with the name that messages call them by (a path, a URL, `standard input`). */
export interface NamedLines {
  readonly name: string;
  readonly lines: readonly string[];
}

/**
 * The lines of a whole file.
 * @throws DataError naming `name`, the line (from 1) and the byte if it is not UTF-8, or if a line is too long.
 */
export function decodeLines(bytes: Uint8Array, name: string, options: LineOptions = {}): string[] {
  const decoder = new LineDecoder(name, options);
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    for (const line of decoder.push(bytes.subarray(start, start + BLOCK_BYTES))) lines.push(line);
  }
  for (const line of decoder.finish()) lines.push(line);
  return lines;
}

/**
 * A whole file as one string, line ends as they are, without a byte order mark.
 * @throws DataError naming `name`, the line and the byte if it is not UTF-8.
 */
export function decodeText(bytes: Uint8Array, name: string): string {
  return decodeUtf8(bytes.subarray(byteOrderMarkLength(bytes)), {
    name,
    line: 1,
    offset: byteOrderMarkLength(bytes),
  });
}

/**
 * Turns chunks of bytes into lines as they arrive:
 * `for await (const chunk of stream) for (const line of decoder.push(chunk)) …`, then `decoder.finish()`.
 * A line longer than the limit fails as soon as the limit is passed, however long it goes on.
 */
export class LineDecoder {
  readonly #name: string;
  readonly #maxLineBytes: number;
  /** The bytes of the line that is not finished yet. */
  #pending: Uint8Array = new Uint8Array(0);
  /** Where the pending bytes begin in the stream. */
  #offset = 0;
  #lineCount = 0;

  constructor(name: string, options: LineOptions = {}) {
    this.#name = name;
    this.#maxLineBytes = options.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES;
  }

  /** The lines that this chunk completes. The chunk may be reused afterwards. */
  push(chunk: Uint8Array): string[] {
    const bytes = this.#pending.length === 0 ? chunk : concatenate(this.#pending, chunk);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    const lines = this.#decode(bytes.subarray(0, end));
    // Not slice(), which on a Node Buffer makes a view of the chunk.
    this.#pending = new Uint8Array(bytes.subarray(end));
    const start = this.#offset === 0 ? byteOrderMarkLength(this.#pending) : 0;
    // One byte more may be the CR of a CRLF.
    if (this.#pending.length - start > this.#maxLineBytes + 1) {
      throw this.#tooLong(this.#lineCount + 1, `more than ${this.#maxLineBytes}`);
    }
    return lines;
  }

  /** The last line, if it was not terminated. */
  finish(): string[] {
    const lines = this.#decode(this.#pending);
    this.#pending = new Uint8Array(0);
    return lines;
  }

  /** Decodes a block that starts at a line's start and ends at a line's end. */
  #decode(block: Uint8Array): string[] {
    const start = this.#offset === 0 ? byteOrderMarkLength(block) : 0;
    if (block.length === start) return [];
    this.#checkLineLengths(block, start);
    const text = decodeUtf8(block.subarray(start), {
      name: this.#name,
      line: this.#lineCount + 1,
      offset: this.#offset + start,
    });
    const lines = text.split('\n');
    if (block[block.length - 1] === NEWLINE) lines.pop();
    this.#lineCount += lines.length;
    this.#offset += block.length;
    return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  #checkLineLengths(block: Uint8Array, start: number): void {
    let line = this.#lineCount + 1;
    for (let from = start; from < block.length; line++) {
      const newline = block.indexOf(NEWLINE, from);
      const end = newline < 0 ? block.length : newline;
      const length = end - from - (end > from && block[end - 1] === CARRIAGE_RETURN ? 1 : 0);
      if (length > this.#maxLineBytes) throw this.#tooLong(line, `${length}`);
      from = end + 1;
    }
  }

  #tooLong(line: number, length: string): DataError {
    return new DataError(
      `${this.#name}: line ${line} is ${length} bytes long, and at most ${this.#maxLineBytes} are accepted. ` +
        'Couplet reads one sentence per line: split or remove this line.',
    );
  }
}

interface Place {
  readonly name: string;
  /** The line in which the bytes begin, from 1. */
  readonly line: number;
  /** Where the bytes begin in the file. */
  readonly offset: number;
}

function decodeUtf8(bytes: Uint8Array, place: Place): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalidUtf8(bytes, place, cause);
  }
}

function invalidUtf8(bytes: Uint8Array, place: Place, cause: unknown): DataError {
  const at = firstInvalidUtf8(bytes);
  if (at < 0) return new DataError(`${place.name}: cannot be decoded`, { cause });
  let line = place.line;
  for (let i = bytes.indexOf(NEWLINE); i >= 0 && i < at; i = bytes.indexOf(NEWLINE, i + 1)) line++;
  const value = bytes[at]!.toString(16).padStart(2, '0');
  const utf16 = place.offset + at === 0 && (bytes[0] === 0xff || bytes[0] === 0xfe) && bytes.length > 1;
  const advice = utf16 && bytes[0]! + bytes[1]! === 0x1fd ? 'This is UTF-16: save' : 'Save';
  return new DataError(
    `${place.name}: line ${line} is not valid UTF-8 (byte 0x${value} at offset ${place.offset + at} of the file). ` +
      `${advice} the file as UTF-8.`,
    { cause },
  );
}

function byteOrderMarkLength(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

function concatenate(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
