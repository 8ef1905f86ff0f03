/**
 * The types of model by name, and how a model of each is made: `Seq2Seq.fromPairs(gpu, pairs)` and the like. A type is a
 * task, a configuration section and a line here.
 */
import type { Corpus } from '../data/corpus.ts';
import { type Pairs, parallelText } from '../data/parallel.ts';
import { ConfigError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { ClassifierNetwork } from '../nn/classifier.ts';
import type { GeneratorNetwork } from '../nn/generator.ts';
import type { LanguageModelNetwork } from '../nn/language-model.ts';
import type { ModelType } from '../nn/model-config.ts';
import type { Network } from '../nn/network.ts';
import type { Seq2SeqNetwork } from '../nn/seq2seq.ts';
import type { TaggerNetwork } from '../nn/tagger.ts';
import { type PartialConfig, resolveConfig } from '../train/config/resolve-config.ts';
import type { Config } from '../train/config/types.ts';
import { Model } from './model.ts';
import { modelFileNames, readModelDescription, requireFile } from './model-files.ts';
import { buildVocabularies, tokenizeTraining, type Vocabularies } from './prepare-data.ts';
import type { Prediction, Task } from './task.ts';
import { type Classification, classifierTask } from './tasks/classifier.ts';
import { type Generation, generatorTask } from './tasks/generator.ts';
import { type Continuation, languageModelTask } from './tasks/language-model.ts';
import { seq2seqTask, type Translation } from './tasks/seq2seq.ts';
import { type Tagging, taggerTask } from './tasks/tagger.ts';

/** How models of one type are made. */
export interface ModelKind<T extends ModelType, N extends Network, Output extends Prediction> {
  /**
   * A new model with initial weights drawn from `training.random_seed`.
   * @throws LimitsError where the device cannot bind one of its parameters
   */
  create(gpu: Gpu, config: Config<T>, vocabularies: Vocabularies): Model<T, N, Output>;
  /**
   * A new model for examples in memory, whose vocabularies it builds. Of the configuration only what differs from the
   * defaults need be given.
   * @throws ConfigError naming every unknown key, value out of range and pair of sizes that do not fit
   */
  fromPairs(gpu: Gpu, pairs: Pairs, config?: PartialConfig<T>): Model<T, N, Output>;
  /** A new model for a training corpus, whose vocabularies it builds. */
  fromCorpus(gpu: Gpu, config: Config<T>, corpus: Corpus, given?: Partial<Vocabularies>): Model<T, N, Output>;
  /**
   * The model of these files, by their names in a run folder.
   * @throws CheckpointError or ConfigError naming the file that is missing, damaged or of another model
   */
  fromFiles(gpu: Gpu, files: ReadonlyMap<string, Uint8Array>, where?: string): Model<T, N, Output>;
}

function kindOf<T extends ModelType, N extends Network, Output extends Prediction>(
  task: Task<T, N, Output>,
): ModelKind<T, N, Output> {
  const create: ModelKind<T, N, Output>['create'] = (gpu, config, vocabularies) => {
    const model = new Model(task, gpu, config, vocabularies);
    model.network.initialize(config.training.random_seed);
    return model;
  };
  const fromCorpus: ModelKind<T, N, Output>['fromCorpus'] = (gpu, config, corpus, given = {}) =>
    create(gpu, config, buildVocabularies(corpus, config as Config, given));
  return {
    create,
    fromCorpus,
    fromPairs(gpu, pairs, config) {
      const model = { ...(config?.model as object | undefined), type: task.type };
      const resolved = resolveConfig<T>({ ...config, model } as PartialConfig<T>);
      return fromCorpus(gpu, resolved, tokenizeTraining(parallelText(pairs), resolved as Config));
    },
    fromFiles(gpu, files, where = 'the model') {
      const { config, vocabularies } = readModelDescription(files, where);
      if (config.model.type !== task.type) {
        throw new ConfigError(`${where} holds a ${config.model.type}, not a ${task.type}`);
      }
      const weights = requireFile(files, modelFileNames.weights, where);
      const model = new Model(task, gpu, config as Config<T>, vocabularies);
      try {
        model.loadWeights(weights, `${where}: ${modelFileNames.weights}`);
      } catch (error) {
        model.dispose();
        throw error;
      }
      return model;
    },
  };
}

/** An encoder–decoder (N→M), with attention or one fixed context. */
export type Seq2Seq = Model<'seq2seq', Seq2SeqNetwork, Translation>;
export const Seq2Seq = kindOf(seq2seqTask);

/** A tag for each token (N→N). */
export type SequenceTagger = Model<'tagger', TaggerNetwork, Tagging>;
export const SequenceTagger = kindOf(taggerTask);

/** A class for a sequence (N→1). */
export type SequenceClassifier = Model<'classifier', ClassifierNetwork, Classification>;
export const SequenceClassifier = kindOf(classifierTask);

/** A sequence from a class or a vector (1→N). */
export type ConditionalGenerator = Model<'generator', GeneratorNetwork, Generation>;
export const ConditionalGenerator = kindOf(generatorTask);

/** The next token from those before it. */
export type LanguageModel = Model<'language_model', LanguageModelNetwork, Continuation>;
export const LanguageModel = kindOf(languageModelTask);

/** A model of any type; its `type` tells which. */
export type AnyModel = Seq2Seq | SequenceTagger | SequenceClassifier | ConditionalGenerator | LanguageModel;

interface AnyKind {
  create(gpu: Gpu, config: Config, vocabularies: Vocabularies): AnyModel;
  fromFiles(gpu: Gpu, files: ReadonlyMap<string, Uint8Array>, where?: string): AnyModel;
}

const kinds = {
  seq2seq: Seq2Seq,
  tagger: SequenceTagger,
  classifier: SequenceClassifier,
  generator: ConditionalGenerator,
  language_model: LanguageModel,
} as unknown as Readonly<Record<ModelType, AnyKind>>;

/** A new model of the type that a configuration names. */
export function createModel(gpu: Gpu, config: Config, vocabularies: Vocabularies): AnyModel {
  return kinds[config.model.type].create(gpu, config, vocabularies);
}

/**
 * The model of these files, whichever type it is.
 * @throws CheckpointError or ConfigError naming the file that is missing, damaged or of another model
 */
export function modelFromFiles(
  gpu: Gpu,
  files: ReadonlyMap<string, Uint8Array>,
  where = 'the model',
): AnyModel {
  const { config } = readModelDescription(files, where);
  return kinds[config.model.type].fromFiles(gpu, files, where);
}
