/** `couplet translate`: standard input to standard output, line by line; on a terminal it answers as you type. */
import { createInterface } from 'node:readline/promises';
import { LineDecoder } from '../data/text.ts';
import { UsageError } from '../errors.ts';
import { attentionPicture } from '../models/attention-picture.ts';
import type { Seq2Seq } from '../models/seq2seq.ts';
import { writeFileAtomic } from '../node/atomic-files.ts';
import { loadRun } from '../node/load-run.ts';
import { type AdapterOption, openDevice, say } from './session.ts';

export interface TranslateCommandOptions extends AdapterOption {
  readonly batchSize?: unknown;
  readonly attention?: unknown;
}

/** Lines gathered before they are sorted by length and decoded: memory stays bounded on endless input. */
const blockLines = 4096;

export async function runTranslate(path: string, options: TranslateCommandOptions): Promise<void> {
  const batchSize = parseBatchSize(options.batchSize);
  using gpu = await openDevice(options);
  const { model, warnings } = await loadRun(gpu, String(path));
  try {
    for (const warning of warnings) say(`warning: ${warning}`);
    const picture = new FirstPicture(options.attention === undefined ? undefined : String(options.attention));
    const translate = async (lines: readonly string[]) => {
      await picture.draw(model, lines);
      return model.translate(lines, batchSize === undefined ? {} : { batchSize });
    };
    if (process.stdin.isTTY) await answer(translate);
    else await filter(translate);
  } finally {
    await model.dispose();
  }
}

type Translate = (lines: readonly string[]) => Promise<string[]>;

async function filter(translate: Translate): Promise<void> {
  const decoder = new LineDecoder('standard input');
  let lines: string[] = [];
  const flush = async () => {
    for (const line of await translate(lines)) process.stdout.write(`${line}\n`);
    lines = [];
  };
  for await (const chunk of process.stdin) {
    lines.push(...decoder.push(chunk as Uint8Array));
    if (lines.length >= blockLines) await flush();
  }
  lines.push(...decoder.finish());
  await flush();
}

async function answer(translate: Translate): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt: '> ' });
  terminal.prompt();
  for await (const line of terminal) {
    const [translation] = await translate([line]);
    process.stdout.write(`${translation}\n`);
    terminal.prompt();
  }
}

/** Draws the attention over the first line that is not empty, once. */
class FirstPicture {
  #file: string | undefined;

  constructor(file: string | undefined) {
    this.#file = file;
  }

  async draw(model: Seq2Seq, lines: readonly string[]): Promise<void> {
    const line = lines.find((candidate) => candidate.trim() !== '');
    if (this.#file === undefined || line === undefined) return;
    const [translation] = await model.translateDetailed([line], { alignments: true });
    await writeFileAtomic(this.#file, attentionPicture(translation!));
    say(`attention over '${line}' drawn in ${this.#file}`);
    this.#file = undefined;
  }
}

function parseBatchSize(option: unknown): number | undefined {
  if (option === undefined) return undefined;
  const size = Number(option);
  if (Number.isInteger(size) && size > 0) return size;
  throw new UsageError(`--batch-size: ${String(option)} is no number of lines`);
}
