import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AdapterError } from '../../src/errors.ts';
import { findPackage } from '../../src/node/find-package.ts';
import { swiftShaderPackage, unpackSwiftShader } from '../../src/node/swiftshader.ts';

const { folder, version } = findPackage(swiftShaderPackage)!;
const archive = join(folder, 'bin', 'swiftshader.tar.br');

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'couplet-cache-'));
});
afterEach(() => rmSync(cache, { recursive: true }));

test('unpacks the driver and the loader once', async () => {
  const nested = join(cache, 'not', 'there', 'yet');
  const first = await unpackSwiftShader(archive, version, nested);
  expect(readdirSync(nested)).toEqual([`swiftshader-${version}`]);
  const { ICD } = JSON.parse(readFileSync(first.manifest, 'utf8')) as { ICD: { library_path: string } };
  const driver = join(nested, `swiftshader-${version}`, ICD.library_path);
  for (const library of [driver, first.loader]) {
    expect(readFileSync(library).subarray(0, 4)).toEqual(Buffer.from('\x7fELF', 'latin1'));
  }

  const before = statSync(driver);
  expect(await unpackSwiftShader(archive, version, nested)).toEqual(first);
  expect(await unpackSwiftShader('/no/archive/needed', version, nested)).toEqual(first);
  expect(statSync(driver).ino).toBe(before.ino);
});

test.each(['an emptied file', 'a lost file'])('mends a folder with %s', async (damage) => {
  const { loader } = await unpackSwiftShader(archive, version, cache);
  const { size } = statSync(loader);
  if (damage === 'a lost file') rmSync(loader);
  else truncateSync(loader, 0);
  await unpackSwiftShader(archive, version, cache);
  expect(statSync(loader).size).toBe(size);
  expect(readdirSync(cache)).toEqual([`swiftshader-${version}`]);
});

test('a damaged archive is an error, and leaves nothing behind', async () => {
  const damaged = join(cache, 'damaged.tar.br');
  writeFileSync(damaged, readFileSync(archive).subarray(0, 100_000));
  const target = join(cache, 'target');
  const unpacking = unpackSwiftShader(damaged, version, target);
  await expect(unpacking).rejects.toThrow(AdapterError);
  await expect(unpacking).rejects.toThrow(/SwiftShader could not be unpacked from .*damaged\.tar\.br/);
  expect(readdirSync(target)).toEqual([]);
});

test('a cache folder that cannot be made is an error that names another way', async () => {
  writeFileSync(join(cache, 'file'), '');
  const unpacking = unpackSwiftShader(archive, version, join(cache, 'file', 'cache'));
  await expect(unpacking).rejects.toThrow(/ENOTDIR.*COUPLET_CACHE names another folder/);
});
