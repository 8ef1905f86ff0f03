import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DataError } from '../../src/errors.ts';
import { readTar } from '../../src/node/tar.ts';

let folder: string;
let archive: Buffer;
const sizes = { 'empty.txt': 0, 'small.txt': 5, 'block.bin': 512, 'more.bin': 513 };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'couplet-tar-'));
  for (const [name, size] of Object.entries(sizes))
    writeFileSync(join(folder, name), Buffer.alloc(size, name));
  // Written by the system's tar, so that reader and writer do not share their mistakes.
  archive = execFileSync('tar', ['--format=ustar', '-cf', '-', '-C', folder, '.']);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('gives every file with its content, and no folder', () => {
  const files = readTar(archive);
  expect([...files.keys()].sort()).toEqual(['./block.bin', './empty.txt', './more.bin', './small.txt']);
  for (const [name, size] of Object.entries(sizes)) {
    expect(Buffer.from(files.get(`./${name}`)!).equals(Buffer.alloc(size, name))).toBe(true);
  }
});

test('refuses an archive that is cut off', () => {
  expect(() => readTar(archive.subarray(0, 512))).toThrow(DataError);
  expect(() => readTar(archive.subarray(0, 512))).toThrow(/it has no end/);
  const lastHeader = archive.lastIndexOf('ustar') - 257;
  const cut = archive.subarray(0, lastHeader + 512);
  const size = Number.parseInt(archive.toString('latin1', lastHeader + 124, lastHeader + 135), 8);
  expect(() => readTar(cut)).toThrow(size > 0 ? /is cut off/ : /it has no end/);
});

test('refuses a damaged header', () => {
  for (const at of [0, 124, 148, 156]) {
    const damaged = Buffer.from(archive);
    damaged[at]! ^= 1;
    expect(() => readTar(damaged)).toThrow(DataError);
  }
});
