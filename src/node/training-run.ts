/**
 * Training in a run folder: what is read before, what is written on the way, and how a run goes on after a stop. The
 * command line prints what this yields; nothing here prints.
 */
import { join } from 'node:path';
import { type Corpus, describeCorpus, tokenizeCorpus } from '../data/corpus.ts';
import { type Dataset, describeUnknown } from '../data/dataset.ts';
import type { ParallelText } from '../data/parallel.ts';
import { ConfigError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { restoreCheckpoint, saveCheckpoint } from '../models/checkpoint.ts';
import { modelFileNames } from '../models/model-files.ts';
import { createTokenizers, encodePairs, tokenizeTraining } from '../models/prepare-data.ts';
import { Seq2Seq } from '../models/seq2seq.ts';
import { parseConfig } from '../train/config/parse.ts';
import type { Config } from '../train/config/types.ts';
import type { TrainingReport } from '../train/reports.ts';
import type { Trainer } from '../train/trainer.ts';
import { readFileWhole } from './atomic-files.ts';
import { loadPairs, loadVocabularies } from './load-data.ts';
import { loadRun } from './load-run.ts';
import { RunFolder } from './run-folder.ts';

/** What was read, for a first look before training starts. */
export interface TrainingData {
  readonly corpus: Corpus;
  readonly dev: ParallelText | undefined;
  readonly test: ParallelText | undefined;
}

export async function loadTrainingData({ data }: Config): Promise<TrainingData> {
  const [train, dev, test] = await Promise.all([
    loadPairs(data.train, data),
    data.dev === null ? undefined : loadPairs(data.dev, data),
    data.test === null ? undefined : loadPairs(data.test, data),
  ]);
  return { corpus: tokenizeTraining(train, data), dev, test };
}

export class TrainingRun {
  readonly folder: RunFolder;
  readonly config: Config;
  readonly model: Seq2Seq;
  readonly trainer: Trainer;
  readonly data: TrainingData;
  /** Lines for the user: what was dropped, what is unknown, what was damaged. */
  readonly notes: readonly string[];

  private constructor(parts: {
    folder: RunFolder;
    config: Config;
    model: Seq2Seq;
    trainer: Trainer;
    data: TrainingData;
    notes: readonly string[];
  }) {
    this.folder = parts.folder;
    this.config = parts.config;
    this.model = parts.model;
    this.trainer = parts.trainer;
    this.data = parts.data;
    this.notes = parts.notes;
  }

  /**
   * A new run in `path`. Nothing is written before data, model and configuration are known to be sound.
   * @throws ConfigError, DataError, LimitsError or CheckpointError, each saying what to do
   */
  static async create(gpu: Gpu, config: Config, path: string): Promise<TrainingRun> {
    const data = await loadTrainingData(config);
    const model = Seq2Seq.fromCorpus(gpu, config, data.corpus, await loadVocabularies(config.data));
    const { dataset, notes } = describeData(data, model);
    const trainer = await model.trainer(dataset, data.dev);
    await initializeFrom(config, model, trainer);
    const description = model.description();
    const text = (name: string) => new TextDecoder().decode(description.get(name));
    const folder = await RunFolder.create(
      path,
      {
        config: text(modelFileNames.config),
        sourceVocabulary: text(modelFileNames.sourceVocabulary),
        targetVocabulary: text(modelFileNames.targetVocabulary),
      },
      { overwrite: config.training.overwrite },
    );
    return new TrainingRun({ folder, config, model, trainer, data, notes });
  }

  /** Goes on with the run in `path` from its latest sound checkpoint, or from the start where it has none. */
  static async resume(gpu: Gpu, path: string, overrides: readonly string[] = []): Promise<TrainingRun> {
    const folder = await RunFolder.resume(path);
    const content = await folder.readContent();
    const config = parseConfig(content.config, { source: join(path, modelFileNames.config), overrides });
    const data = await loadTrainingData(config);
    const encoder = new TextEncoder();
    const model = Seq2Seq.fromDescription(
      gpu,
      config,
      new Map([
        [modelFileNames.config, encoder.encode(content.config)],
        [modelFileNames.sourceVocabulary, encoder.encode(content.sourceVocabulary)],
        [modelFileNames.targetVocabulary, encoder.encode(content.targetVocabulary)],
      ]),
      path,
    );
    const { dataset, notes } = describeData(data, model);
    const trainer = await model.trainer(dataset, data.dev);
    if ((await folder.steps()).length > 0) {
      const checkpoint = await folder.loadCheckpoint('latest');
      notes.push(...checkpoint.warnings);
      restoreCheckpoint(model, trainer, checkpoint.files, join(path, 'checkpoints', String(checkpoint.step)));
      await folder.rewindTo(checkpoint.step);
      notes.push(`going on from update ${checkpoint.step}`);
    } else {
      await initializeFrom(config, model, trainer);
      await folder.rewindTo(0);
      notes.push('the run has no checkpoint yet: starting from the beginning');
    }
    return new TrainingRun({ folder, config, model, trainer, data, notes });
  }

  /**
   * Trains, writing the log and the checkpoints; yields every report once it is on disk. An aborted or broken-off
   * run is saved as it stands. `onUpdate` hears after every update which share of the training is done.
   */
  async *run(
    signal?: AbortSignal,
    onUpdate?: (done: number) => void,
  ): AsyncGenerator<TrainingReport, void, void> {
    for await (const report of this.trainer.run(signal, onUpdate)) {
      if (report.kind === 'checkpoint') await this.#save(report.score);
      else await this.folder.appendLog({ step: report.update, time: new Date().toISOString(), ...report });
      if (report.kind === 'end' && report.reason === 'aborted') await this.#save(undefined);
      yield report;
    }
  }

  /** The best model so far, apart from the one in training. */
  async loadBest(): Promise<Seq2Seq> {
    return (await loadRun(this.model.gpu, this.folder.path)).model;
  }

  /** The recorded plans of the largest batch, as text. */
  describePlan(): Promise<string> {
    return this.trainer.describePlan();
  }

  async #save(score: number | undefined): Promise<void> {
    const { training } = this.config;
    const files = await saveCheckpoint(this.model, this.trainer);
    await this.folder.writeCheckpoint(this.trainer.engine.updates, files, {
      score: score ?? null,
      better: this.trainer.lowerIsBetter ? 'lower' : 'higher',
      keep: { best: training.keep_best_ckpts, last: training.keep_last_ckpts },
    });
  }

  async dispose(): Promise<void> {
    await this.trainer.dispose();
    await this.model.dispose();
  }
}

