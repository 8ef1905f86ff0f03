/** `couplet predict`: as `translate`, with how sure the model is. */
import type { AnyModel } from '../models/kinds.ts';
import type { Prediction } from '../models/task.ts';
import type { Classification } from '../models/tasks/classifier.ts';
import type { Tagging } from '../models/tasks/tagger.ts';
import { adapterOption, command, fastOption } from './arguments.ts';
import { converse } from './translate.ts';
import {
  batchSizeOption,
  drawingOptions,
  drawnAt,
  expectWriter,
  LineInputs,
  parsePredicting,
  wholeNumber,
  withModel,
} from './use-model.ts';

export const predictCommand = command({
  name: 'predict',
  argument: { name: 'RUN', help: 'a run folder of a model of any type' },
  summary: 'As translate, with probabilities; JSON lines with all a model says',
  details: `One line out for each line in, by the type of the model:
  classifier      label TAB probability, and so on for --top of them
  tagger          token/tag:probability for each token; token/tag with a CRF, which scores whole sequences
  other types     the text alone, as translate has it (couplet trace has the probabilities of their words)
--json gives an object a line instead: text and tokens of each output, and what the type adds: all classes with their
probabilities, tags with theirs, the source's tokens, attention weights, whether the text came to its end.`,
  options: {
    json: { help: 'Print a JSON object a line' },
    top: { value: 'K', help: 'Of a classifier: the K most probable classes (default: 1, with --json all)' },
    'batch-size': batchSizeOption,
    ...drawingOptions,
    adapter: adapterOption,
    fast: fastOption,
  },
  examples: [
    { line: 'predict runs/names < names.txt', note: 'a class and its probability a line' },
    { line: 'predict runs/names --top 3 < names.txt' },
    { line: 'predict runs/quickstart --json < words.txt | jq .tokens' },
  ],
  run(path, options) {
    const predicting = { ...parsePredicting(options), alignments: options.json };
    const top = wholeNumber('top', options.top, 'of classes', 1);
    return withModel(path, options, async (model) => {
      expectWriter(model, predicting);
      const inputs = new LineInputs(model);
      await converse(async (lines) => {
        const blank: Prediction = { text: '', tokens: [] };
        const outputs = await inputs.map(
          lines,
          blank,
          (all): Promise<readonly Prediction[]> => model.predict(all, drawnAt(predicting, inputs)),
        );
        return outputs.map((output) =>
          options.json ? jsonLine(output, top) : textLine(model, output, top ?? 1),
        );
      });
    });
  },
});

function textLine({ type }: AnyModel, output: Prediction, top: number): string {
  if (output.tokens.length === 0) return output.text;
  if (type === 'classifier') {
    const { probabilities } = output as Classification;
    return probabilities
      .slice(0, top)
      .map(({ label, probability }) => `${label}\t${probability.toFixed(4)}`)
      .join('\t');
  }
  if (type !== 'tagger') return output.text;
  const { sourceTokens, tags, probabilities } = output as Tagging;
  return tags
    .map((tag, step) => {
      const token = sourceTokens[step] ?? `${step + 1}`;
      return `${token}/${tag}${probabilities ? `:${probabilities[step]!.toFixed(4)}` : ''}`;
    })
    .join(' ');
}

function jsonLine(output: Prediction, top: number | undefined): string {
  return JSON.stringify(output, (key, value: unknown) => {
    if (value instanceof Float32Array) return Array.from(value);
    return key === 'probabilities' &&
      Array.isArray(value) &&
      top !== undefined &&
      typeof value[0] === 'object'
      ? value.slice(0, top)
      : value;
  });
}
