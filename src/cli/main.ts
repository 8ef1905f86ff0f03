#!/usr/bin/env node
/** The `couplet` command: which subcommand runs, and how a failure becomes a message and an exit code. */
import { CoupletError, type ErrorCode } from '../errors.ts';
import { coupletVersion } from '../node/find-package.ts';
import { commandHelp, findCommand, overviewHelp, parseCommandLine } from './arguments.ts';
import { benchCommand } from './bench.ts';
import { doctorCommand } from './doctor.ts';
import { encodeCommand } from './encode.ts';
import { evalCommand } from './eval.ts';
import { experimentCommand } from './experiment.ts';
import { predictCommand } from './predict.ts';
import { quickstartCommand } from './quickstart.ts';
import { traceCommand } from './trace.ts';
import { trainCommand } from './train.ts';
import { translateCommand } from './translate.ts';

const commands = [
  quickstartCommand,
  trainCommand,
  translateCommand,
  predictCommand,
  encodeCommand,
  traceCommand,
  evalCommand,
  experimentCommand,
  benchCommand,
  doctorCommand,
];

/** Exit codes: a mistake that the user can mend, and everything else that went wrong. */
const userError = 2;
const failure = 1;
const failures: ReadonlySet<ErrorCode> = new Set(['device-lost', 'diverged', 'kernel', 'shape', 'disposed']);

async function main(given: readonly string[]): Promise<void> {
  const [name, ...rest] = given;
  const asksForHelp = (word: string | undefined) => word === '--help' || word === '-h';
  if (name === undefined || asksForHelp(name)) {
    process.stdout.write(overviewHelp(commands, coupletVersion()));
    if (name === undefined) process.exitCode = userError;
    return;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${coupletVersion()}\n`);
    return;
  }
  const command = findCommand(commands, name);
  if (rest.some(asksForHelp)) {
    process.stdout.write(commandHelp(command));
    return;
  }
  const { argument, options, text = '', names } = parseCommandLine(command, rest);
  await command.run(argument, options, text, names);
}

/** Prints what went wrong and returns the exit code. A user's mistake gets no stack trace. */
function explain(error: unknown): number {
  if (error instanceof CoupletError) {
    process.stderr.write(`couplet: ${error.message}\n`);
    return failures.has(error.code) ? failure : userError;
  }
  process.stderr.write(`couplet: this is a bug: ${error instanceof Error ? error.stack : String(error)}\n`);
  return failure;
}

// A reader that goes away (`couplet translate … | head`) is no failure; progress that nobody reads is none either.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.stderr.on('error', () => {});

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = explain(error);
}
