/** `couplet translate`: standard input to standard output, line by line; on a terminal it answers as you type. */
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { LineDecoder } from '../data/text.ts';
import { UsageError } from '../errors.ts';
import { attentionPicture } from '../models/attention-picture.ts';
import type { AnyModel } from '../models/kinds.ts';
import { writeFileAtomic } from '../node/atomic-files.ts';
import { adapterOption, command, fastOption } from './arguments.ts';
import { say } from './session.ts';
import {
  batchSizeOption,
  drawingOptions,
  drawnAt,
  expectWriter,
  LineInputs,
  parsePredicting,
  readInput,
  withModel,
} from './use-model.ts';

export const translateCommand = command({
  name: 'translate',
  argument: { name: 'RUN', help: 'a run folder of a model of any type' },
  summary: 'Run a model on standard input, one line out for each line in',
  details: `What comes out is what the model is for: a translation, the tags of a line's words, its class, text for the class that
a line names, or a line that begins as the given one does. Of a model that reads vectors, lines name .npy or .csv files.
An empty line stays empty; a language model writes a line of its own then. Words that the model never saw are read as
<unk>; a class that a generator never saw is an error. Input that arrives line by line is answered line by line, so
another program can keep couplet open and talk to it. With a temperature above 0, lines that arrive in the same pieces
with the same --seed are answered with the same text.`,
  options: {
    'batch-size': batchSizeOption,
    ...drawingOptions,
    attention: { value: 'FILE', help: 'Write the attention over the first line as an SVG picture' },
    adapter: adapterOption,
    fast: fastOption,
  },
  examples: [
    { line: 'translate runs/quickstart < words.txt > pronunciations.txt' },
    {
      line: 'translate runs/quickstart',
      note: 'on a terminal: type a line, get its translation; Ctrl-D ends it',
    },
    { line: 'translate runs/shakespeare --temperature 0.8 --seed 7', note: 'text that is drawn' },
    { line: 'translate runs/quickstart --attention attention.svg < word.txt' },
  ],
  run(path, options) {
    const predicting = parsePredicting(options);
    return withModel(path, options, async (model) => {
      expectWriter(model, predicting);
      const picture = new FirstPicture(options.attention);
      const inputs = new LineInputs(model);
      await converse(async (lines) => {
        await picture.draw(model, lines);
        return inputs.map(lines, '', (all) => model.translate(all, drawnAt(predicting, inputs)));
      });
    });
  },
});

/** Answers standard input: as a conversation on a terminal, else line for line. */
export async function converse(translate: Translate): Promise<void> {
  if (process.stdin.isTTY) await answer(translate, process.stdin, process.stdout, process.stderr);
  else await filter(translate, process.stdin, process.stdout);
}

export type Translate = (lines: readonly string[]) => Promise<readonly string[]>;

/** Lines that are sorted by length and decoded together at most: memory stays bounded on endless input. */
const blockLines = 4096;

/** One line out for each line in. What has arrived is translated as soon as nothing more is waiting. */
export async function filter(translate: Translate, input: Readable, output: Writable): Promise<void> {
  const decoder = new LineDecoder('standard input');
  let lines: string[] = [];
  const flush = async () => {
    for (let start = 0; start < lines.length; start += blockLines) {
      const translations = await translate(lines.slice(start, start + blockLines));
      await write(output, translations.map((line) => `${line}\n`).join(''));
    }
    lines = [];
  };
  for await (const chunk of input) {
    for (const line of decoder.push(chunk as Uint8Array)) lines.push(line);
    if (input.readableLength === 0 || lines.length >= blockLines) await flush();
  }
  lines.push(...decoder.finish());
  await flush();
}

/** Waits until the reader has taken what is too much to keep. */
function write(output: Writable, text: string): Promise<void> {
  return new Promise((resolve) => {
    output.write(text, () => resolve());
  });
}

/** A conversation: a prompt, a line, its translation. */
export async function answer(
  translate: Translate,
  input: Readable,
  output: Writable,
  prompts: Writable,
): Promise<void> {
  const terminal = createInterface({
    input,
    output: prompts,
    prompt: '> ',
    terminal: input === process.stdin,
  });
  terminal.prompt();
  for await (const line of terminal) {
    const [translation] = await translate([line]);
    await write(output, `${translation}\n`);
    terminal.prompt();
  }
  prompts.write('\n');
}

/** Draws the attention over the first line that is not empty, once. */
class FirstPicture {
  #file: string | undefined;

  constructor(file: string | undefined) {
    this.#file = file;
  }

  async draw(model: AnyModel, lines: readonly string[]): Promise<void> {
    const line = lines.find((candidate) => candidate.trim() !== '');
    if (this.#file === undefined || line === undefined) return;
    if (model.type !== 'seq2seq' || model.network.memorySize === 0) {
      throw new UsageError('--attention is for models with attention, and this one has none');
    }
    const [translation] = await model.predict([await readInput(model, line)], { alignments: true });
    await writeFileAtomic(this.#file, attentionPicture(translation!));
    say(`the attention over '${line}' is drawn in ${this.#file}`);
    this.#file = undefined;
  }
}
