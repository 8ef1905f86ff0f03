/** The text that a configuration names, from files. */
import { dirname, resolve } from 'node:path';
import type { Corpus } from '../data/corpus.ts';
import type { Frames } from '../data/frames.ts';
import type { ParallelText } from '../data/parallel.ts';
import { decodeText } from '../data/text.ts';
import { Vocabulary, type VocabularyKind } from '../data/vocabulary.ts';
import { splitWhitespace } from '../data/whitespace.ts';
import { DataError } from '../errors.ts';
import {
  expectClasses,
  tokenizeTraining,
  type Vocabularies,
  vocabularyKinds,
} from '../models/prepare-data.ts';
import { isTsv } from '../train/config/data-keys.ts';
import type { Config, DataConfig } from '../train/config/types.ts';
import { isEntityTag } from '../train/metrics/tagging.ts';
import { readBytes, readLines, readParallel, readTsv } from './text-files.ts';
import { loadFrames } from './vector-files.ts';

/** What was read, for a first look before training starts. */
export interface TrainingData {
  readonly text: ParallelText;
  readonly corpus: Corpus;
  readonly dev: ParallelText | undefined;
  readonly test: ParallelText | undefined;
}

/** Throws DataError naming the key and the file that cannot be read, or is not what it should be. */
export async function loadTrainingData(config: Config): Promise<TrainingData> {
  const { data } = config;
  const load = (key: 'train' | 'dev' | 'test') => {
    const path = data[key];
    return path === null ? undefined : named(`data.${key}`, loadPairs(path, data));
  };
  const text = (await load('train'))!;
  const corpus = tokenizeTraining(text, config);
  expectClasses(corpus, config);
  const [dev, test] = [await load('dev'), await load('test')];
  if (dev) expectEntities(dev, config);
  return { text, corpus, dev, test };
}

/** Early stopping by entities needs some: what marks them is checked before a first validation finds out. */
function expectEntities({ name, target }: ParallelText, { training, data }: Config): void {
  if (training.early_stopping_metric !== 'entity_f1') return;
  for (const [line, tags] of target.entries()) {
    const other = splitWhitespace(tags).find((tag) => tag !== data.ignored_tag && !isEntityTag(tag));
    if (other === undefined) continue;
    throw new DataError(
      `training.early_stopping_metric: entity_f1 counts entities (B-X, I-X and O), but ${name}: line ${line + 1} has ` +
        `the tag '${other}'; write accuracy.`,
    );
  }
}

/**
 * Examples of `data.train`, `data.dev` or `data.test`: a TSV file, two parallel files with a common prefix, or a file of
 * lines. Where the source is frames, its lines name their files.
 */
export async function loadPairs(path: string, data: DataConfig): Promise<ParallelText> {
  const text = await readText(path, data);
  return data.src.level === 'frames' ? readFrames(text, dirname(path)) : text;
}

async function readText(path: string, data: DataConfig): Promise<ParallelText> {
  if (data.dataset_type === 'tsv') {
    return readTsv(path, { sourceColumn: data.source_column, targetColumn: data.target_column });
  }
  if (data.dataset_type === 'lines') {
    const { name, lines } = await readLines(path);
    return { name, source: lines.map(() => ''), target: lines };
  }
  return readParallel(`${path}.${data.src.lang}`, `${path}.${data.trg.lang}`);
}

/** The vectors of sources that are given as paths, from `folder` on. */
async function readFrames(text: ParallelText, folder: string): Promise<ParallelText> {
  const frames: Frames[] = [];
  for (const [index, path] of text.source.entries()) {
    const where = `${text.name}: line ${index + 1}`;
    if (path.trim() === '') throw new DataError(`${where}: no file of frames is named.`);
    try {
      frames.push(await loadFrames(resolve(folder, path)));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      throw new DataError(`${where}: ${error.message}`, { cause: error });
    }
    const [own, first] = [frames[index]!.size, frames[0]!.size];
    if (own === first) continue;
    throw new DataError(`${where}: ${path} has ${own} numbers a step, but ${text.source[0]} has ${first}.`);
  }
  return { ...text, frames };
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
  const { dataset_type } = data;
  const plain = dataset_type === 'tsv' ? 'plain' : dataset_type;
  return loadPairs(path, { ...data, dataset_type: isTsv(path) ? 'tsv' : plain });
}

/** Two files whose lines belong together; where the source is frames, its lines name their files. */
export async function loadSides(source: string, target: string, data: DataConfig): Promise<ParallelText> {
  const text = await readParallel(source, target);
  return data.src.level === 'frames' ? readFrames(text, dirname(source)) : text;
}

/** Vocabularies that the configuration takes from files. */
export async function loadVocabularies(config: Config): Promise<Partial<Vocabularies>> {
  const { src, trg } = config.data;
  const kinds = vocabularyKinds(config);
  const load = async (key: string, path: string, kind: VocabularyKind) =>
    Vocabulary.fromText(decodeText(await named(key, readBytes(path)), path), path, kind);
  return {
    ...(src.voc_file !== null && { source: await load('data.src.voc_file', src.voc_file, kinds.source) }),
    ...(trg.voc_file !== null && { target: await load('data.trg.voc_file', trg.voc_file, kinds.target) }),
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
