import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CheckpointError } from '../../src/errors.ts';
import type { CheckpointOptions } from '../../src/node/run-folder.ts';
import { RunFolder } from '../../src/node/run-folder.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

const content = { config: 'name: x\n', sourceVocabulary: 'a\n', targetVocabulary: 'b\nc\n' };
const keep = { best: 1, last: 2 };
let base: string;
let path: string;

beforeEach(async () => {
  base = await scratchFolder();
  path = join(base, 'runs', 'x');
});
afterEach(() => rm(base, { recursive: true, force: true }));

/** The bytes of a checkpoint's file, different for every step and file. */
const bytesOf = (step: number, file: number) =>
  Uint8Array.from({ length: 100 + step }, (_, i) => (i * 31 + step * 7 + file) % 256);
const filesOf = (step: number) =>
  new Map([
    ['model.safetensors', bytesOf(step, 0)],
    ['optimizer.safetensors', bytesOf(step, 1)],
    ['state.json', bytesOf(step, 2)],
  ]);
const write = (run: RunFolder, step: number, options: Partial<CheckpointOptions> = {}) =>
  run.writeCheckpoint(step, filesOf(step), { keep, ...options });
const damage = async (...parts: string[]) => {
  const file = join(path, ...parts);
  const bytes = await readFile(file);
  bytes[50] = bytes[50]! ^ 4;
  await writeFile(file, bytes);
};
const failure = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return (error as Error).message;
};
const snapshot = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines = entries.map(async (entry) => {
    const file = join(entry.parentPath, entry.name);
    return entry.isFile() ? `${file} ${await readFile(file, 'base64')}` : file;
  });
  return (await Promise.all(lines)).sort();
};

describe('a new run', () => {
  test('has its configuration and vocabularies, and opens', async () => {
    await RunFolder.create(path, content);
    const run = await RunFolder.open(path);
    expect(await run.readContent()).toEqual(content);
    expect(await run.steps()).toEqual([]);
    expect((await readdir(path)).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'log.jsonl',
      'src_vocab.txt',
      'trg_vocab.txt',
    ]);
  });

  test('goes into an empty folder', async () => {
    await mkdir(path, { recursive: true });
    await RunFolder.create(path, content);
    expect(await (await RunFolder.open(path)).steps()).toEqual([]);
  });

  test('does not touch a run that is there, and says what to do', async () => {
    await write(await RunFolder.create(path, content), 7);
    const before = await snapshot(path);
    const message = await failure(RunFolder.create(path, { ...content, config: 'other' }));
    for (const words of [path, 'checkpoints up to step 7', '--resume', 'overwrite: true', '--out']) {
      expect(message).toContain(words);
    }
    expect(await snapshot(path)).toEqual(before);
  });

  test('replaces a run when told to, but deletes nothing else', async () => {
    await write(await RunFolder.create(path, content), 7);
    await writeFile(join(path, 'notes.txt'), 'mine');
    const run = await RunFolder.create(path, { ...content, config: 'other' }, { overwrite: true });
    expect(await run.steps()).toEqual([]);
    expect((await run.readContent()).config).toBe('other');
    expect((await readdir(path)).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'log.jsonl',
      'notes.txt',
      'src_vocab.txt',
      'trg_vocab.txt',
    ]);
    expect(await readFile(join(path, 'notes.txt'), 'utf8')).toBe('mine');
  });

  test.each([false, true])('never goes into a folder of other things (overwrite %s)', async (overwrite) => {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'thesis.tex'), 'mine');
    const before = await snapshot(path);
    expect(await failure(RunFolder.create(path, content, { overwrite }))).toContain(
      'not empty and not a run',
    );
    expect(await snapshot(path)).toEqual(before);
  });

  test('where a file is', async () => {
    await mkdir(join(base, 'runs'));
    await writeFile(path, '');
    expect(await failure(RunFolder.create(path, content))).toContain('file, not a folder');
    expect(await failure(RunFolder.create(join(path, 'below'), content))).toContain('file, not a folder');
  });
});

describe('what is not a run', () => {
  test.each([
    [[], 'config.yaml, src_vocab.txt and trg_vocab.txt'],
    [['config.yaml'], 'src_vocab.txt and trg_vocab.txt'],
    [['config.yaml', 'src_vocab.txt', 'model.safetensors'], 'trg_vocab.txt'],
  ])('with %j lacks the others', async (names, missing) => {
    await mkdir(path, { recursive: true });
    for (const name of names) await writeFile(join(path, name), '');
    expect(await failure(RunFolder.open(path))).toBe(`${path} is not a run: it has no ${missing}.`);
  });

  test('nothing at all', async () => {
    expect(await failure(RunFolder.open(path))).toBe(`Cannot open the run ${path}: it does not exist.`);
  });

  test('a file', async () => {
    await mkdir(join(base, 'runs'));
    await writeFile(path, '');
    expect(await failure(RunFolder.open(path))).toContain('is a file; a run is a folder');
  });
});

