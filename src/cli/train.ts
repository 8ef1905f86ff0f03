/** `couplet train`: a configuration becomes a run folder. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { decodeText } from '../data/text.ts';
import { UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { readBytes } from '../node/text-files.ts';
import { TrainingRun } from '../node/training-run.ts';
import { parseConfig } from '../train/config/parse.ts';
import { resolvePaths } from '../train/config/resolve-paths.ts';
import type { Config } from '../train/config/types.ts';
import { printEvaluation } from './eval-text.ts';
import { TrainingProgress } from './progress.ts';
import { type AdapterOption, Interruption, list, openDevice, say } from './session.ts';

export interface TrainOptions extends AdapterOption {
  readonly out?: unknown;
  readonly set?: unknown;
  readonly resume?: boolean;
  readonly dumpPlan?: boolean;
}

export async function runTrain(configPath: string, options: TrainOptions): Promise<void> {
  const { config, folder } = await locateRun(String(configPath), options);
  using gpu = await openDevice(options);
  const run = options.resume
    ? await TrainingRun.resume(gpu, folder, list(options.set))
    : await createRun(gpu, config, folder);
  try {
    for (const note of run.notes) say(note);
    if (options.dumpPlan) {
      process.stdout.write(`${await run.describePlan()}\n`);
      return;
    }
    const finished = await train(run);
    if (finished) await scoreTest(run);
  } finally {
    await run.dispose();
  }
}

/** Reads the configuration; a run folder may stand for the one in it. */
async function locateRun(path: string, options: TrainOptions): Promise<{ config: Config; folder: string }> {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  if (isFolder && !options.resume) {
    throw new UsageError(
      `${path} is a folder: name a configuration file, or add --resume to go on with a run`,
    );
  }
  const file = isFolder ? join(path, 'config.yaml') : path;
  const text = decodeText(await readBytes(file), file);
  const parsed = parseConfig(text, { source: file, overrides: list(options.set) });
  const config = resolvePaths(parsed, resolve(dirname(file)));
  const standard = config.training.model_dir ?? join('runs', config.name);
  const folder = options.out === undefined ? (isFolder ? path : standard) : String(options.out);
  return { config, folder };
}

export async function createRun(gpu: Gpu, config: Config, folder: string): Promise<TrainingRun> {
  return TrainingRun.create(gpu, config, folder);
}

/** Trains to the end with a progress display; false where a signal stopped it. Sets the exit code then. */
export async function train(run: TrainingRun): Promise<boolean> {
  const interruption = new Interruption();
  const progress = new TrainingProgress();
  let finished = true;
  try {
    for await (const report of run.run(interruption.signal, (done) => progress.step(done))) {
      progress.report(report);
      if (report.kind === 'end') {
        finished = report.reason !== 'aborted';
        progress.line(
          finished
            ? `done: ${report.update} updates (${report.reason}); the run is in ${run.folder.path}`
            : `stopped after update ${report.update}; go on with: couplet train ${run.folder.path} --resume`,
        );
      }
    }
  } finally {
    progress.end();
    interruption.dispose();
  }
  if (!finished) process.exitCode = interruption.exitCode;
  return finished;
}

/** Scores the best model on the test data, if the configuration names some. */
async function scoreTest(run: TrainingRun): Promise<void> {
  if (!run.data.test) return;
  const best = await run.loadBest();
  try {
    printEvaluation('test', await best.evaluate(run.data.test));
  } finally {
    await best.dispose();
  }
}
