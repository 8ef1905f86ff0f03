/**
 * The language model: the beginning of a line in, the line out. A beginning of several lines is read as in a stream: each
 * from `<s>` on, the state going on from line to line; what is written continues the last.
 */
import type { BatchPlan } from '../../data/batch-plan.ts';
import { fillSourceBatch } from '../../data/batches.ts';
import { Sequences } from '../../data/sequences.ts';
import { BEGIN_ID } from '../../data/special-tokens.ts';
import { SequenceDecoder } from '../../decode/sequence-decoder.ts';
import { LanguageModelNetwork } from '../../nn/language-model.ts';
import { bucketWidth, encodeInputs, type Prediction, type Task } from '../task.ts';

export interface Continuation extends Prediction {
  /** What the model added to the beginning that it was given. */
  readonly continuation: readonly string[];
  /** False where the limit came before `</s>`. */
  readonly ended: boolean;
}

export const languageModelTask: Task<'language_model', LanguageModelNetwork, Continuation> = {
  type: 'language_model',

  createNetwork: (gpu, config, sizes) => new LanguageModelNetwork(gpu, config, sizes),

  createPredictor(parts) {
    const { gpu, network, pool, config, vocabularies, tokenizers } = parts;
    const decoder = new SequenceDecoder(gpu, network, pool);
    const { target } = vocabularies;
    const { max_output_length, max_output_factor, batch_size, temperature } = config.testing;
    return {
      async predict(inputs, options) {
        const prefixes = [...encodeInputs(inputs, parts).source];
        const given = inputs.map((input) => {
          const lines = (input as string).split('\n');
          return { before: lines.slice(0, -1), tokens: tokenizers.target.tokenize(lines.at(-1)!) };
        });
        // All but the last token: that one is the first that generation reads.
        const source = Sequences.from(prefixes.map((prefix) => prefix.subarray(0, -1)));
        const outputs: Continuation[] = [];
        const B = Math.min(options.batchSize ?? batch_size, Math.max(1, inputs.length));
        for (let start = 0; start < inputs.length; start += B) {
          const indices = Array.from({ length: Math.min(B, inputs.length - start) }, (_, row) => start + row);
          const longest = Math.max(1, ...indices.map((index) => source.lengthOf(index)));
          const plan: BatchPlan = { B, S: Math.ceil(longest / bucketWidth) * bucketWidth, T: 0, indices };
          const batch = fillSourceBatch({ forms: { source: 'tokens' }, source }, plan);
          const firstTokens = new Uint32Array(B).fill(BEGIN_ID);
          for (const [row, index] of indices.entries()) firstTokens[row] = prefixes[index]!.at(-1)!;
          const limits = indices.map(
            (index) => max_output_length ?? Math.floor(max_output_factor * given[index]!.tokens.length) + 10,
          );
          const found = await decoder.decode(batch, {
            limits,
            firstTokens,
            temperature: options.temperature ?? temperature,
            seed: options.seed ?? 0,
            number: start / B,
          });
          for (const [row, index] of indices.entries()) {
            const { before, tokens: beginning } = given[index]!;
            const continuation = target.decode(found[row]!.ids);
            const tokens = [...beginning, ...continuation];
            const text = [...before, tokenizers.target.detokenize(tokens)].join('\n');
            outputs.push({ text, tokens, continuation, ended: found[row]!.ended });
          }
        }
        return outputs;
      },
      dispose: () => decoder.dispose(),
    };
  },

  vectors: {
    size: ({ config }) => config.decoder.hidden_size,
    record: (network, tape, sources) => network.recordStart(tape, sources).initial.at(-1)![0]!,
  },
};
