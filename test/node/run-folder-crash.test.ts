/**
 * A run survives a crash before any single thing that is done to the disk. Each operation is counted; from the k-th on
 * all fail, those of clean-up too, as if the process had ended; then the run is opened again. For every k.
 */
import type * as FileSystem from 'node:fs/promises';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CheckpointError } from '../../src/errors.ts';
import type { RunFolder as Run } from '../../src/node/run-folder.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

const disk = vi.hoisted(() => ({
  operations: 0,
  crashAt: Number.POSITIVE_INFINITY,
  code: 'CRASH',
  recovers: false,
}));

vi.mock('node:fs/promises', async (importActual) => {
  const actual = await importActual<typeof FileSystem>();
  const changing = ['open', 'rename', 'mkdir', 'rm', 'appendFile', 'writeFile'] as const;
  const counted = changing.map((name) => {
    const operation = actual[name] as (...given: unknown[]) => Promise<unknown>;
    const wrapped = (...given: unknown[]) => {
      const at = disk.operations++;
      const fails = disk.recovers ? at === disk.crashAt : at >= disk.crashAt;
      if (fails) throw Object.assign(new Error(`no ${name}`), { code: disk.code });
      return operation(...given);
    };
    return [name, async (...given: unknown[]) => wrapped(...given)] as const;
  });
  return { ...actual, ...Object.fromEntries(counted) };
});

const { RunFolder } = await import('../../src/node/run-folder.ts');

const content = { config: 'name: x\n', sourceVocabulary: 'a\n', targetVocabulary: 'b\n' };
const filesOf = (step: number, version = 0) =>
  new Map(
    ['model.safetensors', 'optimizer.safetensors', 'state.json'].map((name, i) => [
      name,
      Uint8Array.of(step, i, version),
    ]),
  );
const options = (score: number) => ({ score, keep: { best: 1, last: 1 } });

let base: string;
let path: string;

function healthy(): void {
  Object.assign(disk, { operations: 0, crashAt: Number.POSITIVE_INFINITY, code: 'CRASH', recovers: false });
}
beforeEach(async () => {
  healthy();
  base = await scratchFolder();
  path = join(base, 'run');
});
afterEach(async () => {
  healthy();
  await rm(base, { recursive: true, force: true });
});

/** Does `work` again and again on a fresh run, with a crash before its 1st, 2nd, … operation, until none is left. */
async function crashEverywhere(
  work: (run: Run) => Promise<unknown>,
  check: () => Promise<void>,
): Promise<number> {
  for (let crashAt = 0; ; crashAt++) {
    healthy();
    await rm(path, { recursive: true, force: true });
    const run = await prepare();
    disk.operations = 0;
    disk.crashAt = crashAt;
    const outcome = await work(run).then(
      () => 'done',
      (error: unknown) => error,
    );
    const finished = disk.operations <= crashAt;
    healthy();
    if (finished) {
      expect(outcome).toBe('done');
      return crashAt;
    }
    await check();
  }
}

/** Steps 1 (best), 2 and 3 were written; with one best and one latest to keep, 1 and 3 are there. */
async function prepare(): Promise<Run> {
  const run = await RunFolder.create(path, content);
  for (const step of [1, 2, 3]) await run.writeCheckpoint(step, filesOf(step), options(step));
  return run;
}

async function expectTidy(): Promise<void> {
  const names = await readdir(path, { recursive: true });
  expect(names.filter((name) => /unfinished|replaced/.test(name))).toEqual([]);
}

