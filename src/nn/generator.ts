/**
 * The conditional generator (1→N): a class or a vector becomes a sequence. Mapped to `input.embedding_dim` numbers it is
 * read beside the first word alone (as Vinyals et al. 2015 show an image to "Show and Tell") or beside every one.
 */
import type { Gpu } from '../gpu/gpu.ts';
import { cells } from '../ops/cells/registry.ts';
import { embedding } from '../ops/embedding.ts';
import { linear } from '../ops/matmul.ts';
import { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { DecoderStart } from './decoder.ts';
import { type GeneratingNetwork, recordDecoder, recordWordLoss } from './generating.ts';
import { initialValues } from './initialize-model.ts';
import type { GeneratorConfig } from './model-config.ts';
import type { BatchTensors, DataSizes, LossOptions, SourceTensors, StepTensors } from './network.ts';
import { parameterSpecs, type SpecOptions } from './parameter-specs.ts';

export class GeneratorNetwork implements GeneratingNetwork {
  readonly config: GeneratorConfig;
  readonly parameters: ParameterStore;
  readonly frameSize: number | undefined;
  readonly readsCharacters = false;
  readonly memorySize = 0;

  /** @throws LimitsError where a parameter is larger than what the device binds */
  constructor(gpu: Gpu, config: GeneratorConfig, sizes: DataSizes, options: SpecOptions = {}) {
    this.config = config;
    this.frameSize = options.frames ? sizes.source : undefined;
    this.parameters = new ParameterStore(gpu, parameterSpecs(config, sizes, options));
  }

  get spec(): GeneratorConfig {
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

  get contextUse(): 'first_step' | 'every_step' {
    return this.config.input.use;
  }

  get contextSize(): number {
    return this.config.input.embedding_dim;
  }

  get targetEmbedding(): Tensor {
    return this.parameters.get('decoder.embedding.weight');
  }

  get outputWeight(): Tensor {
    return this.config.tied_softmax ? this.targetEmbedding : this.parameters.get('decoder.output.weight');
  }

  get outputBias(): Tensor {
    return this.parameters.get('decoder.output.bias');
  }

  recordStart(tape: Tape, { source }: SourceTensors): DecoderStart {
    const B = source.dim(1);
    const context =
      source.dtype === 'f32'
        ? linear(
            tape,
            source.reshape(B, source.dim(2)),
            this.parameters.get('input.linear.weight'),
            this.parameters.get('input.linear.bias'),
          )
        : embedding(tape, source.reshape(B), this.parameters.get('input.embedding.weight'));
    return { initial: [], context };
  }

  recordLoss(tape: Tape, batch: BatchTensors, step: StepTensors, options: LossOptions): void {
    const start = this.recordStart(tape, batch);
    const decoder = recordDecoder(tape, this, start, batch, step, options.forcing);
    recordWordLoss(tape, this, decoder, batch, step, options);
    tape.backward();
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
