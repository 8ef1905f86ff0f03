/**
 * The command line as data: each command says which argument and options it takes, and from that come the parser, its
 * messages and `--help` alike, so they cannot disagree.
 */
import { parseArgs } from 'node:util';
import { UsageError } from '../errors.ts';
import { nearest } from '../nn/config/nearest.ts';

export interface OptionSpec {
  /** What its value is called in the help; absent: a switch. */
  readonly value?: string;
  readonly repeatable?: true;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What the options of a command came to. */
export type Options<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends { readonly repeatable: true }
    ? readonly string[]
    : Specs[Name] extends { readonly value: string }
      ? string | undefined
      : boolean;
};

export interface Command {
  readonly name: string;
  /** The one argument; absent: there is none. */
  readonly argument?: { readonly name: string; readonly help: string };
  /** A second one after it, which may be empty. */
  readonly text?: { readonly name: string; readonly help: string };
  /** Instead of these: as many as one likes, none among them. */
  readonly names?: { readonly name: string; readonly help: string };
  readonly summary: string;
  /** More about it, for its own help. */
  readonly details?: string;
  readonly options: OptionSpecs;
  readonly examples: readonly { readonly line: string; readonly note?: string }[];
  run(
    argument: string,
    options: Record<string, unknown>,
    text: string,
    names?: readonly string[],
  ): Promise<void>;
}

interface CommandSpec<Specs extends OptionSpecs> extends Omit<Command, 'options' | 'run'> {
  readonly options: Specs;
  /** `argument`, `text` and `names` are empty where the command takes none. */
  run(argument: string, options: Options<Specs>, text: string, names: readonly string[]): Promise<void>;
}

/** A command whose options are typed from their specification. */
export function command<const Specs extends OptionSpecs>(spec: CommandSpec<Specs>): Command {
  return {
    ...spec,
    run: (argument, options, text, names = []) => spec.run(argument, options as Options<Specs>, text, names),
  };
}

/** The option that every command with a device has. */
export const adapterOption = {
  value: 'NAME',
  help: 'auto, hardware, system, lavapipe, swiftshader, or part of a name (default: auto)',
} as const satisfies OptionSpec;

export const fastOption = {
  help: 'Let Dawn check nothing (validation, bounds): the same results, sooner; not for your own shaders',
} as const satisfies OptionSpec;

export const tuneOption = {
  value: 'HOW',
  help: 'How kernels are chosen: probe (timed once, then cached), rule, or auto (default): probe on a GPU',
} as const satisfies OptionSpec;

/** Throws UsageError, naming what is wrong, where the arguments are not what the command takes. */
export function parseCommandLine(
  { name, argument, text, names, options }: Command,
  given: readonly string[],
): { argument: string; text?: string; names?: readonly string[]; options: Record<string, unknown> } {
  const see = `; see couplet ${name} --help`;
  const config = Object.fromEntries(
    Object.entries(options).map(([option, { value, repeatable = false }]) => {
      const type: 'string' | 'boolean' = value === undefined ? 'boolean' : 'string';
      return [option, { type, multiple: repeatable }];
    }),
  );
  const { values, positionals, tokens } = parseArgs({
    args: [...given],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!spec) {
      const meant = nearest(token.name, Object.keys(options));
      const hint = meant === undefined ? '' : `: did you mean --${meant}?`;
      throw new UsageError(`${name} has no option ${token.rawName}${hint}${see}`);
    }
    if (spec.value === undefined && token.value !== undefined) {
      throw new UsageError(`${token.rawName} takes no value${see}`);
    }
    if (spec.value !== undefined && (token.value === undefined || /^--?[a-z]/i.test(token.value))) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${spec.value}${see}`);
    }
  }
  const [first = '', ...rest] = positionals;
  if (argument && first === '')
    throw new UsageError(`${name} needs ${argument.name}: ${argument.help}${see}`);
  if (text && rest[0] === undefined) throw new UsageError(`${name} needs ${text.name}: ${text.help}${see}`);
  const surplus = names ? undefined : argument ? rest[text ? 1 : 0] : positionals[0];
  if (surplus !== undefined) throw new UsageError(`${name}: '${surplus}' is one argument too many${see}`);
  const complete = Object.entries(options).map(([option, { value, repeatable }]) => {
    const absent = repeatable ? [] : value === undefined ? false : undefined;
    return [option, values[option] ?? absent] as const;
  });
  return {
    argument: argument ? first : '',
    ...(text && { text: rest[0]! }),
    ...(names && { names: positionals }),
    options: Object.fromEntries(complete),
  };
}

/** The command of that name; throws UsageError with the nearest one otherwise. */
export function findCommand(commands: readonly Command[], name: string): Command {
  const found = commands.find((one) => one.name === name);
  if (found) return found;
  const names = commands.map((one) => one.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? `the commands are ${names.join(', ')}` : `did you mean ${meant}?`;
  throw new UsageError(`there is no command '${name}': ${hint}; see couplet --help`);
}

export function overviewHelp(commands: readonly Command[], version: string): string {
  return [
    `couplet ${version}: trains and runs recurrent sequence models on WebGPU`,
    '',
    'Usage: couplet COMMAND [OPTIONS]',
    '',
    'Commands',
    ...columns(commands.map((one) => [usage(one), one.summary])),
    '',
    'Options',
    ...columns([
      ['--help', 'This help; after a command, that of the command with examples'],
      ['--version', 'The version'],
    ]),
    '',
    'Start with: couplet quickstart',
    '',
  ].join('\n');
}

export function commandHelp(command: Command): string {
  const { summary, details, options, examples } = command;
  const taken = [command.argument, command.text, command.names].filter((one) => one !== undefined);
  const rows = Object.entries(options).map(([name, { value, repeatable, help }]) => {
    const flag = value === undefined ? `--${name}` : `--${name} ${value}`;
    return [flag, repeatable ? `${help} (may be repeated)` : help] as const;
  });
  const lines = [`Usage: couplet ${usage(command)}${rows.length > 0 ? ' [OPTIONS]' : ''}`, '', `${summary}.`];
  if (taken.length > 0) lines.push('', ...columns(taken.map(({ name, help }) => [name, help])));
  if (details !== undefined) lines.push('', details);
  lines.push('', 'Options', ...columns([...rows, ['--help', 'This help']]), '', 'Examples');
  for (const { line, note } of examples) {
    lines.push(`  couplet ${line}`);
    if (note !== undefined) lines.push(`      ${note}`);
  }
  return `${lines.join('\n')}\n`;
}

function usage({ name, argument, text, names }: Command): string {
  const many = names && `[${names.name} …]`;
  return [name, argument?.name, text?.name, many].filter((word) => word !== undefined).join(' ');
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
