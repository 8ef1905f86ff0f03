/** What a user can get wrong: each a clear message and exit code 2, and nothing written. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { couplet, writeTask } from '../setup/cli.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await scratchFolder();
  writeTask(cwd);
  mkdirSync(join(cwd, 'folder'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
});
afterAll(() => rmSync(cwd, { recursive: true }));

const files: Record<string, string | Uint8Array> = {
  'short.src': 'a\nb\nc\n',
  'short.trg': 'A\nB\n',
  'empty.tsv': '\n\n\t\n',
  'nothing.tsv': '',
  'latin1.tsv': Uint8Array.from([...Buffer.from('a\tA\nb'), 0xe9, ...Buffer.from('\tB\n')]),
  'utf16.tsv': Uint8Array.from([0xff, 0xfe, 0x61, 0, 9, 0, 0x41, 0]),
  'huge.tsv': `a\tA\n${'x'.repeat(1 << 20)}\tB\n`,
  'columns.tsv': 'a\tA\nb\n',
  'broken.yaml': 'data: { train: train.tsv\nmodel: [',
  'list.yaml': '- a\n- b\n',
  'bare.yaml': 'model: { cell: gru }\n',
  'damaged.tsv.gz': Uint8Array.from([0x1f, 0x8b, 8, 0, 1, 2, 3]),
};

/** Standard error of a run that must fail with 2 on account of its input, without a word on standard output. */
async function complaint(...args: string[]): Promise<string> {
  const before = readdirSync(cwd).sort();
  const { code, signal, stdout, stderr } = await couplet(args, { cwd });
  expect({ code, signal, stdout }, stderr).toEqual({ code: 2, signal: null, stdout: '' });
  expect(readdirSync(cwd).sort()).toEqual(before);
  return stderr;
}

const train = (...settings: string[]) =>
  complaint('train', 'task.yaml', '--out', 'run', ...settings.flatMap((setting) => ['--set', setting]));

describe('the command line', () => {
  test.each([
    [['trian'], "couplet: there is no command 'trian': did you mean train?; see couplet --help\n"],
    [['train'], /^couplet: train needs CONFIG: .*\n$/],
    [['train', 'task.yaml', '--resum'], /^couplet: train has no option --resum: did you mean --resume\?/],
    [['eval', 'run', '--src', 'a'], 'couplet: eval needs both --src and --ref\n'],
    [['translate', 'run', '--batch-size', '0'], /^couplet: --batch-size 0: must be a whole number/],
  ])('%j', async (args, message) => {
    expect(await complaint(...args)).toMatch(message);
  });

  test('nothing at all: the help, and code 2', async () => {
    const { code, stdout } = await couplet([], { cwd });
    expect(code).toBe(2);
    expect(stdout).toMatch(/^couplet \d.*\n\nUsage: couplet COMMAND/);
  });
});

