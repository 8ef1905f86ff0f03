/**
 * Keeps two processes from training in one run folder. The lock is a file that says who holds it. One whose process
 * is gone (killed, or the machine restarted) counts for nothing; of one from another machine, where processes cannot
 * be looked up, a sign of life is expected every now and then. So nobody has to clean up after a crash.
 */
import { existsSync, readFileSync, unlinkSync, utimesSync } from 'node:fs';
import { readFile, rename, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { CheckpointError } from '../errors.ts';
import { fileError, makeFolder, unfinishedName } from './atomic-files.ts';

export const LOCK_NAME = '.lock';

/** Milliseconds between two signs of life, and after how many without one a lock is given up for dead. */
const beatEvery = 20_000;
const deadAfter = 120_000;
/** How old a lock without readable content must be: somebody may be about to write it. */
const unwrittenFor = 5_000;

interface Holder {
  readonly host: string;
  readonly pid: number;
  /** Tells a process from a later one of the same number, where the system has something to tell it by. */
  readonly started: string;
}

export class RunLock {
  readonly #path: string;
  readonly #content: string;
  readonly #madeFolder: boolean;
  readonly #beat: NodeJS.Timeout;

  private constructor(path: string, content: string, madeFolder: boolean) {
    this.#path = path;
    this.#content = content;
    this.#madeFolder = madeFolder;
    this.#beat = setInterval(() => this.#showLife(), beatEvery);
    this.#beat.unref();
  }

  /**
   * Takes the lock of a run folder, making the folder where there is none.
   * @throws CheckpointError if another process that may be alive holds it, or the folder cannot be written
   */
  static async acquire(folder: string): Promise<RunLock> {
    const path = join(folder, LOCK_NAME);
    const holder: Holder = { host: hostname(), pid: process.pid, started: startOf(process.pid) };
    const content = `${JSON.stringify(holder)}\n`;
    const isNew = !existsSync(folder);
    await makeFolder(folder);
    while (!(await createFile(path, content))) await removeDead(path, folder);
    return new RunLock(path, content, isNew);
  }

  /** Gives it back, and removes the folder that was made for it if nothing came of it. */
  async release(): Promise<void> {
    clearInterval(this.#beat);
    if (!this.#isOurs()) return;
    unlinkSync(this.#path);
    // Fails, as it should, if there is anything in it.
    if (this.#madeFolder) await rmdir(dirname(this.#path)).catch(() => {});
  }

  #isOurs(): boolean {
    try {
      return readFileSync(this.#path, 'utf8') === this.#content;
    } catch {
      return false;
    }
  }

  #showLife(): void {
    if (!this.#isOurs()) return;
    const now = new Date();
    utimesSync(this.#path, now, now);
  }
}

/** False where there is such a file already. */
async function createFile(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fileError('write', path, cause);
  }
}

/** Takes away the lock of a process that is gone; throws if it may be alive. */
async function removeDead(path: string, folder: string): Promise<void> {
  const content = await readFile(path, 'utf8').catch(() => undefined);
  const seen = await stat(path).catch(() => undefined);
  if (content === undefined || seen === undefined) return; // released in this moment
  const holder = parse(content);
  const silence = Date.now() - seen.mtimeMs;
  if (holder ? mayBeAlive(holder, silence) : silence < unwrittenFor) {
    const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
    throw new CheckpointError(
      `${folder} is in use: ${who} is training there. Stop it, or wait for its end (if you are sure that it no ` +
        `longer runs, delete ${path}).`,
    );
  }
  // Of two processes that find it dead, one gets it by renaming; a new lock that came in between is put back.
  const aside = unfinishedName(path);
  await rename(path, aside).catch(() => {});
  const taken = await readFile(aside, 'utf8').catch(() => content);
  if (taken === content) await unlink(aside).catch(() => {});
  else await rename(aside, path);
}

function parse(content: string): Holder | undefined {
  try {
    const { host, pid, started } = JSON.parse(content) as Holder;
    return typeof host === 'string' && Number.isInteger(pid) ? { host, pid, started } : undefined;
  } catch {
    return undefined;
  }
}

function mayBeAlive({ host, pid, started }: Holder, silence: number): boolean {
  if (host !== hostname()) return silence < deadAfter;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return startOf(pid) === started;
}

/** When a process started, on Linux: which boot of the machine, and the clock ticks since. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 22; the second, the program's name in parentheses, may hold spaces.
    return `${boot} ${status.slice(status.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return '';
  }
}
