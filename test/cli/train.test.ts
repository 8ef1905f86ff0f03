/** `train` and `eval` as a user meets them: what comes out of a run, and what is kept when something goes wrong. */
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/train/config/parse.ts';
import type { Validation } from '../../src/train/reports.ts';
import type { Finished } from '../setup/child-process.ts';
import { couplet, readLog, writeTask } from '../setup/cli.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let cwd: string;
let trained: Finished;
const inRun = (...names: string[]) => join(cwd, 'run', ...names);

beforeAll(async () => {
  cwd = await scratchFolder();
  writeTask(cwd);
  trained = await couplet(['train', 'task.yaml', '--out', 'run', '--set', 'data.test=test.tsv'], { cwd });
});
afterAll(() => rmSync(cwd, { recursive: true }));

describe('a run', () => {
  test('ends by itself with 0: progress on standard error, the test figures on standard output', () => {
    expect(trained, trained.stderr).toMatchObject({ code: 0, signal: null });
    expect(trained.stdout).toMatch(
      /^test \(.*test\.tsv\)\n {2}loss .*\n {2}perplexity .*\n.*\n {2}WER .*\n {2}PER .*\n$/,
    );
    expect(trained.stderr).toMatch(/^adapter: \S.* \(.*\)\n/m);
    expect(trained.stderr).toContain('train.tsv: 208 of 208 pairs kept');
    expect(trained.stderr).toMatch(/^vocabulary: 12 source and 12 target tokens, [\d,]+ parameters$/m);
    expect(trained.stderr).toMatch(
      /^epoch 1 {2}update 4 {2}10 % {2}loss .* lr 0\.0200 .* tokens\/s {2}ETA \d+:\d\d$/m,
    );
    expect(trained.stderr).toMatch(/^validation after epoch 3, update 39: loss .* WER .*$/m);
    expect(trained.stderr).toContain('done after update 39 (the last epoch is done); the run is in run\n');
  });

  test('leaves a folder with everything', () => {
    const names = [
      'checkpoints',
      'config.yaml',
      'log.jsonl',
      'model.safetensors',
      'src_vocab.txt',
      'trg_vocab.txt',
    ];
    expect(readdirSync(inRun()).sort()).toEqual(names);
    expect(readdirSync(inRun('checkpoints')).sort()).toEqual(['13', '26', '39', 'index.json']);
    expect(readdirSync(inRun('checkpoints', '39')).sort()).toEqual([
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
      'origin.json',
      'state.json',
    ]);
  });

  test('with a configuration that has every key, and finds its data from anywhere', () => {
    const text = readFileSync(inRun('config.yaml'), 'utf8');
    const config = parseConfig(text);
    expect(config.training).toMatchObject({ epochs: 3, optimizer: 'adam', clip_grad_norm: 5 });
    expect(config.data.train).toBe(join(cwd, 'train.tsv'));
    expect(text).toMatch(/^ {2}adam_betas:$/m);
  });

  test('with a log that holds all there is to plot', () => {
    const log = readLog(inRun());
    const kinds = (wanted: string) => log.filter(({ kind }) => kind === wanted);
    expect(log[0]).toMatchObject({
      kind: 'start',
      step: 0,
      adapter: { name: expect.any(String) },
      parameters: expect.any(Number),
      train: { pairs: 208 },
    });
    expect(kinds('progress').map(({ update }) => update)).toEqual([
      4, 8, 12, 13, 16, 20, 24, 26, 28, 32, 36, 39,
    ]);
    const numbers = [
      'loss',
      'perplexity',
      'accuracy',
      'learningRate',
      'gradientNorm',
      'tokens',
      'seconds',
      'done',
    ];
    for (const record of kinds('progress')) {
      for (const name of numbers) expect(record[name], name).toEqual(expect.any(Number));
      expect(Date.parse(record.time as string)).not.toBeNaN();
    }
    expect(kinds('validation').map(({ update }) => update)).toEqual([13, 26, 39]);
    expect(kinds('test')).toHaveLength(1);
    expect(log.at(-2)).toMatchObject({ kind: 'end', reason: 'epochs', update: 39 });
  });

  test('is not overwritten', async () => {
    const before = readFileSync(inRun('log.jsonl'));
    const { code, stderr } = await couplet(['train', 'task.yaml', '--out', 'run'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^couplet: run already holds a run with checkpoints up to step 39\. Go on with it \(--resume\)/,
    );
    expect(readFileSync(inRun('log.jsonl'))).toEqual(before);
  });
});

describe('eval', () => {
  test('prints the test figures of the training again', async () => {
    const { code, stdout, stderr } = await couplet(['eval', 'run'], { cwd });
    expect(code, stderr).toBe(0);
    expect(stdout.split('\n').slice(1)).toEqual(trained.stdout.split('\n').slice(1));
    renameSync(join(cwd, 'test.tsv'), join(cwd, 'moved.tsv'));
    const moved = await couplet(['eval', 'run'], { cwd });
    renameSync(join(cwd, 'moved.tsv'), join(cwd, 'test.tsv'));
    expect(moved.code).toBe(2);
    expect(moved.stderr).toMatch(
      /^couplet: data\.test: There is no file .*test\.tsv.* If it moved, give --data FILE/,
    );
  });

  test('of the validation data gives the figures of the best validation, to the bit', async () => {
    const { code, stdout, stderr } = await couplet(['eval', 'run', '--data', 'dev.tsv', '--json'], { cwd });
    expect(code, stderr).toBe(0);
    const validations = readLog(inRun()).filter(
      ({ kind }) => kind === 'validation',
    ) as unknown as Validation[];
    const best = validations.reduce((a, b) => (b.loss < a.loss ? b : a));
    const { loss, perplexity, accuracy, scores } = best;
    expect(JSON.parse(stdout)).toEqual({ data: 'dev.tsv', loss, perplexity, accuracy, scores });
  });

  test('takes parallel files, gzip or not, with CRLF and a byte order mark', async () => {
    const pairs = readFileSync(join(cwd, 'dev.tsv'), 'utf8').trimEnd().split('\n');
    const column = (index: number) => pairs.map((pair) => pair.split('\t')[index]!);
    writeFileSync(join(cwd, 'dev.src'), `\ufeff${column(0).join('\r\n')}\r\n`);
    writeFileSync(join(cwd, 'dev.trg'), column(1).join('\n'));
    const args = ['eval', 'run', '--src', 'dev.src', '--ref', 'dev.trg', '--json'];
    const { code, stdout, stderr } = await couplet(args, { cwd });
    expect(code, stderr).toBe(0);
    const { scores } = readLog(inRun()).find(
      ({ best, kind }) => kind === 'validation' && best,
    ) as unknown as Validation;
    expect(JSON.parse(stdout).scores).toEqual(expect.objectContaining({ wer: expect.any(Number) }));
    expect(Object.keys(JSON.parse(stdout).scores)).toEqual(Object.keys(scores));
  });
});

test('--dump-plan prints the plan of the largest batch and writes nothing', async () => {
  const before = readdirSync(cwd);
  const { code, stdout, stderr } = await couplet(['train', 'task.yaml', '--dump-plan', '--out', 'planned'], {
    cwd,
  });
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^plan train B16 S4 T4: \d+ dispatches, \d+ slots, .* of scratch/);
  expect(stdout).toMatch(/^plan update \(adam\): /m);
  expect(readdirSync(cwd)).toEqual(before);
});

