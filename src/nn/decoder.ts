/**
 * The decoder: a stack of recurrent layers under Luong attention, over a range of steps. Training runs all steps at
 * once unless input feeding ties each step to the one before; decoding runs step by step in either case, because
 * each word is the last step's. Both use this class: `forward(start, end)` as often as needed, then, in training,
 * one backward pass over all steps with the weight gradients deferred to its end.
 */
import { LuongAttention } from '../ops/attention.ts';
import { cells } from '../ops/cells/registry.ts';
import { recordDropout } from '../ops/dropout.ts';
import { type RecurrentInput, RecurrentLayer } from '../ops/recurrent.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { dropoutSite } from './dropout-sites.ts';
import { layerWeights } from './encoder.ts';
import type { ModelConfig } from './model-config.ts';

export interface DecoderInputs {
  /** [T, B, E]: the embedded words. */
  readonly embedded: Tensor;
  /** By layer, then by state: [B, H]. */
  readonly initial: readonly (readonly Tensor[])[];
  /** [B, H]: h̃ before the first step, for input feeding; zeros where absent. */
  readonly initialFeed?: Tensor;
  /** [S, B, M] */
  readonly memory: Tensor;
  /** u32 [B] */
  readonly memoryLengths: Tensor;
  /** u32 [4]: seed and step of the dropout masks. */
  readonly random: Tensor;
}

/** A layer and what the next one reads of it. */
interface Stage {
  readonly layer: RecurrentLayer;
  readonly input: RecurrentInput;
  /** The layer's output after dropout; the output itself where nothing drops. */
  readonly dropped: Tensor;
  readonly site: number;
}

export class Decoder {
  /** [T, B, H]: the attentional vectors h̃ after dropout; what the output projection reads. */
  readonly output: Tensor;
  readonly #tape: Tape;
  readonly #config: ModelConfig;
  readonly #inputs: DecoderInputs;
  readonly #steps: number;
  readonly #stages: Stage[] = [];
  readonly #attention: LuongAttention;
  readonly #feed: RecurrentInput | undefined;

