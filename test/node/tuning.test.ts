/** A device's tuning lies in the cache folder, and a run keeps to the one that it began with. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { tokenizeTraining } from '../../src/models/prepare-data.ts';
import type { TrainingData } from '../../src/node/load-data.ts';
import { openGpu } from '../../src/node/open-gpu.ts';
import { TrainingRun } from '../../src/node/training-run.ts';
import { cachedTuning } from '../../src/node/tuning-cache.ts';
import { parseConfig } from '../../src/train/config/parse.ts';
import { expectSameBits, sameBits } from '../setup/bits.ts';
import { testGpu } from '../setup/gpu.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';
import { everythingOf } from '../setup/toy.ts';

test('measured once, then read; measured again where the file is damaged', async () => {
  const gpu = await testGpu();
  const folder = await scratchFolder();
  const first = await cachedTuning(gpu, folder);
  const [name, ...others] = await readdir(join(folder, 'tuning'));
  expect(others).toEqual([]);
  const path = join(folder, 'tuning', name!);
  const stored = JSON.parse(await readFile(path, 'utf8'));
  expect(stored).toMatchObject({ device: { name: gpu.report.name }, tuning: first });
  const other = { kernels: { 'nn small': 'plain' }, splitWorkgroups: 7 };
  await writeFile(path, JSON.stringify({ ...stored, tuning: other }));
  expect(await cachedTuning(gpu, folder)).toEqual(other);
  await writeFile(path, '{');
  expect((await cachedTuning(gpu, folder)).splitWorkgroups).toBe(first.splitWorkgroups);
  expect(JSON.parse(await readFile(path, 'utf8')).tuning.splitWorkgroups).toBe(first.splitWorkgroups);
});

test('openGpu goes by rule, by a table, or by the cached probe', async () => {
  const adapter = process.env.COUPLET_ADAPTER ?? 'swiftshader';
  const table = { kernels: {}, splitWorkgroups: 3 };
  vi.stubEnv('COUPLET_CACHE', await scratchFolder());
  try {
    using ruled = await openGpu({ adapter, tune: 'auto' });
    expect(ruled.tuning).toBeUndefined();
    using given = await openGpu({ adapter, tune: table });
    expect(given.tuning).toEqual(table);
    expect(given.traits.tuning).toEqual(table);
    using probed = await openGpu({ adapter, tune: 'probe' });
    expect(Object.keys(probed.tuning?.kernels ?? {}).length).toBeGreaterThan(0);
    using again = await openGpu({ adapter, tune: 'probe' });
    expect(again.tuning).toEqual(probed.tuning);
  } finally {
    vi.unstubAllEnvs();
  }
});

const config = parseConfig('data: { train: a.tsv, src: { level: char } }', {
  overrides: [
    'model.encoder.hidden_size=4',
    'model.encoder.embeddings.embedding_dim=4',
    'training.batch_size=32',
    'training.epochs=3',
  ],
});
const lines = Array.from({ length: 64 }, (_, i) => 'abcdefghij'.slice(i % 10).repeat(4));
const text = { name: 'a.tsv', source: lines, target: lines.map((line) => line.slice(0, 3)) };
const data: TrainingData = {
  text,
  corpus: tokenizeTraining(text, config),
  dev: undefined,
  test: undefined,
};

/** Trains to the end or to a stop; everything that the model then holds. */
async function train(run: TrainingRun, stopAfter = Number.POSITIVE_INFINITY) {
  const stop = new AbortController();
  let updates = 0;
  const count = () => {
    updates += 1;
    if (updates >= stopAfter) stop.abort();
  };
  for await (const _ of run.run(stop.signal, count));
  const everything = await everythingOf(run.model, run.trainer.engine);
  await run.dispose();
  return everything;
}

test('a run goes on with the choices it was made with, whatever the cache says by then', async () => {
  const gpu: Gpu = await testGpu();
  const folder = await scratchFolder();
  const table = { kernels: {}, splitWorkgroups: 16 };
  const create = async (name: string, tuning: typeof table | undefined) => {
    gpu.tuning = tuning;
    return TrainingRun.create(gpu, config, data, join(folder, name));
  };
  const whole = await train(await create('whole', table));
  expectSameBits(await train(await create('again', table)), whole, 'a second run');
  const ruled = await train(await create('ruled', undefined));
  const differs = [...whole].some(([name, values]) => !sameBits(values, ruled.get(name)!));
  expect(differs, 'split sums have other bits').toBe(true);

  await train(await create('stopped', table), 2);
  gpu.tuning = undefined;
  const resumed = await TrainingRun.resume(gpu, config, data, join(folder, 'stopped'));
  expect(gpu.tuning).toEqual(table);
  expectSameBits(await train(resumed), whole, 'stopped and resumed');

  gpu.tuning = table;
  const unmeasured = await TrainingRun.resume(gpu, config, data, join(folder, 'ruled'));
  expect(gpu.tuning).toBeUndefined();
  await unmeasured.dispose();
  const log = await readFile(join(folder, 'whole', 'log.jsonl'), 'utf8');
  expect(JSON.parse(log.split('\n')[0]!)).toMatchObject({ kind: 'start', tuning: table });
});
