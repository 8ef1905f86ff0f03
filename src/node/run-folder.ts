/**
 * A run on disk: everything needed to use a trained model, and to go on training it as if it had never stopped.
 *
 *     config.yaml          the configuration with every default
 *     src_vocab.txt        the vocabularies, one token per line
 *     trg_vocab.txt
 *     char_vocab.txt       where the model reads characters
 *     model.safetensors    the best model so far
 *     log.jsonl            the training log, one JSON object per line
 *     checkpoints/         index.json, and a folder per step:
 *       1200/              model.safetensors, optimizer.safetensors, state.json, manifest.json …
 *
 * Every file is written in one step, so a run that was killed is always a run. The folder does not care what
 * the checkpoints' files hold, only that there is a `model.safetensors` among them.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors.ts';
import {
  fileError,
  flushFile,
  makeFolder,
  readFileWhole,
  removeAll,
  removeUnfinished,
  sha256,
  writeFileAtomic,
} from './atomic-files.ts';
import { compareBest, MODEL_NAME } from './checkpoint-manifest.ts';
import type { Keep, LoadedCheckpoint } from './checkpoint-store.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { LOCK_NAME } from './run-lock.ts';
import type { LogContent, LogRecord } from './training-log.ts';
import { appendLogLine, readLog, truncateLog } from './training-log.ts';

const CONFIG_NAME = 'config.yaml';
const SOURCE_VOCABULARY_NAME = 'src_vocab.txt';
const TARGET_VOCABULARY_NAME = 'trg_vocab.txt';
/** Only of models that read characters. */
const CHARACTER_VOCABULARY_NAME = 'char_vocab.txt';
const LOG_NAME = 'log.jsonl';
const CHECKPOINTS_NAME = 'checkpoints';

/** What makes a folder a run; all are there from the moment it is created. */
const REQUIRED = [CONFIG_NAME, SOURCE_VOCABULARY_NAME, TARGET_VOCABULARY_NAME];
const OWN_NAMES = [
  CHECKPOINTS_NAME,
  MODEL_NAME,
  LOG_NAME,
  CHARACTER_VOCABULARY_NAME,
  ...REQUIRED.toReversed(),
];

export interface RunContent {
  /** The text of config.yaml. */
  readonly config: string;
  readonly sourceVocabulary: string;
  readonly targetVocabulary: string;
  readonly characterVocabulary?: string;
}

export interface CreateOptions {
  /** Delete the run that lies there. Only a run's own files are deleted, and only if the folder is a run. */
  readonly overwrite?: boolean;
}

export interface CheckpointOptions {
  /** What the early stopping metric was; absent if nothing was validated since the last checkpoint. */
  readonly score?: number | null;
  /** Which scores are better. Default: lower. */
  readonly better?: 'lower' | 'higher';
  readonly keep: Keep;
}

export class RunFolder {
  readonly path: string;
  readonly #checkpoints: CheckpointStore;

  private constructor(path: string) {
    this.path = path;
    this.#checkpoints = new CheckpointStore(join(path, CHECKPOINTS_NAME));
  }

  /**
   * Starts a run in a new or empty folder.
   *
   * @throws CheckpointError if something lies there already (with `overwrite`: something that is not a run);
   *   nothing is touched then
   */
  static async create(path: string, content: RunContent, options: CreateOptions = {}): Promise<RunFolder> {
    const names = await RunFolder.checkFree(path, options);
    if (names.length > 0) {
      for (const name of OWN_NAMES) await removeAll(join(path, name));
      await removeUnfinished(path);
    }
    const run = new RunFolder(path);
    await makeFolder(path);
    await makeFolder(join(path, CHECKPOINTS_NAME));
    await writeFileAtomic(join(path, LOG_NAME), '');
    await writeFileAtomic(join(path, SOURCE_VOCABULARY_NAME), content.sourceVocabulary);
    await writeFileAtomic(join(path, TARGET_VOCABULARY_NAME), content.targetVocabulary);
    if (content.characterVocabulary !== undefined) {
      await writeFileAtomic(join(path, CHARACTER_VOCABULARY_NAME), content.characterVocabulary);
    }
    // Last: a folder with a configuration is a whole run.
    await writeFileAtomic(join(path, CONFIG_NAME), content.config);
    return run;
  }

