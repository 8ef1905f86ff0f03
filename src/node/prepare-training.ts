/**
 * What comes between reading the text and the first update, and touches no run folder: the model is made, and model and
 * batches are compared with what the device can hold.
 */
import { totalmem } from 'node:os';
import { describeCorpus, tokenizeCorpus } from '../data/corpus.ts';
import { type Dataset, describeUnknown } from '../data/dataset.ts';
import type { ParallelText } from '../data/parallel.ts';
import { LimitsError, ShapeError } from '../errors.ts';
import { formatBytes, type Gpu } from '../gpu/gpu.ts';
import { checkParameterSizes } from '../models/check-sizes.ts';
import { type AnyModel, createModel } from '../models/kinds.ts';
import { createTokenizers, encodePairs, formsOf, type Vocabularies } from '../models/prepare-data.ts';
import type { Config } from '../train/config/types.ts';
import type { Trainer } from '../train/trainer.ts';
import type { TrainingData } from './load-data.ts';

export interface PreparedTraining {
  readonly config: Config;
  readonly model: AnyModel;
  readonly trainer: Trainer;
  readonly data: TrainingData;
  /** Lines for the user: what was dropped, what is unknown, how large the model is. */
  readonly notes: readonly string[];
}

/**
 * A model with new weights and its trainer. `memory`: the bytes that the device has, where that is known.
 * @throws LimitsError, saying what to lower
 */
export async function prepareTraining(
  gpu: Gpu,
  config: Config,
  data: TrainingData,
  vocabularies: Vocabularies,
  memory: number | undefined = gpu.software ? machineMemory() : undefined,
): Promise<PreparedTraining> {
  const { source, target, characters } = vocabularies;
  const sizes = {
    source: source.size,
    target: target.size,
    ...(characters && { characters: characters.size }),
  };
  const parameterBytes = checkParameterSizes(config, sizes, { limits: gpu.device.limits, memory });
  const model = createModel(gpu, config, vocabularies);
  let trainer: Trainer | undefined;
  try {
    const { dataset, notes } = describeData(data, model);
    trainer = await model.trainer(dataset, data.dev);
    await checkBatches(trainer, config, parameterBytes, memory);
    return { config, model, trainer, data, notes };
  } catch (error) {
    trainer?.dispose();
    model.dispose();
    throw error;
  }
}

/** Records the largest batch's plan. Throws LimitsError with the keys to lower where that is too much. */
async function checkBatches(
  trainer: Trainer,
  { training, data }: Config,
  parameterBytes: number,
  memory: number | undefined,
): Promise<void> {
  const { B, S, T } = trainer.largestBatch;
  const advice =
    `the largest batch has ${B} sentences of up to ${S} source and ${T} target tokens: lower training.batch_size ` +
    `(${training.batch_size}), data.src.max_length (${data.src.max_length}), data.trg.max_length ` +
    `(${data.trg.max_length}) or the model's sizes`;
  try {
    const bytes = parameterBytes + (await trainer.prepare());
    if (memory !== undefined && bytes > memory) {
      throw new LimitsError(
        `training needs ${formatBytes(bytes)}, but this machine has ${formatBytes(memory)}`,
      );
    }
  } catch (error) {
    const isTooLarge = error instanceof LimitsError || error instanceof ShapeError;
    if (!isTooLarge) throw error;
    throw new LimitsError(`${error.message}; ${advice}`, { cause: error });
  }
}

/** Bytes that processes here may use: a container's share where there is one. */
function machineMemory(): number {
  const share = process.constrainedMemory?.() ?? 0;
  return share > 0 ? Math.min(share, totalmem()) : totalmem();
}

function describeData(data: TrainingData, model: AnyModel): { dataset: Dataset; notes: string[] } {
  const { config, vocabularies } = model;
  const dataset = encodePairs(data.corpus, vocabularies, config);
  const notes = [describeCorpus(data.corpus.report)];
  notes.push(
    `vocabulary: ${vocabularies.source.size} source and ${vocabularies.target.size} target tokens, ` +
      `${model.network.parameters.count.toLocaleString('en')} parameters`,
  );
  if (config.model.type === 'language_model' && config.data.dataset_type === 'tsv') {
    notes.push(`of the TSV files the language model reads column ${config.data.target_column}`);
  }
  const tokenize = (text: ParallelText) =>
    tokenizeCorpus(text, { ...createTokenizers(config), forms: formsOf(config) });
  if (data.dev) {
    const dev = tokenize(data.dev);
    notes.push(describeCorpus(dev.report), describeUnknown(encodePairs(dev, vocabularies, config)));
  }
  // What is wrong with it would else be known after the training.
  if (data.test) encodePairs(tokenize(data.test), vocabularies, config);
  return { dataset, notes };
}