describe('a crash anywhere', () => {
  test('in a checkpoint that is the new best: old or new, whole, and the model is that of the best', async () => {
    const seen = new Set<number>();
    const operations = await crashEverywhere(
      (run) => run.writeCheckpoint(4, filesOf(4), options(0.5)),
      async () => {
        // A reader that comes before anybody repairs anything.
        const reader = await RunFolder.open(path);
        const read = await reader.loadCheckpoint('latest');
        expect(read.files).toEqual(filesOf(read.step));
        expect(read.warnings).toEqual([]);
        expect((await reader.loadModel()).warnings).toEqual([]);

        const run = await RunFolder.resume(path);
        const latest = await run.loadCheckpoint('latest');
        const best = await run.loadCheckpoint('best');
        expect([3, 4]).toContain(latest.step);
        expect(best.step).toBe(latest.step === 4 ? 4 : 1);
        for (const { step, files, warnings } of [latest, best]) {
          expect(files).toEqual(filesOf(step));
          expect(warnings).toEqual([]);
        }
        expect((await run.loadModel()).model).toEqual(best.files.get('model.safetensors'));
        await expectTidy();
        seen.add(latest.step);
        // And it goes on as if nothing had been.
        await run.writeCheckpoint(4, filesOf(4), options(0.5));
        expect(await run.steps()).toEqual([4]);
      },
    );
    expect(seen).toEqual(new Set([3, 4]));
    expect(operations).toBeGreaterThan(15);
  });

  test('in replacing a checkpoint: the old or the new one, whole', async () => {
    const seen = new Set<number>();
    await crashEverywhere(
      (run) => run.writeCheckpoint(3, filesOf(3, 1), options(3)),
      async () => {
        const run = await RunFolder.resume(path);
        const { files, warnings } = await run.loadCheckpoint(3);
        expect(warnings).toEqual([]);
        const version = files.get('state.json')![2]!;
        expect(files).toEqual(filesOf(3, version));
        expect(await run.steps()).toEqual([1, 3]);
        await expectTidy();
        seen.add(version);
      },
    );
    expect(seen).toEqual(new Set([0, 1]));
  });

  test('in creating a run: no run, or a whole one', async () => {
    const outcomes = new Set<string>();
    for (let crashAt = 0; ; crashAt++) {
      await rm(path, { recursive: true, force: true });
      disk.operations = 0;
      disk.crashAt = crashAt;
      await RunFolder.create(path, content).catch(() => {});
      const finished = disk.operations <= crashAt;
      healthy();
      if (finished) break;
      const run = await RunFolder.open(path).catch(() => undefined);
      outcomes.add(run ? 'a run' : 'none');
      if (run) expect(await run.readContent()).toEqual(content);
    }
    expect(outcomes).toEqual(new Set(['none', 'a run']));
  });

  test('in taking a run back', async () => {
    await crashEverywhere(
      (run) => run.rewindTo(2),
      async () => {
        const run = await RunFolder.resume(path);
        await run.rewindTo(2);
        expect(await run.steps()).toEqual([1]);
        expect((await run.loadCheckpoint('latest')).files).toEqual(filesOf(1));
      },
    );
  });

  test('in repairing after a crash', async () => {
    for (let first = 0; first < 40; first += 5) {
      for (let second = 0; second < 6; second += 2) {
        healthy();
        await rm(path, { recursive: true, force: true });
        const run = await prepare();
        disk.operations = 0;
        disk.crashAt = first;
        await run.writeCheckpoint(3, filesOf(3, 1), options(0.5)).catch(() => {});
        disk.operations = 0;
        disk.crashAt = second;
        await RunFolder.resume(path).catch(() => {});
        healthy();
        const resumed = await RunFolder.resume(path);
        const { step, files, warnings } = await resumed.loadCheckpoint('latest');
        expect(step).toBe(3);
        expect(files).toEqual(filesOf(3, files.get('state.json')![2]!));
        expect(warnings).toEqual([]);
        await expectTidy();
      }
    }
  });
});

test.each([
  ['a new checkpoint', 4],
  ['one that replaces another', 3],
])('a disk full for a moment, at whatever moment, while writing %s', async (_what, step) => {
  const words = new Set<string>();
  for (let failAt = 0; ; failAt++) {
    healthy();
    await rm(path, { recursive: true, force: true });
    const run = await prepare();
    Object.assign(disk, { operations: 0, crashAt: failAt, code: 'ENOSPC', recovers: true });
    const error = await run.writeCheckpoint(step, filesOf(step, 1), options(9)).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    const finished = disk.operations <= failAt;
    healthy();
    if (finished) break;
    if (error !== undefined) {
      expect(error).toBeInstanceOf(CheckpointError);
      words.add(/the disk is full/.exec((error as Error).message)?.[0] ?? (error as Error).message);
    }
    const still = await run.loadCheckpoint('latest');
    expect(still.warnings).toEqual([]);
    expect(still.step).toBeGreaterThanOrEqual(3);
    expect(still.files).toEqual(filesOf(still.step, still.files.get('state.json')![2]!));

    await run.writeCheckpoint(5, filesOf(5), options(9));
    const latest = await run.loadCheckpoint('latest');
    expect(latest).toMatchObject({ step: 5, warnings: [], files: filesOf(5) });
    expect((await run.loadCheckpoint('best')).step).toBe(1);
  }
  expect([...words]).toEqual(['the disk is full']);
});

test('the counting sees every operation (or the tests above prove nothing)', async () => {
  disk.operations = 0;
  await prepare();
  const before = disk.operations;
  expect(before).toBeGreaterThan(50);
  await readFile(join(path, 'config.yaml'));
  expect(disk.operations).toBe(before);
});
