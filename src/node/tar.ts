/**
 * Reads the plain files out of a tar archive in memory: enough of POSIX ustar for archives of a few short names,
 * such as the one SwiftShader comes in. Paths are returned as they stand and never written anywhere here.
 */
import { DataError } from '../errors.ts';

const block = 512;

/** Path → content (a view into `archive`). Throws DataError on a damaged archive. */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + block <= archive.length; ) {
    const header = archive.subarray(at, at + block);
    if (header.every((byte) => byte === 0)) return files;
    if (!checksumHolds(header)) throw new DataError(`damaged tar archive: bad header at byte ${at}`);
    const prefix = text(header, 345, 155);
    const name = text(header, 0, 100);
    const size = octal(header, 124, 12);
    const type = text(header, 156, 1);
    const start = at + block;
    if (start + size > archive.length) throw new DataError(`damaged tar archive: ${name} is cut off`);
    if (type === '' || type === '0') {
      files.set(prefix ? `${prefix}/${name}` : name, archive.subarray(start, start + size));
    }
    at = start + Math.ceil(size / block) * block;
  }
  throw new DataError('damaged tar archive: it has no end');
}

function text(header: Uint8Array, from: number, length: number): string {
  const field = Buffer.from(header.subarray(from, from + length)).toString('latin1');
  const end = field.indexOf('\0');
  return end < 0 ? field : field.slice(0, end);
}

function octal(header: Uint8Array, from: number, length: number): number {
  const digits = text(header, from, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new DataError('damaged tar archive: a number is not octal');
  return Number.parseInt(digits, 8);
}

/** The header's bytes add up to the number it carries, whose own eight bytes count as spaces. */
function checksumHolds(header: Uint8Array): boolean {
  let sum = 0;
  for (let i = 0; i < block; i += 1) sum += i >= 148 && i < 156 ? 0x20 : header[i]!;
  return text(header, 148, 8).trim() !== '' && octal(header, 148, 8) === sum;
}
