/**
 * Text files from disk, plain or gzip-compressed, with errors that say what is wrong with the file. Compression
 * is recognised by content, whatever the file is called.
 */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type ParallelText, pairLines, parseTsv, type TsvOptions } from '../data/parallel.ts';
import { decodeLines, type LineOptions, type NamedLines } from '../data/text.ts';
import { DataError } from '../errors.ts';
import { nearest } from '../nn/config/nearest.ts';

const unzip = promisify(gunzip);

/** Text has no zero bytes; like git, look for one only at the start. */
const BINARY_PROBE_BYTES = 8000;

/** Reads a file of sentence pairs: one pair a line, separated by a tab. Errors as `readLines` and `parseTsv`. */
export async function readTsv(path: string, options: LineOptions & TsvOptions = {}): Promise<ParallelText> {
  return parseTsv(await readLines(path, options), options);
}

/**
 * Reads two files whose lines belong together; where one does not exist, the same name with `.gz` is read.
 * Errors as `readLines` and `pairLines`.
 */
export async function readParallel(
  sourcePath: string,
  targetPath: string,
  options: LineOptions = {},
): Promise<ParallelText> {
  const source = await readLines(await plainOrGzip(sourcePath), options);
  return pairLines(source, await readLines(await plainOrGzip(targetPath), options));
}

/**
 * The lines of a file.
 * @throws DataError if it cannot be read (see `readBytes`), is not UTF-8 or has a line that is too long.
 */
export async function readLines(path: string, options: LineOptions = {}): Promise<NamedLines> {
  return { name: path, lines: decodeLines(await readBytes(path), path, options) };
}

/**
 * The bytes of a text file, unpacked if it is gzip.
 * @throws DataError if it is missing (with its absolute path and the nearest name beside it), a folder, not
 * readable, a damaged gzip, not gzip though called `.gz`, or not text.
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  const stored = await readStored(path);
  const gzip = stored[0] === 0x1f && stored[1] === 0x8b;
  if (path.endsWith('.gz') && !gzip) {
    throw new DataError(
      `${path} is not a gzip file, though it is called one: rename it if it is plain text.`,
    );
  }
  const bytes = gzip ? await unpack(stored, path) : stored;
  const zero = bytes.subarray(0, BINARY_PROBE_BYTES).indexOf(0);
  if (zero >= 0) throw new DataError(notText(path, bytes, zero));
  return bytes;
}

async function plainOrGzip(path: string): Promise<string> {
  if (await exists(path)) return path;
  return (await exists(`${path}.gz`)) ? `${path}.gz` : path;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function readStored(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new DataError(await whyUnreadable(path, cause), { cause });
  }
}

async function unpack(bytes: Uint8Array, path: string): Promise<Uint8Array> {
  try {
    return await unzip(bytes);
  } catch (cause) {
    const problem =
      codeOf(cause) === 'ERR_BUFFER_TOO_LARGE'
        ? 'is too large once unpacked'
        : codeOf(cause) === 'Z_BUF_ERROR'
          ? 'is a gzip file cut short'
          : 'is a damaged gzip file';
    throw new DataError(`${path} ${problem} (${messageOf(cause)}).`, { cause });
  }
}

async function whyUnreadable(path: string, cause: unknown): Promise<string> {
  switch (codeOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return whyMissing(path);
    case 'EISDIR':
      return `${path} is a folder; a text file is needed (${resolve(path)}).`;
    case 'EACCES':
    case 'EPERM':
      return `${path} may not be read: permission denied (${resolve(path)}).`;
    case 'ERR_FS_FILE_TOO_LARGE':
      return `${path} is larger than the 2 GiB that can be read at once: split it.`;
    default:
      return `${path} cannot be read: ${messageOf(cause)}.`;
  }
}

async function whyMissing(path: string): Promise<string> {
  const absolute = resolve(path);
  const folder = dirname(absolute);
  const missing = `There is no file ${path}${path === absolute ? '' : ` (${absolute})`}`;
  try {
    if (!(await stat(folder)).isDirectory()) return `${missing}: ${folder} is not a folder.`;
    const similar = similarName(basename(absolute), await readdir(folder));
    return similar === undefined
      ? `${missing}.`
      : `${missing}. Did you mean ${join(dirname(path), similar)}?`;
  } catch {
    return `${missing}: there is no folder ${folder}.`;
  }
}

/** The same name with or without `.gz`, or the nearest one. */
function similarName(name: string, siblings: readonly string[]): string | undefined {
  const sorted = [...siblings].sort();
  const stem = (file: string) => file.replace(/\.gz$/, '');
  return sorted.find((sibling) => stem(sibling) === stem(name)) ?? nearest(name, sorted);
}

function notText(path: string, bytes: Uint8Array, zero: number): string {
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (utf16) return `${path} is UTF-16: save it as UTF-8.`;
  return `${path} is not a text file: it has a zero byte at offset ${zero}.`;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
