/**
 * The language model: the next token from those before it. On lines each starts from zero states; on a stream a chunk
 * starts from the states that the one before it left behind, without a gradient through them (truncated
 * back-propagation through time).
 */
import { PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { add } from '../ops/add.ts';
import { cells } from '../ops/cells/registry.ts';
import { recordCopy } from '../ops/copy.ts';
import { embedding } from '../ops/embedding.ts';
import { recurrent } from '../ops/recurrent.ts';
import { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { DecoderStart } from './decoder.ts';
import { layerWeights } from './encoder.ts';
import { type GeneratingNetwork, recordDecoder, recordWordLoss } from './generating.ts';
import { initialValues } from './initialize-model.ts';
import type { LanguageModelConfig } from './model-config.ts';
import type { BatchTensors, DataSizes, LossOptions, SourceTensors, StepTensors } from './network.ts';
import { parameterSpecs } from './parameter-specs.ts';

export class LanguageModelNetwork implements GeneratingNetwork {
  readonly config: LanguageModelConfig;
  readonly parameters: ParameterStore;
  readonly frameSize = undefined;
  readonly readsCharacters = false;
  readonly memorySize = 0;
  readonly contextSize = 0;
  readonly contextUse = 'every_step';

  /** @throws LimitsError where a parameter is larger than what the device binds */
  constructor(gpu: Gpu, config: LanguageModelConfig, sizes: DataSizes) {
    this.config = config;
    this.parameters = new ParameterStore(gpu, parameterSpecs(config, sizes));
  }

  get spec(): LanguageModelConfig {
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

  get carries() {
    return { stack: this.config.decoder, stateCount: this.stateCount };
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

  /**
   * The states after a prefix, u32 [S, B] from `<s>` on: what generation goes on from. Residual connections and layers
   * are those of the decoder.
   */
  recordStart(tape: Tape, { source, sourceLengths }: SourceTensors): DecoderStart {
    const { decoder } = this.config;
    const [steps, batch] = [source.dim(0), source.dim(1)];
    let input = embedding(tape, source, this.targetEmbedding, { paddingIndex: PAD_ID });
    const initial: Tensor[][] = [];
    for (let layer = 0; layer < decoder.num_layers; layer++) {
      const { output, finalStates } = recurrent(tape, {
        cell: cells.get(this.config),
        label: `prefix.l${layer}`,
        steps,
        batch,
        hidden: decoder.hidden_size,
        inputs: [{ tensor: input, column: 0, width: input.dim(2) }],
        weights: layerWeights(this.parameters, 'decoder.rnn', layer, false),
        lengths: sourceLengths,
      });
      initial.push(finalStates);
      input = decoder.residual && layer > 0 ? add(tape, output, input) : output;
    }
    return { initial };
  }

  recordLoss(tape: Tape, batch: BatchTensors, step: StepTensors, options: LossOptions): void {
    const { carried } = options;
    const decoder = recordDecoder(tape, this, { initial: carried ?? [] }, batch, step, options.forcing);
    recordWordLoss(tape, this, decoder, batch, step, options);
    // Before the backward pass: it reads what the decoder started from out of its own memory.
    for (const [layer, states] of decoder.finalStates().entries()) {
      if (!carried) break;
      for (const [index, state] of states.entries()) recordCopy(tape, state, carried[layer]![index]!);
    }
    tape.backward();
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