  /**
   * What `create` checks before it touches anything, for those who want to know early; gives the names in the folder.
   *
   * @throws CheckpointError as `create` does
   */
  static async checkFree(path: string, options: CreateOptions = {}): Promise<string[]> {
    const names = (await namesIn(path)).filter((name) => name !== LOCK_NAME);
    if (names.length === 0) return names;
    if (!names.includes(CONFIG_NAME)) {
      throw new CheckpointError(
        `${path} is not empty and not a run; choose another folder, or empty this one.`,
      );
    }
    if (options.overwrite !== true) throw new CheckpointError(await new RunFolder(path).#alreadyThere());
    return names;
  }

  /**
   * Opens a run for reading; nothing is changed, so it may be in training at the same time.
   *
   * @throws CheckpointError if the folder is not a run, saying what is missing
   */
  static async open(path: string): Promise<RunFolder> {
    const isFolder = await stat(path).then(
      (entry) => entry.isDirectory(),
      (cause) => {
        throw fileError('open the run', path, cause);
      },
    );
    if (!isFolder)
      throw new CheckpointError(`${path} is a file; a run is a folder with ${REQUIRED.join(', ')}.`);
    const names = await namesIn(path);
    const missing = REQUIRED.filter((name) => !names.includes(name));
    if (missing.length > 0) throw new CheckpointError(`${path} is not a run: it has no ${listed(missing)}.`);
    return new RunFolder(path);
  }

  /**
   * Opens a run to go on with it. What a killed process left half done is finished or taken back. Nobody else may
   * write to the run at the same time.
   */
  static async resume(path: string): Promise<RunFolder> {
    const run = await RunFolder.open(path);
    await removeUnfinished(path);
    await run.#checkpoints.repair();
    await run.#restoreModel();
    return run;
  }

  /** The configuration and vocabularies, as text. */
  async readContent(): Promise<RunContent> {
    const read = async (name: string) => new TextDecoder().decode(await readFileWhole(join(this.path, name)));
    const hasCharacters = (await namesIn(this.path)).includes(CHARACTER_VOCABULARY_NAME);
    return {
      config: await read(CONFIG_NAME),
      sourceVocabulary: await read(SOURCE_VOCABULARY_NAME),
      targetVocabulary: await read(TARGET_VOCABULARY_NAME),
      ...(hasCharacters && { characterVocabulary: await read(CHARACTER_VOCABULARY_NAME) }),
    };
  }

  /** Keeps another configuration, for what training goes on with. */
  replaceConfig(config: string): Promise<void> {
    return writeFileAtomic(join(this.path, CONFIG_NAME), config);
  }

  /** The steps of the checkpoints that are there, in ascending order; empty before the first. */
  steps(): Promise<number[]> {
    return this.#checkpoints.steps();
  }

  /**
   * Writes a checkpoint, makes it the run's model if it is the best (or nothing has a score), and deletes those
   * that need not be kept: never the best, never the latest.
   *
   * @param files by name; `model.safetensors` must be among them
   */
  async writeCheckpoint(
    step: number,
    files: ReadonlyMap<string, Uint8Array>,
    options: CheckpointOptions,
  ): Promise<void> {
    const model = files.get(MODEL_NAME);
    if (!model) throw new CheckpointError(`A checkpoint needs a ${MODEL_NAME}.`);
    const { score = null, better = 'lower', keep } = options;
    await flushFile(join(this.path, LOG_NAME));
    await this.#checkpoints.write({ step, score, better }, files);
    const { manifests } = await this.#checkpoints.manifests();
    const [best] = manifests.sort(compareBest);
    if (best?.step === step) await writeFileAtomic(join(this.path, MODEL_NAME), model);
    await this.#checkpoints.prune(keep);
  }

  /**
   * A checkpoint with all its files checked. A damaged latest or best one is named in `warnings` and the one
   * before it is returned.
   *
   * @throws CheckpointError if there is none, or none is sound
   */
  loadCheckpoint(which: 'latest' | 'best' | number): Promise<LoadedCheckpoint> {
    return this.#checkpoints.load(which);
  }

  /**
   * The bytes of the best model. If checkpoints are there, the file is compared with them; one that matches none is
   * damaged, and the best sound checkpoint's model is returned with a warning.
   */
  async loadModel(): Promise<{ model: Uint8Array; warnings: readonly string[] }> {
    const file = join(this.path, MODEL_NAME);
    const warnings: string[] = [];
    if ((await namesIn(this.path)).includes(MODEL_NAME)) {
      const model = await readFileWhole(file);
      const sum = sha256(model);
      const { manifests } = await this.#checkpoints.manifests();
      const matches = manifests.some(({ files }) => files.get(MODEL_NAME)?.sha256 === sum);
      if (matches || manifests.length === 0) return { model, warnings };
      warnings.push(`${file} is damaged: it is the model of no checkpoint.`);
    } else if ((await this.steps()).length === 0) {
      throw new CheckpointError(
        `${this.path} has no ${MODEL_NAME} yet: it was not trained up to its first checkpoint.`,
      );
    }
    const checkpoint = await this.#checkpoints.load('best');
    const model = checkpoint.files.get(MODEL_NAME);
    if (!model)
      throw new CheckpointError(`Checkpoint ${checkpoint.step} of ${this.path} has no ${MODEL_NAME}.`);
    if (warnings.length > 0) warnings.push(`The model of checkpoint ${checkpoint.step} is used instead.`);
    return { model, warnings: [...warnings, ...checkpoint.warnings] };
  }

  appendLog(record: LogRecord): Promise<void> {
    return appendLogLine(join(this.path, LOG_NAME), record);
  }

  readLog(): Promise<LogContent> {
    return readLog(join(this.path, LOG_NAME));
  }

  /**
   * Takes the run back to update `step`, from where it is to go on: cuts the log there, and sets later checkpoints
   * (damaged ones, since the latest sound one is resumed) aside as `checkpoints/damaged-STEP`.
   */
  async rewindTo(step: number): Promise<void> {
    await this.#checkpoints.setAsideAfter(step);
    const file = join(this.path, LOG_NAME);
    if ((await namesIn(this.path)).includes(LOG_NAME)) await truncateLog(file, step);
    else await writeFileAtomic(file, '');
  }

  /** Makes model.safetensors the best checkpoint's again, if a crash came between the two. */
  async #restoreModel(): Promise<void> {
    const file = join(this.path, MODEL_NAME);
    const { manifests } = await this.#checkpoints.manifests();
    const wanted = manifests.sort(compareBest)[0]?.files.get(MODEL_NAME)?.sha256;
    if (wanted === undefined) return;
    const names = await namesIn(this.path);
    if (names.includes(MODEL_NAME) && sha256(await readFileWhole(file)) === wanted) return;
    const best = await this.#checkpoints.load('best').catch(() => undefined);
    const model = best?.files.get(MODEL_NAME);
    if (model) await writeFileAtomic(file, model);
  }

  async #alreadyThere(): Promise<string> {
    const last = (await this.steps()).at(-1);
    const holds =
      last === undefined ? 'a run without a checkpoint' : `a run with checkpoints up to step ${last}`;
    return `${this.path} already holds ${holds}. Go on with it (--resume), start it over (training.overwrite: true, which deletes it), or choose another folder (--out).`;
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError('open the folder', path, cause);
  }
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
