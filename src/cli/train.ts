/** `couplet train`: a configuration becomes a run folder. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { decodeText } from '../data/text.ts';
import { UsageError } from '../errors.ts';
import { estimateTraining } from '../node/estimate-training.ts';
import { loadTrainingData } from '../node/load-data.ts';
import { RunFolder } from '../node/run-folder.ts';
import { readBytes } from '../node/text-files.ts';
import { prepareNewTraining, readForNewRun, readForResume, TrainingRun } from '../node/training-run.ts';
import { parseConfig } from '../train/config/parse.ts';
import { resolvePaths } from '../train/config/resolve-paths.ts';
import type { Config } from '../train/config/types.ts';
import type { EndReason, Validation } from '../train/reports.ts';
import { adapterOption, command, fastOption, tuneOption } from './arguments.ts';
import { evaluationText } from './eval-text.ts';
import { memoryText } from './memory-text.ts';
import { TrainingProgress } from './progress.ts';
import { Interruption, openDevice, say } from './session.ts';

export const trainCommand = command({
  name: 'train',
  argument: {
    name: 'CONFIG',
    help: 'a YAML file (docs/configuration.md has its keys); with --resume also a run folder',
  },
  summary: 'Train the model that a YAML file describes',
  details: `The run folder gets the resolved configuration, the vocabularies, the best model, checkpoints and the training log
(log.jsonl). The first SIGINT (Ctrl-C), SIGTERM or SIGHUP finishes the step, saves and exits with 130, 143 or 129;
--resume then goes on as if nothing had happened: the final model is the same to the bit. With --resume, keys that
do not change what is computed may be set anew (training.epochs, data.train, how often to validate, and others that
docs/configuration.md lists).`,
  options: {
    out: { value: 'DIR', help: 'The run folder (default: training.model_dir, else runs/NAME)' },
    set: { value: 'KEY=VALUE', repeatable: true, help: 'Set a key of the configuration' },
    resume: { help: 'Go on with the run that lies in the run folder' },
    'dry-run': { help: 'Print the memory that the training would take and stop; writes nothing' },
    'dump-plan': { help: 'Print the recorded plan of the largest batch and stop; writes nothing' },
    adapter: adapterOption,
    fast: fastOption,
    tune: tuneOption,
  },
  examples: [
    { line: 'train recipes/quickstart.yaml' },
    {
      line: 'train recipes/quickstart.yaml --out runs/a --set training.random_seed=2 --set training.epochs=20',
    },
    { line: 'train recipes/enja.yaml --dry-run', note: 'how much memory it would take' },
    { line: 'train runs/a --resume', note: 'goes on with that run' },
    { line: 'train runs/a --resume --set training.epochs=30', note: 'makes it longer' },
  ],
  async run(path, options) {
    const { config, folder } = await locateRun(path, options);
    if (options['dry-run']) {
      const data = await loadTrainingData(config);
      using gpu = await openDevice(options.adapter, options.fast, options.tune);
      process.stdout.write(memoryText(await estimateTraining(gpu, config, data)));
      return;
    }
    if (options['dump-plan']) {
      const data = await loadTrainingData(config);
      using gpu = await openDevice(options.adapter, options.fast, options.tune);
      const { trainer } = await prepareNewTraining(gpu, config, data);
      process.stdout.write(`${await trainer.describePlan()}\n`);
      return;
    }
    const data = await (options.resume ? readForResume : readForNewRun)(config, folder);
    using gpu = await openDevice(options.adapter, options.fast, options.tune);
    const run = await TrainingRun[options.resume ? 'resume' : 'create'](gpu, config, data, folder);
    try {
      for (const note of run.notes) say(note);
      if (!(await train(run)) || !run.data.test) return;
      const test = await scoreTest(run);
      process.stdout.write(evaluationText(`test (${run.data.test.name})`, test, config.model.type));
    } finally {
      await run.dispose();
    }
  },
});

/** Reads the configuration; a run folder may stand for the one in it. */
async function locateRun(
  path: string,
  options: { readonly set: readonly string[]; readonly resume: boolean; readonly out: string | undefined },
): Promise<{ config: Config; folder: string }> {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  if (isFolder && !options.resume) {
    throw new UsageError(
      `${path} is a folder: name a configuration file, or add --resume to go on with a run`,
    );
  }
  if (isFolder) await RunFolder.open(path); // says what is missing where it is no run
  const file = isFolder ? join(path, 'config.yaml') : path;
  const text = decodeText(await readBytes(file), file);
  const parsed = parseConfig(text, { source: file, overrides: options.set });
  const config = resolvePaths(parsed, resolve(dirname(file)));
  const standard = isFolder ? path : (config.training.model_dir ?? join('runs', config.name));
  return { config, folder: options.out ?? standard };
}

/** Why training ended, in words. */
const endings: Readonly<Record<EndReason, string>> = {
  epochs: 'the last epoch is done',
  updates: 'the last update is done',
  'early stopping': 'no improvement for as long as training.early_stopping_patience allows',
  aborted: 'stopped',
};

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
            ? `done after update ${report.update} (${endings[report.reason]}); the run is in ${run.folder.path}`
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

/** Scores the best model on the test data of the configuration, and logs it. */
export async function scoreTest(run: TrainingRun, samples: readonly number[] = []): Promise<Validation> {
  const best = await run.loadBest();
  try {
    const test = await best.evaluate(run.data.test!, { samples });
    await run.logTest(test);
    return test;
  } finally {
    best.dispose();
  }
}