  constructor(tape: Tape, parameters: ParameterStore, config: ModelConfig, inputs: DecoderInputs) {
    const { decoder } = config;
    const [steps, batch, E] = [inputs.embedded.dim(0), inputs.embedded.dim(1), inputs.embedded.dim(2)];
    this.#tape = tape;
    this.#config = config;
    this.#inputs = inputs;
    this.#steps = steps;
    const H = decoder.hidden_size;
    const shape = [steps, batch, H];
    const attentionDrops = tape.training && decoder.hidden_dropout > 0;
    const trainable = { needsGradient: true };
    // Made before the layers: with input feeding the first layer reads it.
    const output = attentionDrops ? tape.tensor('decoder.output', shape, trainable) : undefined;
    let input: RecurrentInput = { tensor: inputs.embedded, column: 0, width: E };
    const feedSource = decoder.input_feeding
      ? (output ?? tape.tensor('decoder.h̃', shape, trainable))
      : undefined;
    const { initialFeed } = inputs;
    this.#feed = feedSource && {
      tensor: feedSource,
      column: E,
      width: H,
      shift: 1,
      ...(initialFeed && { initial: initialFeed }),
    };
    for (let index = 0; index < decoder.num_layers; index++) {
      const layer = new RecurrentLayer(tape, {
        cell: cells.get(config),
        label: `decoder.l${index}`,
        steps,
        batch,
        hidden: H,
        inputs: index === 0 && this.#feed ? [input, this.#feed] : [input],
        weights: layerWeights(parameters, 'decoder.rnn', index, false),
        initial: [...inputs.initial[index]!],
      });
      const drops = tape.training && decoder.dropout > 0 && index < decoder.num_layers - 1;
      const dropped = drops ? tape.tensor(`decoder.l${index}.dropped`, shape, trainable) : layer.output;
      this.#stages.push({ layer, input, dropped, site: dropoutSite('decoder', index) });
      input = { tensor: dropped, column: 0, width: H };
    }
    this.#attention = new LuongAttention(tape, {
      label: 'decoder.attention',
      score: decoder.attention.score,
      query: input.tensor,
      memory: inputs.memory,
      memoryLengths: inputs.memoryLengths,
      weights: attentionWeights(parameters),
      ...(feedSource && !output && { output: feedSource }),
    });
    this.output = output ?? this.#attention.output;
  }

  /** Alignments [T, B, S]. */
  get alignments(): Tensor {
    return this.#attention.weights;
  }

  /** The last layer-wise states after all steps, by layer and state: [B, H]. */
  finalStates(): Tensor[][] {
    return this.#stages.map(({ layer }) => layer.finalStates());
  }

  /** All steps, and what training needs to go back through them. */
  run(): void {
    if (this.#feed) {
      this.#projectEmbedded(0, this.#steps);
      for (let step = 0; step < this.#steps; step++) this.#advance(step, step + 1);
    } else {
      this.forward(0, this.#steps);
    }
    this.#tape.onBackward(() => this.#backward());
  }

  /** Steps `start` to `end`, whose embedded words are known by now. */
  forward(start: number, end: number): void {
    this.#projectEmbedded(start, end);
    this.#advance(start, end);
  }

  #projectEmbedded(start: number, end: number): void {
    const { layer, input } = this.#stages[0]!;
    layer.projectInput(input, start, end);
  }

  /** Everything of the steps but the projection of the words; more than one step only without input feeding. */
  #advance(start: number, end: number): void {
    const { decoder } = this.#config;
    for (const [index, { layer, input, dropped, site }] of this.#stages.entries()) {
      if (index > 0) layer.projectInput(input, start, end);
      else if (this.#feed) layer.projectInput(this.#feed, start, end);
      for (let step = start; step < end; step++) layer.forwardStep(step);
      if (dropped !== layer.output) this.#drop(layer.output, dropped, start, end, decoder.dropout, site);
    }
    this.#attention.forward(start, end);
    if (this.output !== this.#attention.output) {
      const site = dropoutSite('attentional');
      this.#drop(this.#attention.output, this.output, start, end, decoder.hidden_dropout, site);
    }
  }

  #drop(
    x: Tensor,
    y: Tensor,
    start: number,
    end: number,
    probability: number,
    site: number,
    accumulate: 0 | 1 = 0,
  ) {
    const { random } = this.#inputs;
    recordDropout(this.#tape, x, y, start, end, { probability, site, random, accumulate });
  }

  #backward(): void {
    if (!this.#tape.gradientOf(this.output)) return;
    if (this.#feed) {
      for (let step = this.#steps - 1; step >= 0; step--) this.#retreat(step, step + 1);
    } else {
      this.#retreat(0, this.#steps);
    }
    this.#attention.finishBackward();
    for (const { layer } of this.#stages) layer.finishBackward();
    const { layer, input } = this.#stages[0]!;
    layer.backwardInput(input, 0, this.#steps);
  }

  /** Back through steps `start` to `end`, down to the recurrent layers' gates and the fed-back h̃. */
  #retreat(start: number, end: number): void {
    const { decoder } = this.#config;
    const undrop = (y: Tensor, x: Tensor, probability: number, site: number) => {
      const upstream = this.#tape.gradientOf(y);
      const gradient = this.#tape.gradientPart(x);
      if (upstream && gradient) this.#drop(upstream, gradient, start, end, probability, site, 1);
    };
    if (this.output !== this.#attention.output) {
      undrop(this.output, this.#attention.output, decoder.hidden_dropout, dropoutSite('attentional'));
    }
    this.#attention.backward(start, end);
    for (const [index, { layer, input, dropped, site }] of [...this.#stages.entries()].reverse()) {
      if (dropped !== layer.output) undrop(dropped, layer.output, decoder.dropout, site);
      for (let step = end - 1; step >= start; step--) layer.backwardStep(step);
      if (index > 0) layer.backwardInput(input, start, end);
      else if (this.#feed) layer.backwardInput(this.#feed, start, end);
    }
  }
}

function attentionWeights(parameters: ParameterStore) {
  const prefix = 'decoder.attention';
  const optional = (name: string) =>
    parameters.has(`${prefix}.${name}.weight`) ? parameters.get(`${prefix}.${name}.weight`) : undefined;
  return {
    linearIn: optional('linear_in'),
    linearQuery: optional('linear_query'),
    linearContext: optional('linear_context'),
    v: optional('v'),
    linearOut: parameters.get(`${prefix}.linear_out.weight`),
  };
}
