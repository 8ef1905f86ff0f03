/**
 * Files that are either wholly there or not at all, whenever the process or the machine stops: written under
 * another name in the same folder, flushed to the disk, then renamed, which file systems do in one step.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CheckpointError } from '../errors.ts';

/** Names of what is not finished start so; whoever owns the folder may delete them. */
const UNFINISHED = '.unfinished-';
/** A single read, write or hash update of 2 GiB or more fails in Node. */
const CHUNK_BYTES = 2 ** 28;

/** A name in the same folder for writing what is to be called `path`. */
export function unfinishedName(path: string): string {
  return join(
    dirname(path),
    `${UNFINISHED}${basename(path)}-${process.pid}-${randomBytes(4).toString('hex')}`,
  );
}

/**
 * Writes a file in one step: a reader, or this machine after a power cut, finds the old content or the new.
 *
 * @throws CheckpointError naming the file; what was there before is unharmed
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = unfinishedName(path);
  try {
    await writeFileFlushed(temporary, content);
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError('write', path, cause);
  }
}

/** Writes a new file and waits until the disk has it. Not atomic: for files in a folder that is not yet in place. */
export async function writeFileFlushed(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Waits until the disk has the folder's list of names. Windows has no such call and needs none. */
export async function flushFolder(path: string): Promise<void> {
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } catch (error) {
    if (process.platform !== 'win32') throw error;
  } finally {
    await folder?.close();
  }
}

/** Waits until the disk has what was appended to a file; one that is not there has nothing. */
export async function flushFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    await file.sync().finally(() => file.close());
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError('write', path, cause);
  }
}

/** A whole file, of any size that memory holds. */
export async function readFileWhole(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const bytes = new Uint8Array(size);
      let filled = 0;
      while (filled < size) {
        const length = Math.min(CHUNK_BYTES, size - filled);
        const { bytesRead } = await file.read(bytes, filled, length, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw fileError('read', path, cause);
  }
}

/** Deletes what killed processes left half written in a folder. Only for a folder that nobody else writes to. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(UNFINISHED)) await removeAll(join(folder, name));
  }
}

/** Deletes a folder so that it is gone in one step, even if deleting what it holds is interrupted. */
export async function removeFolderAtomic(path: string): Promise<void> {
  const doomed = unfinishedName(path);
  await moveTo(path, doomed);
  await removeAll(doomed);
}

/** Deletes a file or a folder and what it holds; nothing there is no error. */
export async function removeAll(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (cause) {
    throw fileError('delete', path, cause);
  }
}

export async function moveTo(path: string, target: string): Promise<void> {
  try {
    await rename(path, target);
  } catch (cause) {
    throw fileError('rename', path, cause);
  }
}

export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw fileError('make the folder', path, cause);
  }
}

/** The SHA-256 of some bytes in hexadecimal. */
export function sha256(content: Uint8Array | string): string {
  const hash = createHash('sha256');
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES)
    hash.update(bytes.subarray(from, from + CHUNK_BYTES));
  return hash.digest('hex');
}

/** What the system says about a file, in words, as a CheckpointError; one that already is one stays. */
export function fileError(action: string, path: string, cause: unknown): CheckpointError {
  if (cause instanceof CheckpointError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const words = (code !== undefined && REASONS.get(code)) || message || String(cause);
  return new CheckpointError(`Cannot ${action} ${path}: ${words}.`, { cause });
}

const REASONS = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'the disk is read-only'],
  ['ENOENT', 'it does not exist'],
  ['ENOTDIR', 'part of its path is a file, not a folder'],
  ['EISDIR', 'it is a folder'],
  ['EEXIST', 'it already exists'],
  ['EIO', 'the disk failed'],
]);
