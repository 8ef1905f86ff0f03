#!/usr/bin/env node
/** The `couplet` command: which subcommand runs, and how a failure becomes a message and an exit code. */
import { createRequire } from 'node:module';
import cac from 'cac';
import { CoupletError } from '../errors.ts';
import { runDoctor } from './doctor.ts';
import { runEval } from './eval.ts';
import { runQuickstart } from './quickstart.ts';
import { runTrain } from './train.ts';
import { runTranslate } from './translate.ts';

/** Exit codes: a mistake that the user can mend, and everything else that went wrong. */
const userError = 2;
const failure = 1;

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

function createCli() {
  const cli = cac('couplet');
  const adapter = [
    '--adapter <name>',
    'auto, hardware, system, lavapipe, swiftshader, or part of a name',
  ] as const;

  cli
    .command('train <config>', 'Train the model that a YAML file describes')
    .option('--out <dir>', 'The run folder (default: runs/NAME)')
    .option('--set <key=value>', 'Set a key of the configuration; may be repeated')
    .option('--resume', 'Go on with the run that lies in the run folder')
    .option('--dump-plan', 'Print the recorded plan of the largest batch and stop')
    .option(...adapter)
    .example((name) => `  ${name} train recipes/quickstart.yaml`)
    .example((name) => `  ${name} train recipes/g2p-hun.yaml --out runs/a --set training.random_seed=2`)
    .example((name) => `  ${name} train recipes/g2p-hun.yaml --out runs/a --resume`)
    .action(runTrain);

  cli
    .command('translate <run>', 'Translate standard input, one line out for each line in')
    .option('--batch-size <n>', 'Lines decoded at once (default: testing.batch_size)')
    .option('--attention <file>', 'Write the attention over the first line as an SVG picture')
    .option(...adapter)
    .example((name) => `  ${name} translate runs/quickstart < words.txt > pronunciations.txt`)
    .example(
      (name) =>
        `  ${name} translate runs/quickstart        (on a terminal: type a line, get its translation)`,
    )
    .action(runTranslate);

  cli
    .command('eval <run>', 'Score a trained model on held-out pairs')
    .option('--src <file>', 'Source lines (default: the test data of the configuration)')
    .option('--ref <file>', 'Reference lines, one for each source line')
    .option('--json', 'Print JSON')
    .option(...adapter)
    .example((name) => `  ${name} eval runs/quickstart`)
    .example((name) => `  ${name} eval runs/quickstart --src test.src --ref test.trg --json`)
    .action(runEval);

  cli
    .command('quickstart', 'Train a small pronunciation model on real data, then show what it learnt')
    .option('--out <dir>', 'The run folder (default: runs/quickstart)')
    .option('--set <key=value>', 'Set a key of the configuration; may be repeated')
    .option(...adapter)
    .example((name) => `  ${name} quickstart`)
    .action(runQuickstart);

  cli
    .command('doctor', 'Report adapters, limits and features, and test every kernel against a CPU reference')
    .option('--json', 'Print JSON')
    .option(...adapter)
    .example((name) => `  ${name} doctor --adapter swiftshader`)
    .action(runDoctor);

  cli.help();
  cli.version(version);
  return cli;
}

async function main(): Promise<void> {
  const cli = createCli();
  try {
    cli.parse(process.argv, { run: false });
    if (cli.options.help || cli.options.version) return;
    if (!cli.matchedCommand) {
      const given = cli.args[0];
      if (given !== undefined) process.stderr.write(`couplet: there is no command '${given}'\n\n`);
      cli.outputHelp();
      process.exitCode = userError;
      return;
    }
    await cli.runMatchedCommand();
  } catch (error) {
    process.exitCode = explain(error);
  }
}

/** Prints what went wrong and returns the exit code. A user's mistake gets no stack trace. */
function explain(error: unknown): number {
  if (error instanceof CoupletError) {
    process.stderr.write(`couplet: ${error.message}\n`);
    return error.code === 'device-lost' || error.code === 'diverged' || error.code === 'kernel'
      ? failure
      : userError;
  }
  if (error instanceof Error && error.name === 'CACError') {
    process.stderr.write(`couplet: ${error.message}; see couplet --help\n`);
    return userError;
  }
  process.stderr.write(`couplet: this is a bug: ${error instanceof Error ? error.stack : String(error)}\n`);
  return failure;
}

// A reader that goes away (`couplet translate … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

await main();
