/**
 * Training in a run folder: what is written on the way, and how a run goes on after a stop. The command line prints
 * what this yields; nothing here prints.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, DivergedError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { restoreCheckpoint, saveCheckpoint } from '../models/checkpoint.ts';
import type { AnyModel } from '../models/kinds.ts';
import { modelFileNames, readVocabularies } from '../models/model-files.ts';
import { buildVocabularies, type Vocabularies } from '../models/prepare-data.ts';
import { formatConfig, parseConfig } from '../train/config/parse.ts';
import { changedKeys, checkResumable } from '../train/config/resumable.ts';
import type { Config } from '../train/config/types.ts';
import type { TrainingReport, Validation } from '../train/reports.ts';
import type { Trainer } from '../train/trainer.ts';
import { loadTrainingData, loadVocabularies, type TrainingData } from './load-data.ts';
import { loadRun } from './load-run.ts';
import { type PreparedTraining, prepareTraining } from './prepare-training.ts';
import { type RunContent, RunFolder } from './run-folder.ts';
import { RunLock } from './run-lock.ts';
import {
  adoptTuning,
  compareOrigins,
  formatOrigin,
  originName,
  originOf,
  type RunOrigin,
} from './run-origin.ts';
import { loadStart } from './start-weights.ts';

/**
 * Reads the data of a run that is to begin in `path`, once that folder is known to be free: what can be wrong without a
 * device is found before one is opened.
 * @throws CheckpointError or DataError
 */
export async function readForNewRun(config: Config, path: string): Promise<TrainingData> {
  await RunFolder.checkFree(path, config.training);
  return loadTrainingData(config);
}

/**
 * Reads the data of the run in `path`, which is to go on with `config`.
 * @throws CheckpointError, ConfigError or DataError
 */
export async function readForResume(config: Config, path: string): Promise<TrainingData> {
  if (!existsSync(path)) {
    throw new UsageError(`there is no run in ${path} to go on with: leave out --resume to start one`);
  }
  const folder = await RunFolder.open(path);
  checkResumable(await configOf(folder), config, path);
  return loadTrainingData(config).catch(explainMovedData);
}

/** A training that `TrainingRun.create` would begin, without a folder. */
export async function prepareNewTraining(
  gpu: Gpu,
  config: Config,
  data: TrainingData,
): Promise<PreparedTraining> {
  const given = await loadVocabularies(config);
  const vocabularies = buildVocabularies(data.corpus, config, given);
  const prepared = await prepareTraining(gpu, config, data, vocabularies);
  return freedOnError(prepared, async () => {
    const notes = await loadStart(config, prepared.model, prepared.trainer, data.corpus);
    return { ...prepared, notes: [...prepared.notes, ...notes] };
  });
}

/** Does something with a prepared training, which holds no memory of the device any more where that fails. */
async function freedOnError<T>({ trainer, model }: PreparedTraining, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    trainer.dispose();
    model.dispose();
    throw error;
  }
}

export class TrainingRun {
  readonly folder: RunFolder;
  readonly config: Config;
  readonly model: AnyModel;
  readonly trainer: Trainer;
  readonly data: TrainingData;
  /** Lines for the user: what was dropped, what is unknown, what was damaged. */
  readonly notes: readonly string[];
  readonly #lock: RunLock;
  readonly #origin: RunOrigin;

  private constructor(
    prepared: PreparedTraining,
    folder: RunFolder,
    lock: RunLock,
    origin: RunOrigin,
    notes: readonly string[],
  ) {
    this.folder = folder;
    this.config = prepared.config;
    this.model = prepared.model;
    this.trainer = prepared.trainer;
    this.data = prepared.data;
    this.notes = notes;
    this.#lock = lock;
    this.#origin = origin;
  }

  /**
   * A new run in `path`. Nothing is written before model and configuration are known to fit the device.
   * @throws ConfigError, LimitsError or CheckpointError, each saying what to do
   */
  static create(gpu: Gpu, config: Config, data: TrainingData, path: string): Promise<TrainingRun> {
    return locked(path, async (lock) => {
      await RunFolder.checkFree(path, config.training);
      const prepared = await prepareNewTraining(gpu, config, data);
      return freedOnError(prepared, async () => {
        const content = contentOf(prepared.model);
        const folder = await RunFolder.create(path, content, config.training);
        const origin = originOf(gpu, data.text);
        const run = new TrainingRun(prepared, folder, lock, origin, prepared.notes);
        await run.#logStart();
        return run;
      });
    });
  }

  /**
   * Goes on with the run in `path` from its latest sound checkpoint, or from the start where it has none. What `config`
   * may change is in `resumable.ts`; config.yaml then says so.
   * @throws ConfigError, DataError, LimitsError or CheckpointError, each saying what to do
   */
  static resume(gpu: Gpu, config: Config, data: TrainingData, path: string): Promise<TrainingRun> {
    return locked(path, async (lock) => {
      const folder = await RunFolder.resume(path);
      const before = await configOf(folder);
      checkResumable(before, config, path);
      const notes: string[] = [];
      const checkpoint =
        (await folder.steps()).length > 0 ? await folder.loadCheckpoint('latest') : undefined;
      const old = checkpoint?.files.get(originName);
      if (old) adoptTuning(gpu, old);
      const origin = originOf(gpu, data.text);
      if (old) notes.push(...compareOrigins(old, origin, data.text));
      const prepared = await prepareTraining(gpu, config, data, await vocabulariesOf(folder, config));
      return freedOnError(prepared, async () => {
        const { model, trainer } = prepared;
        const own = [...prepared.notes];
        if (checkpoint) {
          const { step, files, warnings } = checkpoint;
          restoreCheckpoint(model, trainer, files, join(path, 'checkpoints', String(step)));
          await folder.rewindTo(step);
          notes.push(...warnings, `going on from update ${step}`);
        } else {
          own.push(...(await loadStart(config, model, trainer, data.corpus)));
          await folder.rewindTo(-1);
          notes.push('the run has no checkpoint yet: starting from the beginning');
        }
        if (changedKeys(before, config).length > 0) await folder.replaceConfig(formatConfig(config));
        const run = new TrainingRun(prepared, folder, lock, origin, [...own, ...notes]);
        await run.#logStart();
        return run;
      });
    });
  }

