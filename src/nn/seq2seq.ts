/**
 * The encoder–decoder with Luong attention as the scheduler sees it: parameters, and what records its passes on a
 * tape (Luong, Pham & Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation").
 * The public model with vocabularies, training and files around it is `models/seq2seq.ts`.
 */
import { PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { cells } from '../ops/cells/registry.ts';
import { crossEntropy } from '../ops/cross-entropy.ts';
import { dropout } from '../ops/dropout.ts';
import { embedding } from '../ops/embedding.ts';
import { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { recordBridge } from './bridge.ts';
import { Decoder } from './decoder.ts';
import { dropoutSite } from './dropout-sites.ts';
import { recordEncoder } from './encoder.ts';
import { initialValues } from './initialize-model.ts';
import type { ModelConfig } from './model-config.ts';
import { seq2seqParameters, type VocabularySizes } from './seq2seq-parameters.ts';

/** A batch on the device. */
export interface PairTensors {
  /** u32 [S, B] */
  readonly source: Tensor;
  /** u32 [B] */
  readonly sourceLengths: Tensor;
  /** u32 [T, B]: what the decoder reads, from `<s>` on. */
  readonly targetInput: Tensor;
  /** u32 [T, B]: what it is to predict, up to `</s>`. */
  readonly targetOutput: Tensor;
}

/** What every training step shares and the host rewrites. */
export interface StepTensors {
  /** u32 [4]: seed and step of the dropout masks. */
  readonly random: Tensor;
  /** f32 [1]: what the summed loss is multiplied by before it is differentiated. */
  readonly scale: Tensor;
  /** f32 [8]: sums over steps, see `crossEntropy`. */
  readonly statistics: Tensor;
}

export class Seq2SeqNetwork {
  readonly config: ModelConfig;
  readonly sizes: VocabularySizes;
  readonly parameters: ParameterStore;

  /** @throws LimitsError where a parameter is larger than what the device binds */
  constructor(gpu: Gpu, config: ModelConfig, sizes: VocabularySizes) {
    this.config = config;
    this.sizes = sizes;
    this.parameters = new ParameterStore(gpu, seq2seqParameters(config, sizes));
  }

  initialize(seed: number): void {
    for (const [name, values] of initialValues(this.config, this.parameters, seed)) {
      this.parameters.write(name, values);
    }
  }

  /** States a layer carries: 2 for LSTM (h, c), else 1. */
  get stateCount(): number {
    return cells.get(this.config).states.length;
  }

  get targetEmbedding(): Tensor {
    return this.parameters.get(
      this.config.tied_embeddings ? 'encoder.embedding.weight' : 'decoder.embedding.weight',
    );
  }

  get outputWeight(): Tensor {
    return this.config.tied_softmax ? this.targetEmbedding : this.parameters.get('decoder.output.weight');
  }

  get outputBias(): Tensor {
    return this.parameters.get('decoder.output.bias');
  }

  /** Memory [S, B, M] and the decoder's initial states by layer and state, [B, H]. */
  recordEncoder(
    tape: Tape,
    ids: Tensor,
    lengths: Tensor,
    random: Tensor,
  ): { memory: Tensor; initial: Tensor[][] } {
    const inputs = { ids, lengths, random, paddingIndex: PAD_ID };
    const { memory, finalStates } = recordEncoder(tape, this.parameters, this.config, inputs);
    return { memory, initial: recordBridge(tape, this.parameters, this.config, finalStates) };
  }

  /** The whole teacher-forced forward pass: h̃ [T, B, H] and alignments [T, B, S]. */
  recordForward(tape: Tape, batch: PairTensors, random: Tensor): { output: Tensor; alignments: Tensor } {
    const { memory, initial } = this.recordEncoder(tape, batch.source, batch.sourceLengths, random);
    const embedded = embedding(tape, batch.targetInput, this.targetEmbedding, { paddingIndex: PAD_ID });
    const probability = this.config.decoder.embeddings.dropout;
    const decoder = new Decoder(tape, this.parameters, this.config, {
      embedded: dropout(tape, embedded, { probability, site: dropoutSite('target embedding'), random }),
      initial,
      memory,
      memoryLengths: batch.sourceLengths,
      random,
    });
    decoder.run();
    return decoder;
  }

  /** The summed cross-entropy, added to `step.statistics`; on a training tape the backward pass too. */
  recordLoss(tape: Tape, batch: PairTensors, step: StepTensors, labelSmoothing: number): void {
    const { output } = this.recordForward(tape, batch, step.random);
    crossEntropy(tape, {
      hidden: output,
      weight: this.outputWeight,
      bias: this.outputBias,
      targets: batch.targetOutput,
      ignoreIndex: PAD_ID,
      labelSmoothing,
      scale: step.scale,
      statistics: step.statistics,
    });
    tape.backward();
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