describe('checkpoints', () => {
  test('come back with every byte', async () => {
    const run = await RunFolder.create(path, content);
    await write(run, 1200, { score: 0.25 });
    const loaded = await (await RunFolder.open(path)).loadCheckpoint('latest');
    expect(loaded).toEqual({ step: 1200, score: 0.25, better: 'lower', files: filesOf(1200), warnings: [] });
  });

  test.each([
    ['lower', [5, 4, 3, 2, 6, 7], 4],
    ['lower', [5, 2, 2, 3, 6, 7], 2],
    ['higher', [5, 9, 3, 9, 6, 7], 2],
    ['higher', [Number.NaN, 1, Number.POSITIVE_INFINITY, 0, 0, 0], 2],
  ] as const)('the best one where %s is better of %j', async (better, scores, best) => {
    const run = await RunFolder.create(path, content);
    for (const [i, score] of scores.entries()) await write(run, i + 1, { score, better });
    expect((await run.loadCheckpoint('best')).step).toBe(best);
    expect((await run.loadModel()).model).toEqual(bytesOf(best, 0));
    expect(await run.steps()).toEqual([best, 5, 6]);
    expect(JSON.parse(await readFile(join(path, 'checkpoints', 'index.json'), 'utf8'))).toMatchObject({
      best,
      latest: 6,
      checkpoints: [{ step: best }, { step: 5 }, { step: 6 }],
    });
  });

  test('without any score the latest is the best', async () => {
    const run = await RunFolder.create(path, content);
    for (const step of [10, 20, 100]) await write(run, step);
    expect((await run.loadCheckpoint('best')).step).toBe(100);
    expect((await run.loadModel()).model).toEqual(bytesOf(100, 0));
    expect(await run.steps()).toEqual([20, 100]);
  });

  test('one without a score is never the best while another has one', async () => {
    const run = await RunFolder.create(path, content);
    await write(run, 1, { score: 3 });
    await write(run, 2);
    await write(run, 3);
    expect((await run.loadCheckpoint('best')).step).toBe(1);
    expect(await run.steps()).toEqual([1, 2, 3]);
  });

  test('best and latest K are kept', async () => {
    const run = await RunFolder.create(path, content);
    const scores = [3, 1, 2, 9, 8, 7, 6];
    for (const [i, score] of scores.entries()) await write(run, i + 1, { score, keep: { best: 3, last: 1 } });
    expect(await run.steps()).toEqual([1, 2, 3, 7]);
  });

  test('of the same step replaces the one before', async () => {
    const run = await RunFolder.create(path, content);
    await write(run, 5);
    await run.writeCheckpoint(5, new Map([['model.safetensors', bytesOf(9, 9)]]), { keep });
    const { files } = await run.loadCheckpoint(5);
    expect([...files]).toEqual([['model.safetensors', bytesOf(9, 9)]]);
    expect((await readdir(join(path, 'checkpoints'))).sort()).toEqual(['5', 'index.json']);
  });

  test('without a score, of the same step and weights, keeps the score', async () => {
    const run = await RunFolder.create(path, content);
    await write(run, 4, { score: 2 });
    await write(run, 5, { score: 1 });
    const stopped = new Map([...filesOf(5), ['state.json', bytesOf(9, 9)] as const]);
    await run.writeCheckpoint(5, stopped, { keep });
    expect(await run.loadCheckpoint('best')).toMatchObject({ step: 5, score: 1, files: stopped });
    await run.writeCheckpoint(5, filesOf(6), { keep });
    expect(await run.loadCheckpoint(5)).toMatchObject({ score: null });
    expect((await run.loadCheckpoint('best')).step).toBe(4);
  });

  test('by step, or the ones that are there are named', async () => {
    const run = await RunFolder.create(path, content);
    expect(await failure(run.loadCheckpoint('latest'))).toContain('no checkpoint yet');
    expect(await failure(run.loadModel())).toContain('has no model.safetensors yet');
    await write(run, 5);
    await write(run, 6);
    expect((await run.loadCheckpoint(5)).step).toBe(5);
    expect(await failure(run.loadCheckpoint(7))).toContain('holds no checkpoint 7; it has 5, 6.');
  });

  test.each(['../escape', 'a/b', '', '.', '..', 'manifest.json', 'a\\b', 'x.', 'a:b'])(
    'with a file called %j are refused',
    async (name) => {
      const run = await RunFolder.create(path, content);
      const files = new Map([...filesOf(1), [name, new Uint8Array(1)] as const]);
      await failure(run.writeCheckpoint(1, files, { keep }));
      expect(await run.steps()).toEqual([]);
      expect(await readdir(base)).toEqual(['runs']);
    },
  );

  test.each([-1, 1.5, Number.NaN])('of step %s are refused', async (step) => {
    const run = await RunFolder.create(path, content);
    await failure(run.writeCheckpoint(step, filesOf(1), { keep }));
  });

  test('without a model are refused', async () => {
    const run = await RunFolder.create(path, content);
    expect(await failure(run.writeCheckpoint(1, new Map(), { keep }))).toContain('model.safetensors');
  });

  test('that cannot be written say where', async () => {
    const run = await RunFolder.create(path, content);
    await rm(join(path, 'checkpoints'), { recursive: true });
    await writeFile(join(path, 'checkpoints'), 'a file in the way');
    expect(await failure(write(run, 2))).toContain(join(path, 'checkpoints'));
  });
});

