/** Stopping and going on: whatever stops a run, the final model is to the bit the one of a run that never stopped. */
import type { ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { couplet, readLog, sha256, writePairs, writeTask } from '../setup/cli.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let cwd: string;
const inRun = (run: string, ...names: string[]) => join(cwd, run, ...names);
const lastUpdate = 39;

beforeAll(async () => {
  cwd = await scratchFolder();
  writeTask(cwd);
  const { code, stderr } = await couplet(['train', 'task.yaml', '--out', 'whole'], { cwd });
  expect(code, stderr).toBe(0);
});
afterAll(() => rmSync(cwd, { recursive: true }));

/** Weights, moments and place of the last checkpoint, and the logged validations. (A signal cuts other reports in two.) */
function result(run: string) {
  const checkpoint = inRun(run, 'checkpoints', String(lastUpdate));
  const validations = readLog(inRun(run)).filter(({ kind }) => kind === 'validation');
  return {
    model: sha256(inRun(run, 'model.safetensors')),
    files: readdirSync(checkpoint)
      .filter((name) => name !== 'manifest.json')
      .map((name) => [name, sha256(join(checkpoint, name))]),
    validations: validations.map(({ time, ...record }) => record),
  };
}

async function resume(run: string, ...more: string[]) {
  const finished = await couplet(['train', run, '--resume', ...more], { cwd });
  expect(finished, finished.stderr).toMatchObject({ code: 0, signal: null });
  return finished;
}

/** Sends a signal, once, as soon as standard error matches. */
function signalAt(pattern: RegExp, signal: NodeJS.Signals) {
  let sent = false;
  return (soFar: string, child: ChildProcess) => {
    if (sent || !pattern.test(soFar)) return;
    sent = true;
    child.kill(signal);
  };
}

test('stopped by signals and killed again and again, it ends bit-equal', async () => {
  const run = 'stopped';
  const stops = [
    { signal: 'SIGINT', at: /update 4 /, code: 130 },
    { signal: 'SIGTERM', at: /update 16 /, code: 143 },
    { signal: 'SIGKILL', at: /update 24 /, code: null },
    { signal: 'SIGKILL', at: /validation after epoch 2/, code: null },
  ] as const;
  for (const [index, { signal, at, code }] of stops.entries()) {
    const args = index === 0 ? ['train', 'task.yaml', '--out', run] : ['train', run, '--resume'];
    const stopped = await couplet(args, { cwd, onStderr: signalAt(at, signal) });
    const killed = signal === 'SIGKILL' ? signal : null;
    expect(stopped, stopped.stderr).toMatchObject({ code, signal: killed, stdout: '' });
    expect(existsSync(inRun(run, '.lock'))).toBe(killed !== null);
    if (killed) continue;
    const update = /stopped after update (\d+); go on with: couplet train stopped --resume/.exec(
      stopped.stderr,
    )?.[1];
    expect(readdirSync(inRun(run, 'checkpoints', update!))).toContain('optimizer.safetensors');
  }
  await resume(run);
  expect(result(run)).toEqual(result('whole'));
  expect(readdirSync(inRun(run)).filter((name) => name.startsWith('.'))).toEqual([]);
});

describe('a finished run', () => {
  const run = 'finished';
  beforeAll(() => cpSync(inRun('whole'), inRun(run), { recursive: true }));

  test('goes on where it is made longer, and its config.yaml says so', async () => {
    const { stderr } = await resume(run, '--set', 'training.epochs=4', '--set', 'training.logging_freq=13');
    expect(stderr).toContain('done after update 52 (the last epoch is done)');
    expect(readFileSync(inRun(run, 'config.yaml'), 'utf8')).toMatch(/^ {2}epochs: 4$/m);
  });

  test('whose configuration file asks for another model is told so', async () => {
    const settings = ['model.encoder.hidden_size=10', 'training.learning_rate=0.1'];
    const args = [
      'train',
      'task.yaml',
      '--out',
      run,
      '--resume',
      ...settings.flatMap((one) => ['--set', one]),
    ];
    const { code, stderr } = await couplet(args, { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain(
      'these keys cannot change: model.encoder.hidden_size (8 so far, now 10), model.decoder.hidden_size (16 so far, ' +
        'now 20), training.learning_rate (0.02 so far, now 0.1).',
    );
  });
});

describe('the data of a run', () => {
  const run = 'moved';
  beforeAll(() => {
    cpSync(inRun('whole'), inRun(run), { recursive: true });
    rmSync(inRun(run, 'checkpoints', String(lastUpdate)), { recursive: true });
    mkdirSync(join(cwd, 'elsewhere'));
    renameSync(join(cwd, 'train.tsv'), join(cwd, 'elsewhere', 'train.tsv'));
  });
  afterAll(() => renameSync(join(cwd, 'elsewhere', 'train.tsv'), join(cwd, 'train.tsv')));

  test('may not have vanished', async () => {
    const { code, stderr } = await couplet(['train', run, '--resume'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^couplet: data\.train: There is no file .*train\.tsv.* --set data\.train=PATH\n$/,
    );
  });

  test('may not be another text', async () => {
    writePairs(join(cwd, 'elsewhere', 'other.tsv'), 4, 200);
    const { code, stderr } = await couplet(
      ['train', run, '--resume', '--set', 'data.train=../elsewhere/other.tsv'],
      { cwd },
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/other\.tsv: the training text is not what the run began with/);
    expect(readFileSync(inRun(run, 'config.yaml'), 'utf8')).not.toContain('other.tsv');
  });

  test('may have moved', async () => {
    await resume(run, '--set', `data.train=${join(cwd, 'elsewhere', 'train.tsv')}`);
    expect(result(run)).toEqual(result('whole'));
    expect(readFileSync(inRun(run, 'config.yaml'), 'utf8')).toContain('elsewhere/train.tsv');
  });
});

test('a damaged checkpoint is named, the one before it used, and the end is the same', async () => {
  const run = 'damaged';
  cpSync(inRun('whole'), inRun(run), { recursive: true });
  const file = inRun(run, 'checkpoints', String(lastUpdate), 'optimizer.safetensors');
  const bytes = readFileSync(file);
  bytes[bytes.length - 5]! ^= 1;
  writeFileSync(file, bytes);
  const { stderr } = await resume(run);
  expect(stderr).toContain(
    `${file.slice(cwd.length + 1)} is damaged: its SHA-256 is not the one in its manifest.`,
  );
  expect(stderr).toContain('Checkpoint 26 is used instead.');
  expect(stderr).toContain('going on from update 26');
  expect(result(run)).toEqual(result('whole'));
});

test('two processes do not train in one folder', async () => {
  const run = 'busy';
  mkdirSync(inRun(run));
  // This process is alive, and so is what a lock of another host tells as long as it is young.
  const holders = [
    { host: hostname(), pid: process.pid, started: startOf(process.pid) },
    { host: 'another-machine', pid: 1, started: '' },
  ];
  for (const holder of holders) {
    writeFileSync(inRun(run, '.lock'), `${JSON.stringify(holder)}\n`);
    const { code, stderr } = await couplet(['train', 'task.yaml', '--out', run], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(`${run} is in use: process ${holder.pid} on ${holder.host} is training there.`);
    expect(readdirSync(inRun(run))).toEqual(['.lock']);
  }
});

function startOf(pid: number): string {
  if (process.platform !== 'linux') return '';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return `${boot} ${status.slice(status.lastIndexOf(')') + 2).split(' ')[19]}`;
}
