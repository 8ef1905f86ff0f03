/**
 * The encoder–decoder as the scheduler sees it: parameters, and what records its passes on a tape; with attention (Luong,
 * Pham & Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation") or with one fixed context
 * (Cho et al. 2014; Sutskever et al. 2014). The public model with vocabularies, training and files around it is
 * `models/model.ts`.
 */
import { PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { cells } from '../ops/cells/registry.ts';
import { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { recordBridge, recordContextBridge } from './bridge.ts';
import { recordContext } from './context.ts';
import type { Decoder, DecoderStart } from './decoder.ts';
import { type Encoded, recordEncoder } from './encoder.ts';
import { type GeneratingNetwork, recordDecoder, recordWordLoss } from './generating.ts';
import { initialValues } from './initialize-model.ts';
import { encoderOutputSize, type Seq2SeqConfig } from './model-config.ts';
import type { BatchTensors, DataSizes, LossOptions, SourceTensors, StepTensors } from './network.ts';
import { parameterSpecs, type SpecOptions } from './parameter-specs.ts';

export class Seq2SeqNetwork implements GeneratingNetwork {
  readonly config: Seq2SeqConfig;
  readonly sizes: DataSizes;
  readonly parameters: ParameterStore;
  readonly frameSize: number | undefined;
  readonly readsCharacters = false;
  readonly contextUse = 'every_step';

  /** @throws LimitsError where a parameter is larger than what the device binds */
  constructor(gpu: Gpu, config: Seq2SeqConfig, sizes: DataSizes, options: SpecOptions = {}) {
    this.config = config;
    this.sizes = sizes;
    this.frameSize = options.frames ? sizes.source : undefined;
    this.parameters = new ParameterStore(gpu, parameterSpecs(config, sizes, options));
  }

  get spec(): Seq2SeqConfig {
    return this.config;
  }

  initialize(seed: number): void {
    for (const [name, values] of initialValues(this.config, this.parameters, seed)) {
      this.parameters.write(name, values);
    }
  }

  get stateCount(): number {
    return cells.get(this.config).states.length;
  }

  get #attends(): boolean {
    return this.config.decoder.attention.score !== 'none';
  }

  get memorySize(): number {
    return this.#attends ? encoderOutputSize(this.config) : 0;
  }

  get contextSize(): number {
    const reads = !this.#attends && this.config.decoder.context_use !== 'initial_state';
    return reads ? encoderOutputSize(this.config) : 0;
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

  recordEncoder(tape: Tape, { source, sourceLengths: lengths }: SourceTensors, random: Tensor): Encoded {
    return recordEncoder(tape, this.parameters, this.config, {
      source,
      lengths,
      random,
      paddingIndex: PAD_ID,
    });
  }

  recordStart(tape: Tape, source: SourceTensors, random: Tensor): DecoderStart {
    return this.recordStartFrom(tape, this.recordEncoder(tape, source, random), source.sourceLengths);
  }

  /** The decoder's start from encoded rows whose lengths are u32 [B]. */
  recordStartFrom(tape: Tape, encoded: Encoded, lengths: Tensor): DecoderStart {
    const { decoder } = this.config;
    if (this.#attends) {
      const initial = recordBridge(tape, this.parameters, this.config, encoded.finalStates());
      return { initial, memory: encoded.memory, memoryLengths: lengths };
    }
    const { context_use, context: kind } = decoder;
    // The last state starts each layer from the encoder's own; it is read as a vector only where a step reads it.
    const startsFromStates = kind === 'last' && context_use !== 'every_step';
    const context =
      kind === 'last' && context_use === 'initial_state'
        ? undefined
        : recordContext(tape, this.parameters, kind, encoded, lengths).context;
    let initial: DecoderStart['initial'] = [];
    if (startsFromStates) initial = recordBridge(tape, this.parameters, this.config, encoded.finalStates());
    else if (context_use !== 'every_step') {
      initial = recordContextBridge(tape, this.parameters, this.config, context!);
    }
    return { initial, ...(context_use !== 'initial_state' && { context: context! }) };
  }

  /** The whole forward pass on the reference's words: what the projection reads [T, B, H], and alignments [T, B, S]. */
  recordForward(
    tape: Tape,
    batch: Omit<BatchTensors, 'targetOutput'>,
    step: Pick<StepTensors, 'random' | 'sampling'>,
    forcing?: LossOptions['forcing'],
  ): Decoder {
    const start = this.recordStart(tape, batch, step.random);
    return recordDecoder(tape, this, start, batch, step, forcing);
  }

  recordLoss(tape: Tape, batch: BatchTensors, step: StepTensors, options: LossOptions): void {
    const decoder = this.recordForward(tape, batch, step, options.forcing);
    recordWordLoss(tape, this, decoder, batch, step, options);
    tape.backward();
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
