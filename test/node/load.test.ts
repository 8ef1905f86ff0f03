/** `load` in Node: run folders on disk, URLs of both kinds, and files in memory. */
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CheckpointError } from '../../src/errors.ts';
import { Seq2Seq } from '../../src/models/kinds.ts';
import { load as loadInBrowser } from '../../src/models/load.ts';
import { load } from '../../src/node/load.ts';
import { loadTrainingData } from '../../src/node/load-data.ts';
import { TrainingRun } from '../../src/node/training-run.ts';
import { resolveConfig } from '../../src/train/config/resolve-config.ts';
import { testGpu } from '../setup/gpu.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';
import { type StaticServer, serveFolder } from '../setup/static-server.ts';

const words = ['ab', 'ba', 'abc', 'cab', 'bca', 'c'];
let folder: string;
let run: string;
let server: StaticServer;
let expected: string[];

/** A run folder as training leaves it, with two checkpoints. */
beforeAll(async () => {
  folder = await scratchFolder();
  run = join(folder, 'runs', 'a run');
  const data = join(folder, 'pairs.tsv');
  await writeFile(data, words.map((word) => `${word}\t${[...word].join(' ')}\n`).join(''));
  const config = resolveConfig({
    data: { train: data, src: { level: 'char' } },
    model: { encoder: { embeddings: { embedding_dim: 8 }, hidden_size: 8 } },
    training: { batch_size: 6, updates: 4, save_freq: 2 },
  });
  const training = await TrainingRun.create(await testGpu(), config, await loadTrainingData(config), run);
  for await (const _ of training.run());
  expected = await training.model.translate(words);
  await training.dispose();
  server = await serveFolder(folder);
});

afterAll(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

test('a path, a file URL, an http URL with and without a slash, and a Map give the same model', async () => {
  const gpu = await testGpu();
  const http = `${server.url}/runs/a%20run`;
  const sources = [run, pathToFileURL(run), pathToFileURL(run).href, http, new URL(`${http}/?version=1`)];
  for (const source of sources) {
    const model = await load(gpu, source);
    expect(await model.translate(words), String(source)).toEqual(expected);
    const again = await load(gpu, await model.save());
    expect(await again.translate(words)).toEqual(expected);
    model.dispose();
    again.dispose();
  }
});

test('a damaged model is passed over, and told of', async () => {
  const damaged = join(folder, 'damaged');
  await cp(run, damaged, { recursive: true });
  await writeFile(join(damaged, 'model.safetensors'), 'nothing');
  const warnings: string[] = [];
  const model = await load(await testGpu(), damaged, { onWarning: (message) => warnings.push(message) });
  expect(await model.translate(words)).toEqual(expected);
  expect(warnings.join('\n')).toContain('model.safetensors is damaged');
  model.dispose();
});

test('what is not there is named', async () => {
  const gpu = await testGpu();
  await expect(load(gpu, join(folder, 'none'))).rejects.toThrow(CheckpointError);
  await expect(load(gpu, `${server.url}/none`)).rejects.toThrow(
    /none\/\w+\.(yaml|txt|safetensors) cannot be fetched: 404/,
  );
  await expect(load(gpu, 'http://127.0.0.1:1/x')).rejects.toThrow('cannot be fetched');
  await expect(load(gpu, new Map())).rejects.toThrow('has no config.yaml');
  await expect(loadInBrowser(gpu, 'runs/relative')).rejects.toThrow("'runs/relative' is not a URL");
  expect(() => Seq2Seq.fromFiles(gpu, new Map(), 'here')).toThrow('here has no config.yaml');
});