describe('damage', () => {
  const three = async () => {
    const run = await RunFolder.create(path, content);
    for (const step of [1, 2, 3]) await write(run, step, { score: step, keep: { best: 3, last: 3 } });
    return run;
  };

  test.each(['model.safetensors', 'optimizer.safetensors', 'state.json', 'manifest.json'])(
    'in %s of the latest: named, and the one before is used',
    async (name) => {
      const run = await three();
      await damage('checkpoints', '3', name);
      const { step, files, warnings } = await run.loadCheckpoint('latest');
      expect(step).toBe(2);
      expect(files).toEqual(filesOf(2));
      expect(warnings).toHaveLength(2);
      expect(warnings[0]).toContain(`${join(path, 'checkpoints', '3', name)} is damaged`);
      expect(warnings[1]).toBe('Checkpoint 2 is used instead.');
      expect(await failure(run.loadCheckpoint(3))).toContain('is damaged');
    },
  );

  test('in the best: the next best', async () => {
    const run = await three();
    await damage('checkpoints', '1', 'state.json');
    const { step, warnings } = await run.loadCheckpoint('best');
    expect(step).toBe(2);
    expect(warnings[0]).toContain(join('1', 'state.json'));
  });

  test('a missing file, a truncated one, a missing manifest', async () => {
    const run = await three();
    await rm(join(path, 'checkpoints', '3', 'manifest.json'));
    await writeFile(join(path, 'checkpoints', '2', 'state.json'), 'short');
    const { step, warnings } = await run.loadCheckpoint('latest');
    expect(step).toBe(1);
    expect(warnings.join('\n')).toMatch(/3.manifest\.json: it does not exist/);
    expect(warnings.join('\n')).toMatch(/2.state\.json is damaged: it has 5 bytes instead of 102/);
  });

  test('in all of them', async () => {
    const run = await three();
    for (const step of ['1', '2', '3']) await damage('checkpoints', step, 'state.json');
    const message = await failure(run.loadCheckpoint('latest'));
    expect(message).toContain('holds no sound checkpoint');
    for (const step of ['1', '2', '3']) expect(message).toContain(join(step, 'state.json'));
  });

  test('in every byte of a manifest is found, or says nothing else', async () => {
    const run = await three();
    const file = join(path, 'checkpoints', '3', 'manifest.json');
    const original = await readFile(file);
    const expected = await run.loadCheckpoint(3);
    for (const [at, byte] of original.entries()) {
      const changed = Buffer.from(original);
      changed[at] = byte ^ 1;
      await writeFile(file, changed);
      const loaded = await run.loadCheckpoint(3).catch((error: unknown) => error);
      if (!(loaded instanceof CheckpointError)) expect(loaded).toEqual(expected);
    }
  });

  test('a manifest made to read another file is refused', async () => {
    const run = await three();
    const { makeManifest, formatManifest } = await import('../../src/node/checkpoint-manifest.ts');
    const files = new Map([['../../../../secret', bytesOf(1, 1)]]);
    await writeFile(join(base, 'secret'), bytesOf(1, 1));
    const manifest = makeManifest({ step: 3, score: null, better: 'lower' }, files);
    await writeFile(join(path, 'checkpoints', '3', 'manifest.json'), formatManifest(manifest));
    expect(await failure(run.loadCheckpoint(3))).toContain('is damaged');
  });

  test('a checkpoint copied to another step is not that step', async () => {
    const run = await three();
    await rm(join(path, 'checkpoints', '3'), { recursive: true });
    await mkdir(join(path, 'checkpoints', '3'));
    for (const name of await readdir(join(path, 'checkpoints', '2'))) {
      await writeFile(
        join(path, 'checkpoints', '3', name),
        await readFile(join(path, 'checkpoints', '2', name)),
      );
    }
    expect(await failure(run.loadCheckpoint(3))).toContain('is of checkpoint 2');
  });

  test('in model.safetensors: the best checkpoint has another', async () => {
    const run = await three();
    await damage('model.safetensors');
    const { model, warnings } = await run.loadModel();
    expect(model).toEqual(bytesOf(1, 0));
    expect(warnings[0]).toContain(`${join(path, 'model.safetensors')} is damaged`);
    expect(warnings[1]).toContain('checkpoint 1');
    await RunFolder.resume(path);
    expect(await run.loadModel()).toEqual({ model: bytesOf(1, 0), warnings: [] });
  });

  test('a run without its checkpoints folder still has its model', async () => {
    const run = await three();
    await rm(join(path, 'checkpoints'), { recursive: true });
    expect(await run.loadModel()).toEqual({ model: bytesOf(1, 0), warnings: [] });
  });
});