function describeData(data: TrainingData, model: Seq2Seq): { dataset: Dataset; notes: string[] } {
  const { config, vocabularies } = model;
  const dataset = encodePairs(data.corpus, vocabularies, config.data);
  const notes = [describeCorpus(data.corpus.report)];
  notes.push(
    `vocabulary: ${vocabularies.source.size} source and ${vocabularies.target.size} target tokens, ` +
      `${model.network.parameters.count.toLocaleString('en')} parameters`,
  );
  if (data.dev) {
    const dev = tokenizeCorpus(data.dev, createTokenizers(config.data));
    notes.push(describeCorpus(dev.report), describeUnknown(encodePairs(dev, vocabularies, config.data)));
  }
  return { dataset, notes };
}

/** `training.load_model`: the weights, and unless reset the optimiser and schedule, of another run or model file. */
async function initializeFrom({ training }: Config, model: Seq2Seq, trainer: Trainer): Promise<void> {
  const path = training.load_model;
  if (path === null) return;
  if (path.endsWith('.safetensors')) {
    if (!training.reset_optimizer) {
      throw new ConfigError(
        `training.load_model: ${path} holds weights alone; write reset_optimizer: true, or name a run folder`,
      );
    }
    model.loadWeights(await readFileWhole(path), path);
    return;
  }
  const folder = await RunFolder.open(path);
  if (training.reset_optimizer && training.reset_scheduler) {
    model.loadWeights((await folder.loadModel()).model, path);
    return;
  }
  const { files } = await folder.loadCheckpoint('best');
  restoreCheckpoint(model, trainer, files, path, {
    resetOptimizer: training.reset_optimizer,
    resetScheduler: training.reset_scheduler,
    startOver: true,
  });
}
