import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/errors.ts';
import { readBytes, readLines, readParallel, readTsv } from '../../src/node/text-files.ts';

let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couplet-text-'));
  await mkdir(at('folder'));
  await writeFile(at('train.en'), 'a\nb\n');
  await writeFile(at('train.ja.gz'), gzipSync('x\r\ny\r\n'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The message of the DataError that a promise is rejected with. */
async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message;
}

describe('reading', () => {
  it('takes plain and compressed files', async () => {
    expect(await readLines(at('train.en'))).toEqual({ name: at('train.en'), lines: ['a', 'b'] });
    const text = await readParallel(at('train.en'), at('train.ja'));
    expect(text.name).toBe(`${at('train.en')} and ${at('train.ja.gz')}`);
    expect([text.source, text.target]).toEqual([
      ['a', 'b'],
      ['x', 'y'],
    ]);
    await writeFile(at('two.tsv'), Buffer.concat([gzipSync('a\tx\n'), gzipSync('b\ty\n')]));
    expect((await readTsv(at('two.tsv'))).target).toEqual(['x', 'y']);
    await writeFile(at('empty'), '');
    expect((await readLines(at('empty'))).lines).toEqual([]);
  });

  it('names misaligned files and bad lines by their path', async () => {
    await writeFile(at('short.ja'), 'x\n');
    expect(await messageOf(readParallel(at('train.en'), at('short.ja')))).toContain(
      `${at('train.en')} has 2 and ${at('short.ja')} has 1`,
    );
    await writeFile(at('latin.gz'), gzipSync(Buffer.from('a\tb\ncaf\xe9\tx\n', 'latin1')));
    expect(await messageOf(readTsv(at('latin.gz')))).toContain(
      `${at('latin.gz')}: line 2 is not valid UTF-8`,
    );
    expect(await messageOf(readLines(at('train.en'), { maxLineBytes: 0 }))).toContain(
      'line 1 is 1 bytes long',
    );
  });
});

describe('what cannot be read', () => {
  it('is missing: the absolute path and the nearest name', async () => {
    const missing = (name: string) => messageOf(readBytes(at(name)));
    expect(await missing('trian.en')).toBe(
      `There is no file ${at('trian.en')}. Did you mean ${at('train.en')}?`,
    );
    expect(await missing('train.ja')).toContain(`Did you mean ${at('train.ja.gz')}?`);
    expect(await missing('train.en.gz')).toContain(`Did you mean ${at('train.en')}?`);
    expect(await missing('something-else.txt')).toBe(`There is no file ${at('something-else.txt')}.`);
    expect(await missing('no/such/file')).toContain(`: there is no folder ${at('no/such')}.`);
    expect(await missing('train.en/file')).toContain(`: ${at('train.en')} is not a folder.`);
    const relative = 'no-such-file-here.txt';
    expect(await messageOf(readBytes(relative))).toContain(
      `There is no file ${relative} (${join(process.cwd(), relative)})`,
    );
  });

  it('is a folder', async () => {
    expect(await messageOf(readBytes(at('folder')))).toContain(
      `${at('folder')} is a folder; a text file is needed`,
    );
  });

  it('may not be read', async () => {
    await writeFile(at('secret'), 'x');
    await chmod(at('secret'), 0);
    // Root may read everything: be someone else for as long as it takes.
    const root = process.geteuid?.() === 0;
    await chmod(folder, 0o755);
    if (root) process.seteuid!(65_534);
    try {
      expect(await messageOf(readBytes(at('secret')))).toContain(
        `${at('secret')} may not be read: permission denied`,
      );
    } finally {
      if (root) process.seteuid!(0);
    }
  });

  it('is a damaged gzip file', async () => {
    const whole = gzipSync('some text that is long enough to be compressed\n'.repeat(50));
    await writeFile(at('cut.gz'), whole.subarray(0, whole.length - 12));
    expect(await messageOf(readBytes(at('cut.gz')))).toContain(`${at('cut.gz')} is a gzip file cut short`);
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 6]! ^= 0xff;
    await writeFile(at('damaged.gz'), damaged);
    expect(await messageOf(readBytes(at('damaged.gz')))).toContain(
      `${at('damaged.gz')} is a damaged gzip file`,
    );
    await writeFile(at('plain.gz'), 'plain text\n');
    expect(await messageOf(readBytes(at('plain.gz')))).toContain(
      'is not a gzip file, though it is called one',
    );
  });

  it('is not text', async () => {
    await writeFile(at('image.png'), Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 1));
    expect(await messageOf(readBytes(at('image.png')))).toBe(
      `${at('image.png')} is not a text file: it has a zero byte at offset 4.`,
    );
    await writeFile(at('utf16.txt'), Buffer.from('\ufeffabc', 'utf16le'));
    expect(await messageOf(readBytes(at('utf16.txt')))).toBe(
      `${at('utf16.txt')} is UTF-16: save it as UTF-8.`,
    );
  });
});
