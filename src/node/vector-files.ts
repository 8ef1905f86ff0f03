/**
 * Real numbers from disk: pre-trained word vectors, which are read as a stream since they may be larger than memory, and
 * sequences of frames.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Frames, framesFromCsv, framesFromNpy } from '../data/frames.ts';
import { decodeText, LineDecoder } from '../data/text.ts';
import type { Vocabulary } from '../data/vocabulary.ts';
import { type WordVectorOptions, WordVectorReader, type WordVectors } from '../data/word-vectors.ts';
import { DataError } from '../errors.ts';
import { readBytes } from './text-files.ts';

/** Enough to tell what a file is; the vectors of a binary one have zero bytes soon. */
const PROBE_BYTES = 8000;

/**
 * The vectors that a word2vec text or GloVe file, plain or gzip-compressed, has for a vocabulary's words.
 * @throws DataError as `readWordVectors`, and if the file cannot be read or unpacked, or is of another kind.
 */
export async function loadWordVectors(
  path: string,
  vocabulary: Vocabulary,
  options: WordVectorOptions = {},
): Promise<WordVectors> {
  const start = await firstBytes(path);
  if (start[0] === 0x50 && start[1] === 0x4b) {
    throw new DataError(`${path} is a zip archive: unpack it, and name the text file in it.`);
  }
  const isGzip = start[0] === 0x1f && start[1] === 0x8b;
  if (!isGzip && start.includes(0)) {
    throw new DataError(
      `${path} is not a text file (word2vec's binary format is not read; convert it to text).`,
    );
  }
  const reader = new WordVectorReader(vocabulary, path, options);
  const decoder = new LineDecoder(path);
  for await (const chunk of chunksOf(path, isGzip)) for (const line of decoder.push(chunk)) reader.push(line);
  for (const line of decoder.finish()) reader.push(line);
  return reader.finish();
}

/**
 * The sequence of a `.npy` file, or of a text file of numbers (see `framesFromNpy` and `framesFromCsv`); recognised by
 * content, whatever the file is called.
 * @throws DataError naming the file.
 */
export async function loadFrames(path: string): Promise<Frames> {
  const start = await firstBytes(path);
  if (start[0] !== 0x93) return framesFromCsv(decodeText(await readBytes(path), path), path);
  return framesFromNpy(await readFile(path), path);
}

async function firstBytes(path: string): Promise<Uint8Array> {
  for await (const chunk of chunksOf(path, false, PROBE_BYTES)) return chunk;
  return new Uint8Array(0);
}

/** The content of a file piece by piece; where it cannot be read, the error that `readBytes` has for it. */
async function* chunksOf(path: string, isGzip: boolean, count?: number): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, count === undefined ? {} : { end: count - 1 });
  let readError: unknown;
  const stored = file.on('error', (error) => {
    readError = error;
  });
  const unpacked = isGzip ? createGunzip() : undefined;
  const stream: Readable = unpacked ? stored.pipe(unpacked) : stored;
  file.on('error', (error) => unpacked?.destroy(error));
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    if (readError !== undefined) {
      await readBytes(path);
      throw new DataError(`${path} cannot be read: ${messageOf(cause)}.`, { cause });
    }
    if (unpacked?.errored)
      throw new DataError(`${path} is a damaged gzip file (${messageOf(cause)}).`, { cause });
    throw cause;
  } finally {
    file.destroy();
    unpacked?.destroy();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
