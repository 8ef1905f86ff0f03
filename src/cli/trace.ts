/** `couplet trace`: every value that a model computes for one line, as text, JSON or a picture. */

import { UsageError } from '../errors.ts';
import { traceModel } from '../models/trace.ts';
import { tracePicture } from '../models/trace-picture.ts';
import { writeFileAtomic } from '../node/atomic-files.ts';
import { adapterOption, command, fastOption } from './arguments.ts';
import { say } from './session.ts';
import { traceText } from './trace-text.ts';
import { readInput, readsFrames, wholeNumber, withModel } from './use-model.ts';

export const traceCommand = command({
  name: 'trace',
  argument: { name: 'RUN', help: 'a run folder of a model of any type' },
  text: {
    name: 'TEXT',
    help: 'one line of input: text, a class to generate from, or a file of vectors',
  },
  summary: 'Show what a model computes for one line, step by step',
  details: `Step by step: x (what is read: the embedded token), the states h (of an LSTM c too) of each layer and direction, the
context or the attention weights α and h̃, and the most probable words, tags or classes with their logits. A decoder
runs on its own most probable words, as translate has them at temperature 0. The picture draws the unrolled network with
these values; --json has all of them, rows in the order of steps. '' is an error, but for a language model, which then
begins a line of its own.`,
  options: {
    svg: { value: 'FILE', help: 'Draw the unrolled network as an SVG picture' },
    json: { help: 'Print JSON with every value instead of text' },
    top: { value: 'K', help: 'Print the K most probable words of each step (default: 3)' },
    values: { value: 'N', help: 'Print the first N numbers of each vector (default: 6)' },
    adapter: adapterOption,
    fast: fastOption,
  },
  examples: [
    { line: "trace runs/quickstart 'alma'" },
    { line: "trace runs/quickstart 'alma' --svg trace.svg", note: 'open it in a browser' },
    { line: "trace runs/names 'Keller' --json | jq .context.values" },
  ],
  run(path, options, text) {
    const top = wholeNumber('top', options.top, 'of words', 1) ?? 3;
    const values = wholeNumber('values', options.values, 'of numbers', 1) ?? 6;
    return withModel(path, options, async (model) => {
      if (text.trim() === '' && readsFrames(model)) throw new UsageError('TEXT must name a file of vectors');
      const trace = await traceModel(model, await readInput(model, text));
      process.stdout.write(
        options.json ? `${JSON.stringify(trace, shortest)}\n` : traceText(trace, { top, values }),
      );
      if (options.svg === undefined) return;
      await writeFileAtomic(options.svg, tracePicture(trace));
      say(`the unrolled network is drawn in ${options.svg}`);
    });
  },
});

/** Nine digits give every float32 back. */
function shortest(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value;
}
