/** The sequence classifier (N→1): an encoder, one vector of its states, and a projection to the classes. */
import { IGNORED_LABEL, PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { crossEntropy } from '../ops/cross-entropy.ts';
import { dropout } from '../ops/dropout.ts';
import { linear } from '../ops/matmul.ts';
import { softmax } from '../ops/softmax.ts';
import { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { type ContextResult, recordContext } from './context.ts';
import { dropoutSite } from './dropout-sites.ts';
import { type Encoded, recordEncoder } from './encoder.ts';
import { initialValues } from './initialize-model.ts';
import type { ClassifierConfig } from './model-config.ts';
import type { BatchTensors, DataSizes, LossOptions, Network, SourceTensors, StepTensors } from './network.ts';
import { parameterSpecs, type SpecOptions } from './parameter-specs.ts';

export class ClassifierNetwork implements Network {
  readonly config: ClassifierConfig;
  readonly parameters: ParameterStore;
  readonly frameSize: number | undefined;
  readonly readsCharacters = false;

  /** @throws LimitsError where a parameter is larger than what the device binds */
  constructor(gpu: Gpu, config: ClassifierConfig, sizes: DataSizes, options: SpecOptions = {}) {
    this.config = config;
    this.frameSize = options.frames ? sizes.source : undefined;
    this.parameters = new ParameterStore(gpu, parameterSpecs(config, sizes, options));
  }

  initialize(seed: number): void {
    for (const [name, values] of initialValues(this.config, this.parameters, seed)) {
      this.parameters.write(name, values);
    }
  }

  recordEncoder(tape: Tape, { source, sourceLengths: lengths }: SourceTensors, random: Tensor): Encoded {
    return recordEncoder(tape, this.parameters, this.config, {
      source,
      lengths,
      random,
      paddingIndex: PAD_ID,
    });
  }

  /** The vector that is classified, [B, M]; of a learned query with its weights. */
  recordPooled(tape: Tape, batch: SourceTensors, random: Tensor): ContextResult {
    const encoded = this.recordEncoder(tape, batch, random);
    return recordContext(tape, this.parameters, this.config.pooling, encoded, batch.sourceLengths);
  }

  recordLoss(tape: Tape, batch: BatchTensors, step: StepTensors, options: LossOptions): void {
    const { context } = this.recordPooled(tape, batch, step.random);
    const drops = {
      probability: this.config.hidden_dropout,
      site: dropoutSite('pooled states'),
      random: step.random,
    };
    crossEntropy(tape, {
      hidden: dropout(tape, context, drops),
      weight: this.parameters.get('output.weight'),
      bias: this.parameters.get('output.bias'),
      targets: batch.targetOutput,
      ignoreIndex: IGNORED_LABEL,
      labelSmoothing: options.labelSmoothing,
      ...(options.classWeights && { classWeights: options.classWeights }),
      scale: step.scale,
      statistics: step.statistics,
    });
    tape.backward();
  }

  /** [B, classes], and [B, S] the weights of a learned query. */
  recordProbabilities(
    tape: Tape,
    batch: SourceTensors,
    random: Tensor,
  ): { probabilities: Tensor; alignments?: Tensor } {
    const { context, alignments } = this.recordPooled(tape, batch, random);
    const scores = linear(
      tape,
      context,
      this.parameters.get('output.weight'),
      this.parameters.get('output.bias'),
    );
    const probabilities = softmax(tape, scores);
    return { probabilities, ...(alignments && { alignments }) };
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
