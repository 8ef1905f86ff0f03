/** The sequence classifier (N→1): one class for a sequence. */
import { ForwardRunner } from '../../decode/forward-runner.ts';
import { ClassifierNetwork } from '../../nn/classifier.ts';
import { encoderOutputSize } from '../../nn/model-config.ts';
import { encodeInputs, inputBatches, type Prediction, type Task } from '../task.ts';

export interface Classification extends Prediction {
  readonly label: string;
  /** Of the label. */
  readonly probability: number;
  /** Of every class, the most probable first. */
  readonly probabilities: readonly { readonly label: string; readonly probability: number }[];
  /** As the encoder reads them. */
  readonly sourceTokens: readonly string[];
  /** With `pooling: attention-pooled`: how much each token counted; only when asked for. */
  readonly weights?: Float32Array;
}

export const classifierTask: Task<'classifier', ClassifierNetwork, Classification> = {
  type: 'classifier',

  createNetwork: (gpu, config, sizes, options) => new ClassifierNetwork(gpu, config, sizes, options),

  createPredictor(parts) {
    const { gpu, network, pool, config, vocabularies } = parts;
    const runner = new ForwardRunner<'probabilities' | 'alignments'>(
      gpu,
      network,
      pool,
      (tape, sources, random) => network.recordProbabilities(tape, sources, random),
    );
    return {
      async predict(inputs, options) {
        const encoded = encodeInputs(inputs, parts);
        const none = { text: '', tokens: [], label: '', probability: 0, probabilities: [], sourceTokens: [] };
        const outputs = new Array<Classification>(inputs.length).fill(none);
        for (const batch of inputBatches(encoded, config, options)) {
          const { probabilities, alignments } = await runner.run(batch);
          const C = probabilities!.shape[1]!;
          for (const [row, index] of batch.indices.entries()) {
            const ofRow = Array.from(probabilities!.data.subarray(row * C, (row + 1) * C));
            const ranked = ofRow
              .map((probability, id) => ({ label: vocabularies.target.tokenOf(id), probability }))
              .sort((a, b) => b.probability - a.probability);
            const { label, probability } = ranked[0]!;
            const weights =
              options.alignments && alignments
                ? Float32Array.from(
                    alignments.data.subarray(row * batch.S, row * batch.S + batch.sourceLengths[row]!),
                  )
                : undefined;
            outputs[index] = {
              text: label,
              tokens: [label],
              label,
              probability,
              probabilities: ranked,
              sourceTokens: encoded.tokens[index]!,
              ...(weights && { weights }),
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
    record: (network, tape, sources, random) => network.recordPooled(tape, sources, random).context,
  },
};
