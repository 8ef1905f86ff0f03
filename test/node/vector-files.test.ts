import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpy } from '../../src/data/npy.ts';
import { Vocabulary } from '../../src/data/vocabulary.ts';
import { DataError } from '../../src/errors.ts';
import { loadFrames, loadWordVectors } from '../../src/node/vector-files.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const vocabulary = new Vocabulary(['w0', 'w7', 'w99999', 'é']);
// Several chunks of a stream.
const lines = [...Array.from({ length: 100_000 }, (_, i) => `w${i} ${i} -${i}.5`), 'é 1 2'].join('\n');
const expected = new Map([
  [4, Float32Array.of(0, -0.5)],
  [5, Float32Array.of(7, -7.5)],
  [6, Float32Array.of(99999, -99999.5)],
  [7, Float32Array.of(1, 2)],
]);

beforeAll(async () => {
  folder = await scratchFolder();
  await mkdir(at('folder'));
  await writeFile(at('vectors.txt'), lines);
  await writeFile(at('vectors.gz'), gzipSync(lines));
});
afterAll(() => rm(folder, { recursive: true }));

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message;
}

describe('loadWordVectors', () => {
  it.each(['vectors.txt', 'vectors.gz'])('streams %s', async (name) => {
    const loaded = await loadWordVectors(at(name), vocabulary);
    expect(new Map([...loaded.vectors].sort(([a], [b]) => a - b))).toEqual(expected);
    expect(loaded.name).toBe(at(name));
  });

  it('says what is wrong with a file', async () => {
    const load = (name: string) => messageOf(loadWordVectors(at(name), vocabulary));
    expect(await load('vector.txt')).toBe(
      `There is no file ${at('vector.txt')}. Did you mean ${at('vectors.txt')}?`,
    );
    expect(await load('folder')).toContain('is a folder');
    await writeFile(at('cut.gz'), gzipSync(lines).subarray(0, 200_000));
    expect(await load('cut.gz')).toContain(`${at('cut.gz')} is a damaged gzip file`);
    await writeFile(at('v.zip'), 'PK\x03\x04rest');
    expect(await load('v.zip')).toContain('is a zip archive: unpack it');
    await writeFile(at('v.bin'), Buffer.from(`100 3\n${'w0 \x3f\x40\0\x01'.repeat(9)}`));
    expect(await load('v.bin')).toContain('is not a text file');
    await writeFile(at('bad.txt'), 'w0 1 2\nw7 1 x\n');
    expect(await load('bad.txt')).toContain(`${at('bad.txt')}: line 2 has "x" for number 2`);
    await writeFile(at('latin.txt'), Buffer.from('w0 1 2\n\xe9 1 2\n', 'latin1'));
    expect(await load('latin.txt')).toContain('line 2 is not valid UTF-8');
    await writeFile(at('none.txt'), '');
    expect(await load('none.txt')).toBe(`${at('none.txt')} holds no word vectors.`);
  });
});

describe('loadFrames', () => {
  it('reads .npy and text by content', async () => {
    const frames = { data: Float32Array.of(1, 2, 3, 4, 5, 6), steps: 3, size: 2 };
    await writeFile(at('a.dat'), writeNpy({ shape: [3, 2], data: frames.data }));
    await writeFile(at('b.dat'), 'x,y\n1,2\n3,4\n5,6\n');
    await writeFile(at('c.dat'), gzipSync('1 2\n3 4\n5 6\n'));
    for (const name of ['a.dat', 'b.dat', 'c.dat']) expect(await loadFrames(at(name))).toEqual(frames);
  });

  it('says what is wrong with a file', async () => {
    const load = (name: string) => messageOf(loadFrames(at(name)));
    expect(await load('none.npy')).toContain(`There is no file ${at('none.npy')}`);
    await writeFile(at('short.npy'), writeNpy({ shape: [2], data: Float32Array.of(1, 2) }).subarray(0, 130));
    expect(await load('short.npy')).toContain(
      `${at('short.npy')} is not a .npy file that can be read: shape (2)`,
    );
    await writeFile(at('words.csv'), 'a,b\n1,c\n');
    expect(await load('words.csv')).toBe(`${at('words.csv')}: line 2, column 2: "c" is not a finite number.`);
    await writeFile(at('empty.csv'), '');
    expect(await load('empty.csv')).toContain('holds no line of numbers');
  });
});