  /**
   * Trains, writing the log and the checkpoints; yields every report once it is on disk. An aborted run is saved as it
   * stands. `onUpdate` hears after every update which share of the training is done.
   */
  async *run(
    signal?: AbortSignal,
    onUpdate?: (done: number) => void,
  ): AsyncGenerator<TrainingReport, void, void> {
    try {
      for await (const report of this.trainer.run(signal, onUpdate)) {
        if (report.kind === 'checkpoint') await this.#save(report.score);
        else await this.#log(report);
        if (report.kind === 'end' && report.reason === 'aborted') await this.#save(undefined);
        yield report;
      }
    } catch (error) {
      throw error instanceof DivergedError ? await this.#withLastCheckpoint(error) : error;
    }
  }

  /** The best model so far, apart from the one in training. */
  async loadBest(): Promise<AnyModel> {
    return (await loadRun(this.model.gpu, this.folder.path)).model;
  }

  /** Keeps the figures of the finished model on `data.test` in the log. */
  logTest(test: Validation): Promise<void> {
    return this.#log({ kind: 'test', ...test });
  }

  #log(record: object): Promise<void> {
    return this.folder.appendLog({
      step: this.trainer.engine.updates,
      time: new Date().toISOString(),
      ...record,
    });
  }

  /** What a reader of the log wants to know of the run that the later lines belong to. */
  #logStart(): Promise<void> {
    const { vocabularies, network } = this.model;
    return this.#log({
      kind: 'start',
      ...this.#origin,
      parameters: network.parameters.count,
      vocabulary: { source: vocabularies.source.size, target: vocabularies.target.size },
    });
  }

  async #save(score: number | undefined): Promise<void> {
    const { training } = this.config;
    const files = await saveCheckpoint(this.model, this.trainer);
    files.set(originName, formatOrigin(this.#origin));
    await this.folder.writeCheckpoint(this.trainer.engine.updates, files, {
      score: score ?? null,
      better: this.trainer.lowerIsBetter ? 'lower' : 'higher',
      keep: { best: training.keep_best_ckpts, last: training.keep_last_ckpts },
    });
  }

  async #withLastCheckpoint(error: DivergedError): Promise<DivergedError> {
    const last = (await this.folder.steps()).at(-1);
    const { path } = this.folder;
    const kept =
      last === undefined
        ? `${path} has no checkpoint yet: start it over with training.overwrite: true`
        : `${path} keeps its checkpoints, the last after update ${last}; start another run from them with training.load_model: ${path}`;
    return new DivergedError(`${error.message}. ${kept}`, { cause: error });
  }

  async dispose(): Promise<void> {
    this.trainer.dispose();
    this.model.dispose();
    await this.#lock.release();
  }
}

/** Does something under a run's lock, which stays with what comes of it. */
async function locked<T>(path: string, work: (lock: RunLock) => Promise<T>): Promise<T> {
  const lock = await RunLock.acquire(path);
  try {
    return await work(lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** What a run folder keeps of a model besides its weights. */
function contentOf(model: AnyModel): RunContent {
  const description = model.description();
  const text = (name: string) => new TextDecoder().decode(description.get(name));
  const { config, sourceVocabulary, targetVocabulary, characterVocabulary } = modelFileNames;
  return {
    config: text(config),
    sourceVocabulary: text(sourceVocabulary),
    targetVocabulary: text(targetVocabulary),
    ...(description.has(characterVocabulary) && { characterVocabulary: text(characterVocabulary) }),
  };
}

async function configOf(folder: RunFolder): Promise<Config> {
  const { config } = await folder.readContent();
  return parseConfig(config, { source: join(folder.path, modelFileNames.config) });
}

async function vocabulariesOf(folder: RunFolder, config: Config): Promise<Vocabularies> {
  const content = await folder.readContent();
  const texts = new Map<string, string>([
    [modelFileNames.sourceVocabulary, content.sourceVocabulary],
    [modelFileNames.targetVocabulary, content.targetVocabulary],
    [modelFileNames.characterVocabulary, content.characterVocabulary ?? ''],
  ]);
  return readVocabularies(
    config,
    (name) => texts.get(name)!,
    (name) => join(folder.path, name),
  );
}

/** A run's configuration holds absolute paths, and files move. */
function explainMovedData(error: unknown): never {
  if (!(error instanceof DataError)) throw error;
  const key = /^data\.\w+(?=: )/.exec(error.message)?.[0];
  if (key === undefined) throw error;
  throw new DataError(`${error.message} If it moved, say where to: --set ${key}=PATH`, { cause: error });
}
