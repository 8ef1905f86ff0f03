import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../src/train/config/parse.ts';
import { joinPath, resolvePaths } from '../../../src/train/config/resolve-paths.ts';

describe('joinPath', () => {
  test.each([
    ['recipes', 'data/train', 'recipes/data/train'],
    ['recipes/', './data/train', 'recipes/data/train'],
    ['recipes', '../data/train', 'recipes/../data/train'],
    ['/', 'data', '/data'],
    ['.', 'data', 'data'],
    ['', 'data', 'data'],
    ['recipes', '/data/train', '/data/train'],
    ['C:\\recipes\\', 'data\\train', 'C:\\recipes/data\\train'],
    ['recipes', 'D:\\data', 'D:\\data'],
    ['recipes', '\\\\server\\data', '\\\\server\\data'],
    ['https://example.org/run/', 'data', 'https://example.org/run/data'],
    ['recipes', 'https://example.org/data', 'https://example.org/data'],
  ])('%s + %s = %s', (folder, path, expected) => expect(joinPath(folder, path)).toBe(expected));
});

test('every path of a configuration, and nothing else', () => {
  const config = parseConfig(
    `
data: { train: train, dev: dev, test: test, src: { voc_file: s.txt }, trg: { voc_file: t.txt } }
training: { model_dir: run, load_model: old }
`,
    { source: 'x.yaml' },
  );
  const resolved = resolvePaths(config, 'there');
  expect(resolved.data).toMatchObject({
    train: 'there/train',
    dev: 'there/dev',
    test: 'there/test',
    src: { voc_file: 'there/s.txt' },
    trg: { voc_file: 'there/t.txt' },
  });
  expect(resolved.training).toMatchObject({ model_dir: 'there/run', load_model: 'there/old' });
  expect(config.data.train).toBe('train');
  expect({ ...resolved, data: null, training: null }).toEqual({ ...config, data: null, training: null });
});

test('what is not given stays so', () => {
  const resolved = resolvePaths(parseConfig('data: { train: a }'), 'there');
  expect(resolved.data.dev).toBeNull();
  expect(resolved.training.model_dir).toBeNull();
});
