/** `couplet encode`: one vector for each line, for clustering, plots and search. */
import { writeNpy } from '../data/npy.ts';
import { DataError } from '../errors.ts';
import type { AnyModel } from '../models/kinds.ts';
import type { PredictOptions } from '../models/task.ts';
import { writeFileAtomic } from '../node/atomic-files.ts';
import { adapterOption, command, fastOption } from './arguments.ts';
import { say } from './session.ts';
import { filter } from './translate.ts';
import { batchSizeOption, LineInputs, wholeNumber, withModel } from './use-model.ts';

export const encodeCommand = command({
  name: 'encode',
  argument: { name: 'RUN', help: 'a run folder of a model that reads sequences: any but a generator' },
  summary: 'Turn each line of standard input into one vector',
  details: `The vector of a line is what the model makes of the whole of it: the fixed context of an encoder–decoder (with
attention the encoder's last state), what a classifier classifies, the mean of a tagger's states, a language model's
last state. An empty line gives zeros (of a language model what it starts from). Of a model that reads vectors, lines
name .npy or .csv files.`,
  options: {
    out: {
      value: 'FILE',
      help: 'Write a .npy file, float32 [lines, numbers] (default: print numbers with tabs, a line each)',
    },
    'batch-size': batchSizeOption,
    adapter: adapterOption,
    fast: fastOption,
  },
  examples: [
    { line: 'encode runs/names --out vectors.npy < names.txt', note: "in Python: numpy.load('vectors.npy')" },
    { line: 'encode runs/names < names.txt > vectors.tsv' },
  ],
  run(path, options) {
    const batchSize = wholeNumber('batch-size', options['batch-size'], 'of lines', 1);
    return withModel(path, options, async (model) => {
      // Says at once where a model cannot: waiting for input would hide it.
      await model.encode([]);
      const vectors = await readVectors(model, batchSize === undefined ? {} : { batchSize });
      const size = Math.max(0, ...vectors.map(({ length }) => length));
      const data = new Float32Array(vectors.length * size);
      // Empty lines stay zeros.
      for (const [index, vector] of vectors.entries()) data.set(vector, index * size);
      if (options.out === undefined) {
        for (let start = 0; start < data.length; start += size) {
          process.stdout.write(`${data.subarray(start, start + size).join('\t')}\n`);
        }
        return;
      }
      if (size === 0) {
        throw new DataError(`standard input has no line that says anything; ${options.out} is not written`);
      }
      await writeFileAtomic(options.out, writeNpy({ shape: [vectors.length, size], data }));
      say(`${options.out} holds float32 [${vectors.length}, ${size}]: a row for each line`);
    });
  },
});

async function readVectors(model: AnyModel, options: PredictOptions): Promise<Float32Array[]> {
  const inputs = new LineInputs(model);
  const vectors: Float32Array[] = [];
  const encode = async (lines: readonly string[]) => {
    vectors.push(...(await inputs.map(lines, new Float32Array(0), (all) => model.encode(all, options))));
    return [];
  };
  await filter(encode, process.stdin, process.stdout);
  return vectors;
}
