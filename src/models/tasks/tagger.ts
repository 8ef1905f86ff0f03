/** The sequence tagger (N→N): one tag for each token. */
import { type ForwardResult, ForwardRunner } from '../../decode/forward-runner.ts';
import { encoderOutputSize } from '../../nn/model-config.ts';
import { TaggerNetwork } from '../../nn/tagger.ts';
import { pooling } from '../../ops/pooling.ts';
import { encodeInputs, inputBatches, type Prediction, type Task } from '../task.ts';

export interface Tagging extends Prediction {
  /** The tags; `tokens` of a prediction are what it puts out. */
  readonly tags: readonly string[];
  readonly sourceTokens: readonly string[];
  /** For each token the probability of its tag by itself; absent with a CRF, which scores whole sequences. */
  readonly probabilities?: readonly number[];
}

export const taggerTask: Task<'tagger', TaggerNetwork, Tagging> = {
  type: 'tagger',

  createNetwork: (gpu, config, sizes, options) => new TaggerNetwork(gpu, config, sizes, options),

  createPredictor(parts) {
    const { gpu, network, pool, config, vocabularies } = parts;
    const runner = new ForwardRunner<'probabilities' | 'tags'>(gpu, network, pool, (tape, sources, random) =>
      network.recordTags(tape, sources, random),
    );
    return {
      async predict(inputs, options) {
        const encoded = encodeInputs(inputs, parts);
        const empty: Tagging = { text: '', tokens: [], tags: [], sourceTokens: [] };
        const outputs = new Array<Tagging>(inputs.length).fill(empty);
        for (const batch of inputBatches(encoded, config, options)) {
          const { probabilities, tags } = await runner.run(batch);
          for (const [row, index] of batch.indices.entries()) {
            const found = Array.from({ length: batch.sourceLengths[row]! }, (_, t) =>
              choose(probabilities!, tags, t, row),
            );
            const names = found.map(({ tag }) => vocabularies.target.tokenOf(tag));
            outputs[index] = {
              text: names.join(' '),
              tokens: names,
              tags: names,
              sourceTokens: encoded.tokens[index]!,
              ...(!tags && { probabilities: found.map(({ probability }) => probability) }),
            };
          }
        }
        return outputs;
      },
      dispose: () => runner.dispose(),
    };
  },

  vectors: {
    size: ({ config }) => encoderOutputSize(config),
    record(network, tape, sources, random) {
      const { memory } = network.recordEncoder(tape, sources, random);
      return pooling(tape, memory, sources.sourceLengths, 'mean');
    },
  },
};

/** The tag at [t, row]: the CRF's where it has chosen, else the most probable one (the first of equals). */
function choose(
  { data, shape }: ForwardResult,
  tags: ForwardResult | undefined,
  t: number,
  row: number,
): { tag: number; probability: number } {
  const [, B, C] = shape as [number, number, number];
  const scores = Array.from(data.subarray((t * B + row) * C, (t * B + row + 1) * C));
  const tag = tags ? tags.data[t * B + row]! : scores.indexOf(Math.max(...scores));
  return { tag, probability: scores[tag]! };
}