describe('going on', () => {
  test('after a damaged latest checkpoint sets it aside and takes the log back', async () => {
    const first = await RunFolder.create(path, content);
    for (const step of [1, 2, 3]) {
      await first.appendLog({ step, loss: step / 2 });
      await write(first, step);
    }
    await damage('checkpoints', '3', 'model.safetensors');
    const run = await RunFolder.resume(path);
    const { step } = await run.loadCheckpoint('latest');
    await run.rewindTo(step);
    expect(step).toBe(2);
    expect((await run.readLog()).records).toEqual([
      { step: 1, loss: 0.5 },
      { step: 2, loss: 1 },
    ]);
    expect(await run.steps()).toEqual([2]);
    expect(await readdir(join(path, 'checkpoints'))).toContain('damaged-3');
    await write(run, 3);
    expect((await run.loadCheckpoint('latest')).warnings).toEqual([]);
  });

  test('removes what a killed process left, and nothing else', async () => {
    const run = await RunFolder.create(path, content);
    await write(run, 1);
    const before = await snapshot(path);
    await mkdir(join(path, 'checkpoints', '.unfinished-2-99-abcd'));
    await writeFile(join(path, 'checkpoints', '.unfinished-2-99-abcd', 'model.safetensors'), 'half');
    await writeFile(join(path, '.unfinished-model.safetensors-99-abcd'), 'half');
    expect((await run.loadCheckpoint('latest')).warnings).toEqual([]);
    await RunFolder.resume(path);
    expect(await snapshot(path)).toEqual(before);
  });
});

describe('the log', () => {
  test('is lines of JSON; half a line is skipped, and cut before going on', async () => {
    const run = await RunFolder.create(path, content);
    await run.appendLog({ event: 'start', text: 'ü\n"x"' });
    for (let step = 1; step <= 4; step++) await run.appendLog({ step, loss: step === 3 ? Number.NaN : step });
    const file = join(path, 'log.jsonl');
    await writeFile(file, `${await readFile(file, 'utf8')}{"step":5,"lo`);
    expect(await run.readLog()).toEqual({
      records: [
        { event: 'start', text: 'ü\n"x"' },
        { step: 1, loss: 1 },
        { step: 2, loss: 2 },
        { step: 3, loss: null },
        { step: 4, loss: 4 },
      ],
      damagedLines: [6],
    });
    await run.rewindTo(3);
    await run.appendLog({ step: 4, loss: 44 });
    const lines = (await readFile(file, 'utf8')).split('\n');
    expect(lines).toEqual([
      '{"event":"start","text":"ü\\n\\"x\\""}',
      '{"step":1,"loss":1}',
      '{"step":2,"loss":2}',
      '{"step":3,"loss":null}',
      '{"step":4,"loss":44}',
      '',
    ]);
  });

  test('a line that was complete but for its end is kept', async () => {
    const run = await RunFolder.create(path, content);
    await writeFile(join(path, 'log.jsonl'), '{"step":1}\n{"step":2}');
    await run.rewindTo(2);
    await run.appendLog({ step: 3 });
    expect(await readFile(join(path, 'log.jsonl'), 'utf8')).toBe('{"step":1}\n{"step":2}\n{"step":3}\n');
  });

  test('that was deleted starts anew', async () => {
    const run = await RunFolder.create(path, content);
    await rm(join(path, 'log.jsonl'));
    await run.rewindTo(0);
    await run.appendLog({ step: 1 });
    expect((await run.readLog()).records).toEqual([{ step: 1 }]);
  });
});
