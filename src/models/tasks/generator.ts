/** The conditional generator (1→N): a class or a vector in, a line out. */
import { restoreOrder } from '../../data/batches.ts';
import { type Hypothesis, SequenceDecoder } from '../../decode/sequence-decoder.ts';
import { GeneratorNetwork } from '../../nn/generator.ts';
import { encodeInputs, inputBatches, type Prediction, type Task } from '../task.ts';

export interface Generation extends Prediction {
  /** False where the limit came before `</s>`. */
  readonly ended: boolean;
}

export const generatorTask: Task<'generator', GeneratorNetwork, Generation> = {
  type: 'generator',

  createNetwork: (gpu, config, sizes, options) => new GeneratorNetwork(gpu, config, sizes, options),

  createPredictor(parts) {
    const { gpu, network, pool, config, vocabularies, tokenizers } = parts;
    const decoder = new SequenceDecoder(gpu, network, pool);
    const { max_output_length, max_output_factor, temperature } = config.testing;
    const limit = max_output_length ?? Math.floor(max_output_factor) + 10;
    return {
      async predict(inputs, options) {
        const encoded = encodeInputs(inputs, parts);
        const decoded: { indices: readonly number[]; results: Hypothesis[] }[] = [];
        for (const batch of inputBatches(encoded, config, options)) {
          const found = await decoder.decode(batch, {
            limits: new Array<number>(batch.B).fill(limit),
            temperature: options.temperature ?? temperature,
            seed: options.seed ?? 0,
            number: decoded.length,
          });
          decoded.push({ indices: batch.indices, results: found.slice(0, batch.sentences) });
        }
        return restoreOrder<Hypothesis>(inputs.length, decoded, { ids: [], ended: true }).map(
          ({ ids, ended }) => {
            const tokens = vocabularies.target.decode(ids);
            return { text: tokenizers.target.detokenize(tokens), tokens, ended };
          },
        );
      },
      dispose: () => decoder.dispose(),
    };
  },
};
