import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOCK_NAME, RunLock } from '../../src/node/run-lock.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let folder: string;
let lock: string;
beforeEach(async () => {
  folder = await scratchFolder();
  lock = join(folder, LOCK_NAME);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hold = (holder: object, secondsAgo = 0) => {
  writeFileSync(lock, `${JSON.stringify(holder)}\n`);
  const time = Date.now() / 1000 - secondsAgo;
  utimesSync(lock, time, time);
};
/** What this process writes when it takes the lock. */
async function ownHolder(): Promise<{ host: string; pid: number; started: string }> {
  const own = await RunLock.acquire(folder);
  const holder = JSON.parse(readFileSync(lock, 'utf8'));
  await own.release();
  return holder;
}

test('one holder at a time', async () => {
  const first = await RunLock.acquire(folder);
  await expect(RunLock.acquire(folder)).rejects.toThrow(
    `${folder} is in use: process ${process.pid} on ${hostname()} is training there.`,
  );
  await first.release();
  expect(readdirSync(folder)).toEqual([]);
  await (await RunLock.acquire(folder)).release();
});

test('of many at once, one gets it, a dead holder or none', async () => {
  for (const dead of [false, true]) {
    if (dead) hold({ host: hostname(), pid: 2 ** 22 + 1, started: '' });
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => RunLock.acquire(folder)));
    const got = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(got).toHaveLength(1);
    expect(readdirSync(folder)).toEqual([LOCK_NAME]);
    await got[0]!.release();
    await RunLock.acquire(folder).then((again) => again.release());
  }
});

test('a folder that nothing came of goes with its lock', async () => {
  const path = join(folder, 'new', 'run');
  const own = await RunLock.acquire(path);
  expect(readdirSync(path)).toEqual([LOCK_NAME]);
  await own.release();
  expect(existsSync(path)).toBe(false);
});

test("another's lock is not given back", async () => {
  const own = await RunLock.acquire(folder);
  hold({ host: 'elsewhere', pid: 1, started: '' });
  await own.release();
  expect(readFileSync(lock, 'utf8')).toContain('elsewhere');
});

describe('what a dead process left counts for nothing', () => {
  test('one whose number nobody has', async () => {
    hold({ ...(await ownHolder()), pid: 2 ** 22 + 1 });
    await (await RunLock.acquire(folder)).release();
  });

  // Elsewhere nothing tells the two apart.
  test.runIf(process.platform === 'linux')('one whose number another process has now', async () => {
    const holder = await ownHolder();
    hold({ ...holder, started: `${holder.started}0` });
    await (await RunLock.acquire(folder)).release();
  });

  test('one of another machine, after it was silent for minutes', async () => {
    hold({ host: 'elsewhere', pid: 1, started: '' }, 60);
    await expect(RunLock.acquire(folder)).rejects.toThrow('process 1 on elsewhere is training there');
    hold({ host: 'elsewhere', pid: 1, started: '' }, 300);
    await (await RunLock.acquire(folder)).release();
  });

  test('one that was never written, unless it may be about to be', async () => {
    writeFileSync(lock, '');
    await expect(RunLock.acquire(folder)).rejects.toThrow('another process is training there');
    utimesSync(lock, 1, 1);
    await (await RunLock.acquire(folder)).release();
  });
});

test('where it cannot be written, the error says so', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(RunLock.acquire(join(folder, 'file', 'run'))).rejects.toThrow(
    /Cannot make the folder .*: part of its path is a file/,
  );
});
