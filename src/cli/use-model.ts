/** What the commands that use a trained model share: opening it, its inputs from lines, and options that are numbers. */
import { DataError, UsageError } from '../errors.ts';
import { type AnyModel, modelFromFiles } from '../models/kinds.ts';
import type { Input, PredictOptions } from '../models/task.ts';
import { readRun } from '../node/load-run.ts';
import { loadFrames } from '../node/vector-files.ts';
import type { Config } from '../train/config/types.ts';
import type { OptionSpec } from './arguments.ts';
import { openDevice, say } from './session.ts';

/** Opens a run's model and the device for as long as `work` takes. */
export async function withModel<Result>(
  run: string,
  { adapter, fast }: { readonly adapter: string | undefined; readonly fast: boolean },
  work: (model: AnyModel) => Promise<Result>,
): Promise<Result> {
  const { files, warnings } = await readRun(run);
  for (const warning of warnings) say(`warning: ${warning}`);
  using gpu = await openDevice(adapter, fast);
  const model = modelFromFiles(gpu, files, run);
  try {
    return await work(model);
  } finally {
    model.dispose();
  }
}

/** Whether a model's inputs are vectors, which lines name files of. */
export function readsFrames({ config }: AnyModel): boolean {
  return (config as Config).data.src.level === 'frames' && config.model.type !== 'language_model';
}

/** One input: the line itself, or the vectors of the file that it names. */
export async function readInput(model: AnyModel, line: string): Promise<Input> {
  return readsFrames(model) ? await loadFrames(line.trim()) : line;
}

/** Lines as a model takes them, however they arrive; counts them, for messages and seeds. */
export class LineInputs {
  readonly #model: AnyModel;
  #count = 0;

  constructor(model: AnyModel) {
    this.#model = model;
  }

  /** Lines that have been through. */
  get count(): number {
    return this.#count;
  }

  /**
   * What `work` makes of each line, in order; of a blank line that names no file, `blank`.
   * @throws DataError naming the line of a file that cannot be read
   */
  async map<Output>(
    lines: readonly string[],
    blank: Output,
    work: (inputs: readonly Input[]) => Promise<readonly Output[]>,
  ): Promise<Output[]> {
    const start = this.#count;
    let outputs: readonly Output[];
    if (readsFrames(this.#model)) {
      const inputs: Input[] = [];
      for (const [index, line] of lines.entries()) {
        if (line.trim() !== '') inputs.push(await this.#read(line, start + index + 1));
      }
      const found = (inputs.length > 0 ? await work(inputs) : [])[Symbol.iterator]();
      outputs = lines.map((line) => (line.trim() === '' ? blank : (found.next().value as Output)));
    } else {
      outputs = await work(lines);
    }
    this.#count += lines.length;
    return [...outputs];
  }

  async #read(line: string, number: number): Promise<Input> {
    try {
      return await readInput(this.#model, line);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      throw new DataError(`standard input: line ${number}: ${error.message}`, { cause: error });
    }
  }
}

export const batchSizeOption = {
  value: 'N',
  help: 'Lines worked on at once (default: testing.batch_size); it changes no output that is not drawn',
} as const satisfies OptionSpec;

export const drawingOptions = {
  temperature: {
    value: 'T',
    help: 'Of models that write text: 0 writes the most probable words, 1 draws (default: testing.temperature)',
  },
  seed: { value: 'N', help: 'Of text that is drawn: another number, other text (default: 0)' },
} as const satisfies Record<string, OptionSpec>;

/** What `drawingOptions` and `batchSizeOption` come to. */
export interface PredictingOptions {
  readonly 'batch-size': string | undefined;
  readonly temperature: string | undefined;
  readonly seed: string | undefined;
}

/** @throws UsageError naming the option that is out of range */
export function parsePredicting(given: PredictingOptions): PredictOptions {
  const batchSize = wholeNumber('batch-size', given['batch-size'], 'of lines', 1);
  const seed = wholeNumber('seed', given.seed, 'from 0 on', 0);
  const { temperature: text } = given;
  const temperature = text === undefined ? undefined : Number(text);
  if (temperature !== undefined && !(text!.trim() !== '' && temperature >= 0 && temperature < Infinity)) {
    throw new UsageError(`--temperature ${text}: must be a number, 0 or more`);
  }
  return {
    ...(batchSize !== undefined && { batchSize }),
    ...(temperature !== undefined && { temperature }),
    ...(seed !== undefined && { seed }),
  };
}

/** @throws UsageError where text is to be drawn of a model that writes none */
export function expectWriter({ type }: AnyModel, { temperature, seed }: PredictOptions): void {
  if (type !== 'tagger' && type !== 'classifier') return;
  const option = temperature !== undefined ? '--temperature' : seed !== undefined ? '--seed' : undefined;
  if (option === undefined) return;
  throw new UsageError(`${option} is for models that write text; this is a ${type}, which draws nothing`);
}

/** Other lines, other draws: a line that comes again on a terminal is drawn anew. */
export function drawnAt({ seed = 0, ...options }: PredictOptions, inputs: LineInputs): PredictOptions {
  return { ...options, seed: (seed + inputs.count) % 2 ** 32 };
}

/** The value of `--name`, a whole number of at least `least`. */
export function wholeNumber(
  name: string,
  text: string | undefined,
  of: string,
  least: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least && value <= 0xffff_ffff)
    return value;
  throw new UsageError(
    `--${name} ${text}: must be a whole number ${of}${least > 0 ? `, at least ${least}` : ''}`,
  );
}