describe('a configuration', () => {
  test.each([
    ['nope.yaml', /There is no file nope\.yaml \(\/.*nope\.yaml\)/],
    ['taks.yaml', /There is no file taks\.yaml .* Did you mean task\.yaml\?/],
    ['folder', /folder is a folder: name a configuration file, or add --resume/],
    ['broken.yaml', /broken\.yaml:\d+:\d+: not YAML/],
    ['list.yaml', /list\.yaml: a configuration has the sections data, model, training and testing/],
    ['bare.yaml', /bare\.yaml: `data\.train` is missing/],
  ])('%s', async (file, message) => {
    expect(await complaint('train', file)).toMatch(message);
  });

  test.each([
    [
      'training.epoch=3',
      /--set training\.epoch=3: Unknown key `training\.epoch`: did you mean `training\.epochs`\?/,
    ],
    ['rnn_size=500', /OpenNMT's `rnn_size` is `model\.encoder\.hidden_size` and/],
    ['training.epochs', /--set training\.epochs: must read SECTION\.KEY=VALUE/],
    ['training.epochs=[', /--set training\.epochs=\[: the value is not YAML/],
    [
      'training.epochs=many',
      /--set training\.epochs=many: `training\.epochs` is "many", but must be a whole number/,
    ],
    ['training.early_stopping_metric=bleu', /bleu must be among `testing\.eval_metrics`/],
  ])('--set %s', async (setting, message) => {
    expect(await train(setting)).toMatch(message);
  });
});

describe('data', () => {
  test.each([
    ['nope.tsv', /data\.train: There is no file .*nope\.tsv/],
    ['folder', /data\.train: .*There is no file .*folder\.src/],
    ['folder/', /data\.train: There is no file/],
    ['short', /data\.train: .*short\.src has 3 and .*short\.trg has 2/],
    ['empty.tsv', /empty\.tsv: 0 of 3 pairs kept \(dropped: 3 empty source\).*Nothing is left/],
    ['nothing.tsv', /nothing\.tsv is empty: it holds no pairs/],
    ['latin1.tsv', /data\.train: .*latin1\.tsv.*line 2.*byte/],
    ['utf16.tsv', /utf16\.tsv is UTF-16: save it as UTF-8/],
    [
      'huge.tsv',
      /data\.train: .*huge\.tsv: line 2 is more than 65536 bytes long, and at most 65536 are accepted/,
    ],
    ['columns.tsv', /columns\.tsv: line 2 has 1 column, and 2 are needed/],
    ['damaged.tsv.gz', /damaged\.tsv\.gz is a (damaged gzip file|gzip file cut short)/],
  ])('%s', async (file, message) => {
    expect(await train(`data.train=${file}`)).toMatch(message);
  });

  test('of validation and test are checked before training', async () => {
    expect(await train('data.dev=nope.tsv')).toContain('data.dev: There is no file');
    expect(await train('data.test=nope.tsv')).toContain('data.test: There is no file');
    expect(await train('data.src.voc_file=nope.txt')).toContain('data.src.voc_file: There is no file');
  });
});

describe('a run folder', () => {
  test.each([
    [['eval', 'nope'], /Cannot open the run nope: it does not exist/],
    [['eval', 'task.yaml'], /task\.yaml is a file; a run is a folder with config\.yaml/],
    [
      ['translate', 'folder'],
      /folder is not a run: it has no config\.yaml, src_vocab\.txt and trg_vocab\.txt/,
    ],
    [['train', 'folder', '--resume'], /folder is not a run/],
    [['train', 'task.yaml', '--out', 'nope', '--resume'], /no run in nope to go on with: leave out --resume/],
    [['train', 'task.yaml', '--out', '.'], /\. is not empty and not a run; choose another folder/],
    [
      ['train', 'task.yaml', '--out', 'task.yaml'],
      /Cannot open the folder task\.yaml: part of its path is a file/,
    ],
  ])('%j', async (args, message) => {
    expect(await complaint(...args)).toMatch(message);
  });
});

test('an adapter that is not there: what there is, and what to do', async () => {
  const env = { COUPLET_ADAPTER: 'nonsense' };
  const { code, stderr } = await couplet(['train', 'task.yaml', '--out', 'run'], { cwd, env });
  expect(code).toBe(2);
  expect(stderr).toMatch(/no WebGPU adapter could be opened \(asked for "nonsense"\)/);
  expect(stderr).toMatch(/What to do:\n {2}- "couplet doctor" lists the adapters/);
  expect(readdirSync(cwd)).not.toContain('run');
});

describe('sizes that the device cannot hold are told before anything is allocated or written', () => {
  test.each([
    [
      'model.encoder.hidden_size=100000',
      /the parameter decoder\.rnn\.weight_hh_l0 \[800000, 200000\] needs 596\.05 GiB, but this device binds at most .* lower model\.encoder\.hidden_size \(100000\) or model\.decoder\.hidden_size \(200000\)\n/,
    ],
    [
      'model.encoder.embeddings.embedding_dim=100000000',
      /needs .*GiB.* lower model\.encoder\.embeddings\.embedding_dim \(100000000\) or model\.decoder\.embeddings\.embedding_dim \(100000000\)\n/,
    ],
  ])('%s', async (setting, message) => {
    expect(await train(setting)).toMatch(message);
  });
});