test('a training that diverges ends with 1; its checkpoints stay', async () => {
  const settings = [
    'training.optimizer=sgd',
    'training.learning_rate=1e30',
    'training.clip_grad_norm=null',
    'training.save_freq=1',
    'model.cell=rnn',
    'model.nonlinearity=relu',
    'data.train=special.tsv',
  ];
  writeFileSync(join(cwd, 'special.tsv'), `${readFileSync(join(cwd, 'train.tsv'), 'utf8')}ab\tA <s>\n`);
  const args = ['train', 'task.yaml', '--out', 'diverged', ...settings.flatMap((one) => ['--set', one])];
  const { code, stdout, stderr } = await couplet(args, { cwd });
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(
    /special\.tsv: .*; 1 read like special tokens \(<s> and the like\) and are treated as unknown/,
  );
  expect(stderr).toMatch(
    /^couplet: the loss or its gradient is no longer finite .* lower the learning rate .* diverged keeps its checkpoints, the last after update \d+; .*load_model: diverged\n$/m,
  );
  expect(readdirSync(join(cwd, 'diverged')).sort()).toContain('model.safetensors');
  expect(existsSync(join(cwd, 'diverged', '.lock'))).toBe(false);
});

test('mixed precision on an adapter without 16-bit floats: what to do, and no run', async () => {
  const args = ['train', 'task.yaml', '--out', 'mixed', '--adapter', 'swiftshader'];
  const { code, stderr } = await couplet([...args, '--set', 'training.precision=mixed'], { cwd });
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /^couplet: mixed precision stores 16-bit floats, and SwiftShader has none .*shader-f16/m,
  );
  expect(stderr).toMatch(/set training\.precision to f32, or run on an adapter that has it\n$/);
  expect(existsSync(join(cwd, 'mixed', 'checkpoints'))).toBe(false);
});

test('a checkpoint that cannot be written ends the run, and loses nothing that was there', async () => {
  cpSync(inRun(), join(cwd, 'full'), { recursive: true });
  writeFileSync(join(cwd, 'full', 'checkpoints', '52'), ''); // in the way of the next checkpoint
  const before = readdirSync(join(cwd, 'full', 'checkpoints')).sort();
  const args = ['train', 'full', '--resume', '--set', 'training.epochs=4'];
  const { code, stderr } = await couplet(args, { cwd });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^couplet: Cannot .* full\/checkpoints\/.*52.*\n$/m);
  expect(readdirSync(join(cwd, 'full', 'checkpoints')).sort()).toEqual(before);
  expect(readFileSync(join(cwd, 'full', 'model.safetensors'))).toEqual(
    readFileSync(inRun('model.safetensors')),
  );
});
