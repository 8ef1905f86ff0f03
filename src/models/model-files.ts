/**
 * A model as named byte arrays: what a run folder holds of it, what `save()` gives and `load()` takes. The same names
 * on a disk, behind a URL and in memory.
 */

import { decodeText } from '../data/text.ts';
import { Vocabulary, type VocabularyKind } from '../data/vocabulary.ts';
import { CheckpointError } from '../errors.ts';
import type { Shape } from '../scheduler/tensor.ts';
import { formatConfig, parseConfig } from '../train/config/parse.ts';
import type { Config } from '../train/config/types.ts';
import { readSafetensors, toFloat32, writeSafetensors } from '../train/safetensors.ts';
import { readsCharacters, type Vocabularies, vocabularyKinds } from './prepare-data.ts';

export const modelFileNames = {
  config: 'config.yaml',
  sourceVocabulary: 'src_vocab.txt',
  targetVocabulary: 'trg_vocab.txt',
  /** Only of models that read characters. */
  characterVocabulary: 'char_vocab.txt',
  weights: 'model.safetensors',
} as const;

export type ModelFiles = Map<string, Uint8Array>;

/** The parts that do not change in training. */
export function describeModel(config: Config, vocabularies: Vocabularies): ModelFiles {
  const encoder = new TextEncoder();
  const { source, target, characters } = vocabularies;
  const texts: [string, string][] = [
    [modelFileNames.config, formatConfig(config)],
    [modelFileNames.sourceVocabulary, source.toText()],
    [modelFileNames.targetVocabulary, target.toText()],
  ];
  if (characters) texts.push([modelFileNames.characterVocabulary, characters.toText()]);
  return new Map(texts.map(([name, text]) => [name, encoder.encode(text)]));
}

/** The names of the files that a model of this configuration consists of. */
export function namesOfFiles(config: Config): string[] {
  const { characterVocabulary, ...always } = modelFileNames;
  return [...Object.values(always), ...(readsCharacters(config.model) ? [characterVocabulary] : [])];
}

/**
 * The vocabularies of a model from the texts of their files, which `read` gives by name.
 * @throws DataError naming the file and the line that is wrong
 */
export function readVocabularies(
  config: Config,
  read: (name: string) => string,
  pathOf: (name: string) => string,
): Vocabularies {
  const kinds = vocabularyKinds(config);
  const vocabulary = (name: string, kind: VocabularyKind) => {
    const content = read(name);
    // A language model reads no source.
    return kind === 'labels' && content.trim() === ''
      ? new Vocabulary([], kind)
      : Vocabulary.fromText(content, pathOf(name), kind);
  };
  const source = vocabulary(modelFileNames.sourceVocabulary, kinds.source);
  const target = config.data.share_vocab ? source : vocabulary(modelFileNames.targetVocabulary, kinds.target);
  if (!readsCharacters(config.model)) return { source, target };
  return { source, target, characters: vocabulary(modelFileNames.characterVocabulary, 'text') };
}

/** Throws CheckpointError naming a file that is missing or does not read. */
export function readModelDescription(
  files: ReadonlyMap<string, Uint8Array>,
  where = 'the model',
): { config: Config; vocabularies: Vocabularies } {
  const config = parseConfig(text(files, modelFileNames.config, where), { source: `${where}: config.yaml` });
  const vocabularies = readVocabularies(
    config,
    (name) => text(files, name, where),
    (name) => `${where}: ${name}`,
  );
  return { config, vocabularies };
}

export function requireFile(files: ReadonlyMap<string, Uint8Array>, name: string, where: string): Uint8Array {
  const bytes = files.get(name);
  if (!bytes) {
    const { characterVocabulary: _, ...always } = modelFileNames;
    throw new CheckpointError(`${where} has no ${name}: a model is ${Object.values(always).join(', ')}`);
  }
  return bytes;
}

function text(files: ReadonlyMap<string, Uint8Array>, name: string, where: string): string {
  return decodeText(requireFile(files, name, where), `${where}: ${name}`);
}

/** Named float32 values as a safetensors file. */
export function packTensors(
  values: ReadonlyMap<string, Float32Array>,
  shapeOf: (name: string) => Shape,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const tensors = new Map([...values].map(([name, data]) => [name, { shape: shapeOf(name), values: data }]));
  return writeSafetensors(tensors, metadata);
}

/**
 * The values of exactly these parameters.
 * @throws CheckpointError naming what is missing, too much or of another shape
 */
export function unpackTensors(
  bytes: Uint8Array,
  expected: ReadonlyMap<string, Shape>,
  file: string,
): Map<string, Float32Array> {
  const { tensors } = readSafetensors(bytes, file);
  const surplus = [...tensors.keys()].find((name) => !expected.has(name));
  if (surplus !== undefined) {
    throw new CheckpointError(`${file} holds '${surplus}', which this model has not: is it another model's?`);
  }
  return new Map(
    [...expected].map(([name, shape]) => {
      const tensor = tensors.get(name);
      if (!tensor) throw new CheckpointError(`${file} lacks '${name}': is it another model's?`);
      if (tensor.shape.join() !== shape.join()) {
        throw new CheckpointError(`${file}: '${name}' is [${tensor.shape}], but the model's is [${shape}]`);
      }
      return [name, toFloat32(tensor, name)];
    }),
  );
}
