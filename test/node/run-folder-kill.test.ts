/** A process that writes checkpoints is killed (SIGKILL) again and again at arbitrary moments; nothing is ever lost. */
import { spawn } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunFolder } from '../../src/node/run-folder.ts';
import { bundleScript } from '../setup/child-process.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';
import { expectedFiles, scoreOf } from './training-script.ts';

const KILLS = 12;

/** Lets the script train for some checkpoints and a moment more, kills it, and gives the last step it called done. */
function trainAndKill(script: string, path: string, checkpoints: number, moment: number): Promise<number> {
  const child = spawn(process.execPath, [script, path], {
    env: { ...process.env, COUPLET_TRAIN_UNTIL_KILLED: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdout.on('data', (text) => {
    stdout += text;
    if (stdout.split('\n').length > checkpoints) setTimeout(() => child.kill('SIGKILL'), moment);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(`the script ended by itself: ${stderr}`));
      else resolve(Number(stdout.trimEnd().split('\n').at(-1)));
    });
  });
}

/** `toEqual` takes seconds over this many bytes. */
function sameFiles(a: ReadonlyMap<string, Uint8Array>, b: ReadonlyMap<string, Uint8Array>): boolean {
  return a.size === b.size && [...a].every(([name, bytes]) => Buffer.compare(bytes, b.get(name)!) === 0);
}

test('a run survives being killed', async () => {
  const base = await scratchFolder();
  const path = join(base, 'run');
  try {
    const script = await bundleScript(new URL('training-script.ts', import.meta.url));
    let done = 0;
    let leftovers = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const reported = await trainAndKill(script, path, 1 + (kill % 3), (kill * 7) % 13);
      expect(reported).toBeGreaterThan(done);
      done = reported;
      leftovers += (await readdir(path, { recursive: true })).filter((name) =>
        name.includes('.unfinished'),
      ).length;

      const run = await RunFolder.resume(path);
      const latest = await run.loadCheckpoint('latest');
      expect(latest.warnings).toEqual([]);
      // What was called done is there; at most the checkpoint under way is there besides.
      expect(latest.step).toBeGreaterThanOrEqual(done);
      expect(latest.step).toBeLessThanOrEqual(done + 1);
      for (const step of await run.steps()) {
        expect(sameFiles((await run.loadCheckpoint(step)).files, expectedFiles(step))).toBe(true);
      }

      const steps = Array.from({ length: latest.step }, (_, i) => i + 1);
      const best = steps.reduce((a, b) => (scoreOf(b) < scoreOf(a) ? b : a));
      expect((await run.loadCheckpoint('best')).step).toBe(best);
      const { model, warnings } = await run.loadModel();
      expect(warnings).toEqual([]);
      expect(Buffer.compare(model, expectedFiles(best).get('model.safetensors')!)).toBe(0);

      await run.rewindTo(latest.step);
      const { records, damagedLines } = await run.readLog();
      expect(records).toEqual(steps.map((step) => ({ step, score: scoreOf(step) })));
      expect(damagedLines).toEqual([]);
      done = latest.step;
    }
    // Some kills must have come in the middle of writing, or this test proves nothing.
    expect(leftovers).toBeGreaterThan(0);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
});
