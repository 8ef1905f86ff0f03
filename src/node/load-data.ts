/** The text that a configuration names, from files. */
import type { Corpus } from '../data/corpus.ts';
import type { ParallelText } from '../data/parallel.ts';
import { decodeText } from '../data/text.ts';
import { Vocabulary } from '../data/vocabulary.ts';
import { DataError } from '../errors.ts';
import { tokenizeTraining, type Vocabularies } from '../models/prepare-data.ts';
import { isTsv } from '../train/config/data-keys.ts';
import type { Config, DataConfig } from '../train/config/types.ts';
import { readBytes, readParallel, readTsv } from './text-files.ts';

/** What was read, for a first look before training starts. */
export interface TrainingData {
  readonly text: ParallelText;
  readonly corpus: Corpus;
  readonly dev: ParallelText | undefined;
  readonly test: ParallelText | undefined;
}

/** Throws DataError naming the key and the file that cannot be read, or is not what it should be. */
export async function loadTrainingData({ data }: Config): Promise<TrainingData> {
  const load = (key: 'train' | 'dev' | 'test') => {
    const path = data[key];
    return path === null ? undefined : named(`data.${key}`, loadPairs(path, data));
  };
  const text = (await load('train'))!;
  const corpus = tokenizeTraining(text, data);
  return { text, corpus, dev: await load('dev'), test: await load('test') };
}

/** Pairs of `data.train`, `data.dev` or `data.test`: a TSV file, or two parallel files with a common prefix. */
export async function loadPairs(path: string, data: DataConfig): Promise<ParallelText> {
  if (data.dataset_type === 'tsv') {
    return readTsv(path, { sourceColumn: data.source_column, targetColumn: data.target_column });
  }
  return readParallel(`${path}.${data.src.lang}`, `${path}.${data.trg.lang}`);
}

/**
 * The pairs of a run's own `data.test`; undefined where it names none.
 * @throws DataError naming the file
 */
export async function loadTestPairs(data: DataConfig): Promise<ParallelText | undefined> {
  return data.test === null ? undefined : named('data.test', loadPairs(data.test, data));
}

/** Other pairs for a model: a TSV file by its name, else the prefix of parallel files. */
export function loadOtherPairs(path: string, data: DataConfig): Promise<ParallelText> {
  return loadPairs(path, { ...data, dataset_type: isTsv(path) ? 'tsv' : 'plain' });
}

/** Vocabularies that the configuration takes from files. */
export async function loadVocabularies({ src, trg }: DataConfig): Promise<Partial<Vocabularies>> {
  const load = async (key: string, path: string) =>
    Vocabulary.fromText(decodeText(await named(key, readBytes(path)), path), path);
  return {
    ...(src.voc_file !== null && { source: await load('data.src.voc_file', src.voc_file) }),
    ...(trg.voc_file !== null && { target: await load('data.trg.voc_file', trg.voc_file) }),
  };
}

/** Says which key of the configuration a file's error belongs to. */
async function named<T>(key: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof DataError) throw new DataError(`${key}: ${error.message}`, { cause: error });
    throw error;
  }
}
