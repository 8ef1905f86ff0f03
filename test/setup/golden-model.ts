/** The PyTorch fixtures' models and batches as this project's own: what runs them is the code that users run. */
import type { Batch } from '../../src/data/batches.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { resolveModelConfig, type Seq2SeqConfig } from '../../src/nn/model-config.ts';
import { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import type { EngineOptions } from '../../src/train/engine.ts';
import type { GoldenBatch, GoldenModelConfig, GoldenTraining } from './golden.ts';

export function modelConfigOf(config: GoldenModelConfig): Seq2SeqConfig {
  return resolveModelConfig({
    cell: config.cell,
    nonlinearity: config.activation,
    encoder: {
      embeddings: { embedding_dim: config.sourceEmbedding },
      hidden_size: config.encoderHidden,
      bidirectional: config.bidirectional,
      num_layers: config.layers,
    },
    decoder: {
      embeddings: { embedding_dim: config.targetEmbedding },
      hidden_size: config.decoderHidden,
      num_layers: config.layers,
      input_feeding: config.inputFeeding,
      attention: { score: config.score },
      bridge: config.bridge,
    },
    tied_softmax: config.tiedSoftmax,
  });
}

/** The network with the fixture's weights. `values` by parameter name, exact in float32. */
export function networkOf(
  gpu: Gpu,
  config: GoldenModelConfig,
  values: ReadonlyMap<string, Float32Array>,
): Seq2SeqNetwork {
  const sizes = { source: config.sourceVocabulary, target: config.targetVocabulary };
  const network = new Seq2SeqNetwork(gpu, modelConfigOf(config), sizes);
  network.parameters.writeAll(values);
  return network;
}

/** Batch-major rows as the time-major arrays that the device takes. */
export function batchOf({ source, sourceLengths, targetIn, targetOut, targetLengths }: GoldenBatch): Batch {
  const sum = (lengths: readonly number[]) => lengths.reduce((total, length) => total + length, 0);
  return {
    B: source.length,
    S: source[0]!.length,
    T: targetIn[0]!.length,
    source: timeMajor(source),
    sourceLengths: Uint32Array.from(sourceLengths),
    sourceTokens: sum(sourceLengths),
    targetInput: timeMajor(targetIn),
    targetOutput: timeMajor(targetOut),
    targetLengths: Uint32Array.from(targetLengths),
    targetTokens: sum(targetLengths),
    sentences: source.length,
    indices: source.map((_, row) => row),
  };
}

function timeMajor(rows: readonly (readonly number[])[]): Uint32Array {
  const steps = rows[0]!.length;
  return Uint32Array.from({ length: steps * rows.length }, (_, at) => {
    const row = at % rows.length;
    return rows[row]![(at - row) / rows.length]!;
  });
}

/** What the training engine needs to do as the fixture's training did. */
export function engineOptionsOf(
  { labelSmoothing, normalization }: Pick<GoldenModelConfig, 'labelSmoothing' | 'normalization'>,
  training: GoldenTraining,
): EngineOptions {
  return {
    optimizer: {
      optimizer: training.optimizer,
      momentum: training.momentum ?? 0,
      adam_betas: [training.beta1 ?? 0.9, training.beta2 ?? 0.999],
      eps: training.epsilon ?? 1e-8,
      weight_decay: training.weightDecay,
    },
    labelSmoothing,
    normalization: normalization === 'sentences' ? 'batch' : 'tokens',
    clipGradNorm: training.maxGradientNorm ?? null,
    seed: 1,
    maxInFlight: 2,
  };
}
