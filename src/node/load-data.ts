/** The text that a configuration names, from files. */
import type { ParallelText } from '../data/parallel.ts';
import { decodeText } from '../data/text.ts';
import { Vocabulary } from '../data/vocabulary.ts';
import type { Vocabularies } from '../models/prepare-data.ts';
import type { DataConfig } from '../train/config/types.ts';
import { readBytes, readParallel, readTsv } from './text-files.ts';

/** Pairs of `data.train`, `data.dev` or `data.test`: a TSV file, or two parallel files with a common prefix. */
export async function loadPairs(path: string, data: DataConfig): Promise<ParallelText> {
  if (data.dataset_type === 'tsv') {
    return readTsv(path, { sourceColumn: data.source_column, targetColumn: data.target_column });
  }
  return readParallel(`${path}.${data.src.lang}`, `${path}.${data.trg.lang}`);
}

/** Vocabularies that the configuration takes from files. */
export async function loadVocabularies({ src, trg }: DataConfig): Promise<Partial<Vocabularies>> {
  const load = async (path: string) => Vocabulary.fromText(decodeText(await readBytes(path), path), path);
  return {
    ...(src.voc_file !== null && { source: await load(src.voc_file) }),
    ...(trg.voc_file !== null && { target: await load(trg.voc_file) }),
  };
}
