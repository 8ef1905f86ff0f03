import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CheckpointError } from '../../src/errors.ts';
import {
  readFileWhole,
  removeFolderAtomic,
  removeUnfinished,
  sha256,
  unfinishedName,
  writeFileAtomic,
  writeFileFlushed,
} from '../../src/node/atomic-files.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let base: string;
beforeEach(async () => {
  base = await scratchFolder();
});
afterEach(() => rm(base, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  test('writes bytes and text, new and over another', async () => {
    const path = join(base, 'x');
    await writeFileAtomic(path, Uint8Array.of(0, 255, 10));
    expect([...(await readFile(path))]).toEqual([0, 255, 10]);
    await writeFileAtomic(path, 'ü\n');
    expect(await readFile(path, 'utf8')).toBe('ü\n');
    expect(await readdir(base)).toEqual(['x']);
  });

  test('makes another file, so a reader who has the old one open keeps it', async () => {
    const path = join(base, 'x');
    await writeFileAtomic(path, 'old');
    const before = (await stat(path)).ino;
    await writeFileAtomic(path, 'new');
    expect((await stat(path)).ino).not.toBe(before);
  });

  test('many at once leave one whole content', async () => {
    const path = join(base, 'x');
    const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(base)).toEqual(['x']);
  });

  test.each([
    ['missing/x', 'it does not exist'],
    ['file/x', 'part of its path is a file, not a folder'],
    ['folder', 'it is a folder'],
  ])('%s: %s, and nothing is left behind', async (name, words) => {
    await writeFile(join(base, 'file'), 'kept');
    await mkdir(join(base, 'folder'));
    const writing = writeFileAtomic(join(base, name), 'content');
    await expect(writing).rejects.toThrow(CheckpointError);
    await expect(writing).rejects.toThrow(`Cannot write ${join(base, name)}: ${words}.`);
    expect((await readdir(base)).sort()).toEqual(['file', 'folder']);
    expect(await readFile(join(base, 'file'), 'utf8')).toBe('kept');
  });
});

test('writeFileFlushed never writes over a file', async () => {
  await writeFileFlushed(join(base, 'x'), 'a');
  await expect(writeFileFlushed(join(base, 'x'), 'b')).rejects.toThrow('EEXIST');
  expect(await readFile(join(base, 'x'), 'utf8')).toBe('a');
});

test('readFileWhole reads what is there, or says why not', async () => {
  const bytes = Uint8Array.from({ length: 70_001 }, (_, i) => i % 251);
  await writeFile(join(base, 'x'), bytes);
  expect(Buffer.compare(await readFileWhole(join(base, 'x')), bytes)).toBe(0);
  await writeFile(join(base, 'empty'), '');
  expect(await readFileWhole(join(base, 'empty'))).toEqual(new Uint8Array());
  await expect(readFileWhole(join(base, 'y'))).rejects.toThrow(
    `Cannot read ${join(base, 'y')}: it does not exist.`,
  );
  await expect(readFileWhole(base)).rejects.toThrow('it is a folder');
});

test('removeFolderAtomic and removeUnfinished leave what is finished', async () => {
  await mkdir(join(base, 'a'));
  await writeFile(join(base, 'a', 'x'), '');
  await mkdir(join(base, 'b'));
  await mkdir(unfinishedName(join(base, 'c')));
  await writeFile(unfinishedName(join(base, 'd')), '');
  await removeFolderAtomic(join(base, 'a'));
  await removeUnfinished(base);
  expect(await readdir(base)).toEqual(['b']);
  await expect(removeFolderAtomic(join(base, 'a'))).rejects.toThrow(CheckpointError);
});

test('sha256', () => {
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(sha256(new Uint8Array())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
  expect(sha256(bytes.subarray(3, 990))).toBe(createHash('sha256').update(bytes.slice(3, 990)).digest('hex'));
});
