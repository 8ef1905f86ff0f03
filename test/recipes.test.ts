/** The recipes: each can be read, has its data beside it, and keeps what it is tested on out of what it learns from. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { buildVocabularies } from '../src/models/prepare-data.ts';
import { loadTrainingData } from '../src/node/load-data.ts';
import { parseConfig } from '../src/train/config/parse.ts';
import { resolvePaths } from '../src/train/config/resolve-paths.ts';

const folder = fileURLToPath(new URL('../recipes', import.meta.url));
const recipes = (await readdir(folder)).filter((file) => file.endsWith('.yaml'));

test.each(recipes)('%s', async (file) => {
  const config = parseConfig(await readFile(`${folder}/${file}`, 'utf8'), { source: file });
  expect(`${config.name}.yaml`).toBe(file);
  const { corpus, dev, test } = await loadTrainingData(resolvePaths(config, folder));
  const { source, target } = buildVocabularies(corpus, config);
  expect(source.size + target.size).toBeGreaterThan(1);
  expect(dev?.target.length).toBeGreaterThan(0);
  if (config.data.test !== null) expect(test?.target.length).toBeGreaterThan(0);
});

test('no name, command, English sentence or first line of a couplet stands in two parts, nor a cloze sentence', async () => {
  for (const [set, column] of [
    ['names', 0],
    ['scan', 0],
    ['enzh', 0],
    ['tang', 0],
    ['cloze', 1],
  ] as const) {
    const config = parseConfig(await readFile(`${folder}/${set}.yaml`, 'utf8'));
    const { text, dev, test } = await loadTrainingData(resolvePaths(config, folder));
    const keys = [text, dev!, test!].map(({ source, target }) =>
      source.map((line, index) => {
        // A cloze sentence as it was: its blank filled with the one tag that is a word.
        const answer = target[index]!.split(' ').find((tag) => tag !== '_')!;
        return column === 0 ? line : line.replace('<blank>', () => answer);
      }),
    );
    const seen = keys.map((part) => new Set(part));
    expect(keys[1]!.filter((key) => seen[0]!.has(key))).toEqual([]);
    expect(keys[2]!.filter((key) => seen[0]!.has(key) || seen[1]!.has(key))).toEqual([]);
  }
});
