/** The encoder–decoder (N→M): a line in, a line out. */
import { restoreOrder } from '../../data/batches.ts';
import { type Hypothesis, SequenceDecoder } from '../../decode/sequence-decoder.ts';
import { recordContext } from '../../nn/context.ts';
import { encoderOutputSize } from '../../nn/model-config.ts';
import { Seq2SeqNetwork } from '../../nn/seq2seq.ts';
import { encodeInputs, inputBatches, type Prediction, type Task } from '../task.ts';

export interface Translation extends Prediction {
  /** Source tokens as the encoder reads them, `</s>` last. */
  readonly sourceTokens: readonly string[];
  /** A row of weights over the source tokens for each target token and the final `</s>`; only when asked for. */
  readonly alignments?: readonly Float32Array[];
}

export const seq2seqTask: Task<'seq2seq', Seq2SeqNetwork, Translation> = {
  type: 'seq2seq',

  createNetwork: (gpu, config, sizes, options) => new Seq2SeqNetwork(gpu, config, sizes, options),

  createPredictor(parts) {
    const { gpu, network, pool, config, vocabularies, tokenizers } = parts;
    const decoder = new SequenceDecoder(gpu, network, pool);
    const { max_output_length, max_output_factor, temperature } = config.testing;
    /** Most tokens put out for so many source tokens. */
    const limitOf = (sourceTokens: number) =>
      max_output_length ?? Math.floor(max_output_factor * sourceTokens) + 10;
    return {
      async predict(inputs, options) {
        const encoded = encodeInputs(inputs, parts);
        const end = encoded.forms.source === 'text' ? 1 : 0;
        const decoded: { indices: readonly number[]; results: Hypothesis[] }[] = [];
        for (const batch of inputBatches(encoded, config, options)) {
          const limits = Array.from(batch.sourceLengths, (length) => limitOf(length - end));
          const found = await decoder.decode(batch, {
            limits,
            alignments: options.alignments ?? false,
            temperature: options.temperature ?? temperature,
            seed: options.seed ?? 0,
            number: decoded.length,
          });
          decoded.push({ indices: batch.indices, results: found.slice(0, batch.sentences) });
        }
        const ordered = restoreOrder<Hypothesis>(inputs.length, decoded, { ids: [], ended: true });
        const { source, target } = vocabularies;
        return ordered.map(({ ids, alignments }, index) => {
          const tokens = target.decode(ids);
          const sourceIds = encoded.frames ? [] : Array.from(encoded.source.at(index));
          return {
            text: tokenizers.target.detokenize(tokens),
            tokens,
            sourceTokens: sourceIds.map((id) => source.tokenOf(id)),
            ...(alignments && { alignments }),
          };
        });
      },
      dispose: () => decoder.dispose(),
    };
  },

  vectors: {
    size: ({ config }) => encoderOutputSize(config),
    record(network, tape, sources, random) {
      const encoded = network.recordEncoder(tape, sources, random);
      const { context } = network.config.decoder;
      return recordContext(tape, network.parameters, context, encoded, sources.sourceLengths).context;
    },
  },
};
