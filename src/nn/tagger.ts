/**
 * The sequence tagger (N→N): an encoder, a projection to the tags, and either a softmax a token or a linear-chain CRF over
 * all of them (Huang et al. 2015; with characters Lample et al. 2016).
 */
import { IGNORED_LABEL, PAD_ID } from '../data/special-tokens.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { cells } from '../ops/cells/registry.ts';
import { crfDecode, crfLoss } from '../ops/crf.ts';
import { crossEntropy } from '../ops/cross-entropy.ts';
import { dropout } from '../ops/dropout.ts';
import { embedding } from '../ops/embedding.ts';
import { linear } from '../ops/matmul.ts';
import { recurrent } from '../ops/recurrent.ts';
import { softmax } from '../ops/softmax.ts';
import { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { dropoutSite } from './dropout-sites.ts';
import { type Encoded, layerWeights, recordEncoder } from './encoder.ts';
import { initialValues } from './initialize-model.ts';
import type { TaggerConfig } from './model-config.ts';
import type { BatchTensors, DataSizes, LossOptions, Network, SourceTensors, StepTensors } from './network.ts';
import { parameterSpecs, type SpecOptions } from './parameter-specs.ts';

export class TaggerNetwork implements Network {
  readonly config: TaggerConfig;
  readonly parameters: ParameterStore;
  readonly frameSize: number | undefined;

  /** @throws LimitsError where a parameter is larger than what the device binds */
  constructor(gpu: Gpu, config: TaggerConfig, sizes: DataSizes, options: SpecOptions = {}) {
    this.config = config;
    this.frameSize = options.frames ? sizes.source : undefined;
    this.parameters = new ParameterStore(gpu, parameterSpecs(config, sizes, options));
  }

  get readsCharacters(): boolean {
    return this.config.characters.use;
  }

  initialize(seed: number): void {
    for (const [name, values] of initialValues(this.config, this.parameters, seed)) {
      this.parameters.write(name, values);
    }
  }

  recordEncoder(tape: Tape, batch: SourceTensors, random: Tensor): Encoded {
    return recordEncoder(tape, this.parameters, this.config, {
      source: batch.source,
      lengths: batch.sourceLengths,
      random,
      paddingIndex: PAD_ID,
      beside: this.readsCharacters ? this.#recordCharacters(tape, batch, random) : undefined,
    });
  }

  /** [S, B, 2·Hc]: each token's last character states, from left to right and from right to left. */
  #recordCharacters(tape: Tape, batch: SourceTensors, random: Tensor): Tensor {
    const { characters } = this.config;
    const [ids, lengths] = [batch.characters!, batch.characterLengths!];
    const [steps, words] = [ids.dim(0), ids.dim(1)];
    const table = this.parameters.get('characters.embedding.weight');
    const embedded = dropout(tape, embedding(tape, ids, table, { paddingIndex: PAD_ID }), {
      probability: this.config.encoder.embeddings.dropout,
      site: dropoutSite('character embedding'),
      random,
    });
    const { finalStates } = recurrent(tape, {
      cell: cells.get(this.config),
      label: 'characters',
      steps,
      batch: words,
      hidden: characters.hidden_size,
      inputs: [{ tensor: embedded, column: 0, width: characters.embedding_dim }],
      weights: layerWeights(this.parameters, 'characters.rnn', 0, true),
      lengths,
    });
    const [S, B] = [batch.source.dim(0), batch.source.dim(1)];
    return finalStates[0]!.reshape(S, B, 2 * characters.hidden_size);
  }

  /** The encoder's output after dropout: what the projection reads, [S, B, M]. */
  recordHidden(tape: Tape, batch: SourceTensors, random: Tensor): Tensor {
    const { memory } = this.recordEncoder(tape, batch, random);
    const probability = this.config.hidden_dropout;
    return dropout(tape, memory, { probability, site: dropoutSite('attentional'), random });
  }

  #recordScores(tape: Tape, hidden: Tensor): Tensor {
    const { parameters } = this;
    // What a loss starts from is f32 in any case.
    return linear(
      tape,
      hidden,
      parameters.get('output.weight'),
      parameters.get('output.bias'),
      'none',
      'f32',
    );
  }

  get #transitions() {
    return {
      transitions: this.parameters.get('crf.transitions'),
      start: this.parameters.get('crf.start_transitions'),
      end: this.parameters.get('crf.end_transitions'),
    };
  }

  recordLoss(tape: Tape, batch: BatchTensors, step: StepTensors, { labelSmoothing }: LossOptions): void {
    const hidden = this.recordHidden(tape, batch, step.random);
    const { scale, statistics } = step;
    if (this.config.crf) {
      crfLoss(tape, {
        emissions: this.#recordScores(tape, hidden),
        tags: batch.targetOutput,
        lengths: batch.sourceLengths,
        ...this.#transitions,
        scale,
        statistics,
      });
    } else {
      crossEntropy(tape, {
        hidden,
        weight: this.parameters.get('output.weight'),
        bias: this.parameters.get('output.bias'),
        targets: batch.targetOutput,
        ignoreIndex: IGNORED_LABEL,
        labelSmoothing,
        scale,
        statistics,
      });
    }
    tape.backward();
  }

  /**
   * `probabilities` [S, B, C] of each token by itself and, with a CRF, the best sequence of tags, u32 [S, B]. Without
   * one the best tag is the most probable one.
   */
  recordTags(tape: Tape, batch: SourceTensors, random: Tensor): { probabilities: Tensor; tags?: Tensor } {
    const scores = this.#recordScores(tape, this.recordHidden(tape, batch, random));
    const probabilities = softmax(tape, scores);
    if (!this.config.crf) return { probabilities };
    const lengths = batch.sourceLengths;
    return {
      probabilities,
      tags: crfDecode(tape, { emissions: scores, lengths, ...this.#transitions }).tags,
    };
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
