/**
 * The decoder: a stack of recurrent layers, under Luong attention or beside one fixed context or neither, over a range of
 * steps. Training runs all steps at once unless input feeding or sampling ties each step to the one before; decoding runs
 * step by step in any case, because each word is the last step's. All use this class: `forward(start, end)` as often as
 * needed, then, in training, one backward pass over all steps with the weight gradients deferred to its end.
 */
import { LuongAttention } from '../ops/attention.ts';
import { type CellChoice, cells } from '../ops/cells/registry.ts';
import { recordCopyRows } from '../ops/copy.ts';
import { recordDropout } from '../ops/dropout.ts';
import { type RecurrentInput, RecurrentLayer } from '../ops/recurrent.ts';
import type { AttentionScore } from '../ops/scores/registry.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { dropoutSite } from './dropout-sites.ts';
import { layerWeights } from './encoder.ts';
import type { StackConfig } from './model-config.ts';

/** What a decoder is built from; the `decoder` section of every model that has one. */
export interface DecoderConfig extends StackConfig {
  readonly hidden_dropout: number;
  readonly input_feeding?: boolean;
  readonly attention?: { readonly score: AttentionScore | 'none' };
}

export interface DecoderSpec extends CellChoice {
  readonly decoder: DecoderConfig;
}

/** What a decoder starts from and reads besides its words. */
export interface DecoderStart {
  /** By layer, then by state: [B, H]; zeros where absent. */
  readonly initial: readonly (readonly (Tensor | undefined)[])[];
  /** [S, B, M] and u32 [B], for attention. */
  readonly memory?: Tensor;
  readonly memoryLengths?: Tensor;
  /** [B, C], read beside the word. */
  readonly context?: Tensor;
}

export interface DecoderInputs extends Omit<DecoderStart, 'context'> {
  /** [T, B, E]: the embedded words. */
  readonly embedded: Tensor;
  /** [B, H]: h̃ before the first step, for input feeding; zeros where absent. */
  readonly initialFeed?: Tensor;
  /** What stands beside the word: [T, B, C] at every step, or [1, B, C] at the first step alone. */
  readonly context?: Tensor;
  /** u32 [4]: seed and step of the dropout masks. */
  readonly random: Tensor;
  /** `forward` is called step by step, or `run` with `beforeStep`; so it is with input feeding in any case. */
  readonly stepwise?: boolean;
}

/** A layer and what the next one reads of it. */
interface Stage {
  readonly layer: RecurrentLayer;
  readonly input: RecurrentInput;
  /** The layer's output after dropout; the output itself where nothing drops. */
  readonly dropped: Tensor;
  /** `dropped` and the layer's input added up, where there is a residual connection; else `dropped`. */
  readonly output: Tensor;
  readonly site: number;
}

export class Decoder {
  /** [T, B, H]: what the output projection reads: h̃, or without attention the top layer's output, after dropout. */
  readonly output: Tensor;
  readonly #tape: Tape;
  readonly #config: DecoderConfig;
  readonly #inputs: DecoderInputs;
  readonly #steps: number;
  readonly #stages: Stage[] = [];
  readonly #attention: LuongAttention | undefined;
  /** What dropout makes `output` of; `output` itself where nothing drops. */
  readonly #undropped: Tensor;
  readonly #context: RecurrentInput | undefined;
  readonly #feed: RecurrentInput | undefined;

  constructor(
    tape: Tape,
    parameters: ParameterStore,
    { decoder, ...choice }: DecoderSpec,
    inputs: DecoderInputs,
  ) {
    const [steps, batch, E] = [inputs.embedded.dim(0), inputs.embedded.dim(1), inputs.embedded.dim(2)];
    this.#tape = tape;
    this.#config = decoder;
    this.#inputs = inputs;
    this.#steps = steps;
    const H = decoder.hidden_size;
    const shape = [steps, batch, H];
    const score = decoder.attention?.score ?? 'none';
    const drops = tape.training && decoder.hidden_dropout > 0;
    const trainable = { dtype: tape.stored, needsGradient: true };
    // Made before the layers: with input feeding the first layer reads it.
    const output = drops ? tape.tensor('decoder.output', shape, trainable) : undefined;
    let input: RecurrentInput = { tensor: inputs.embedded, column: 0, width: E };
    const { context, initialFeed } = inputs;
    const C = context?.dim(2) ?? 0;
    this.#context = context && { tensor: context, column: E, width: C, steps: context.dim(0) };
    const feedSource = decoder.input_feeding
      ? (output ?? tape.tensor('decoder.h̃', shape, trainable))
      : undefined;
    this.#feed = feedSource && {
      tensor: feedSource,
      column: E + C,
      width: H,
      shift: 1,
      ...(initialFeed && { initial: initialFeed }),
    };
    const beside = [this.#context, this.#feed].filter((one) => one !== undefined);
    for (let index = 0; index < decoder.num_layers; index++) {
      const layer = new RecurrentLayer(tape, {
        cell: cells.get(choice),
        label: `decoder.l${index}`,
        steps,
        batch,
        hidden: H,
        inputs: index === 0 ? [input, ...beside] : [input],
        weights: layerWeights(parameters, 'decoder.rnn', index, false),
        initial: [...(inputs.initial[index] ?? [])],
      });
      const dropsHere = tape.training && decoder.dropout > 0 && index < decoder.num_layers - 1;
      const dropped = dropsHere ? tape.tensor(`decoder.l${index}.dropped`, shape, trainable) : layer.output;
      const adds = decoder.residual && index > 0;
      const sum = adds ? tape.tensor(`decoder.l${index}.residual`, shape, trainable) : dropped;
      this.#stages.push({ layer, input, dropped, output: sum, site: dropoutSite('decoder', index) });
      input = { tensor: sum, column: 0, width: H };
    }
    this.#attention =
      score === 'none'
        ? undefined
        : new LuongAttention(tape, {
            label: 'decoder.attention',
            score,
            query: input.tensor,
            memory: inputs.memory!,
            memoryLengths: inputs.memoryLengths!,
            weights: attentionWeights(parameters),
            stepwise: inputs.stepwise === true || this.#feed !== undefined,
            ...(feedSource && !output && { output: feedSource }),
          });
    this.#undropped = this.#attention?.output ?? input.tensor;
    this.output = output ?? this.#undropped;
  }

  /** Alignments [T, B, S]; undefined without attention. */
  get alignments(): Tensor | undefined {
    return this.#attention?.weights;
  }

  /** Each layer's output before dropout, [T, B, H]. */
  get layers(): readonly RecurrentLayer[] {
    return this.#stages.map(({ layer }) => layer);
  }

  /** The last layer-wise states after all steps, by layer and state: [B, H]. */
  finalStates(): Tensor[][] {
    return this.#stages.map(({ layer }) => layer.finalStates());
  }

  /**
   * All steps, and what training needs to go back through them. Where `beforeStep` is given it is called before each
   * step, to record what makes that step's words from the steps before; else all words are known.
   */
  run(beforeStep?: (step: number) => void): void {
    if (this.#feed || beforeStep) {
      if (!beforeStep) this.#projectEmbedded(0, this.#steps);
      for (let step = 0; step < this.#steps; step++) {
        beforeStep?.(step);
        if (beforeStep) this.#projectEmbedded(step, step + 1);
        this.#advance(step, step + 1);
      }
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
    if (this.#context) layer.projectInput(this.#context, start, end);
  }

  /** Everything of the steps but the projection of the words; more than one step only without input feeding. */
  #advance(start: number, end: number): void {
    for (const [index, { layer, input, dropped, output, site }] of this.#stages.entries()) {
      if (index > 0) layer.projectInput(input, start, end);
      else if (this.#feed) layer.projectInput(this.#feed, start, end);
      layer.forward(start, end);
      if (dropped !== layer.output) this.#drop(layer.output, dropped, start, end, this.#config.dropout, site);
      if (output !== dropped) {
        this.#copySteps(dropped, output, start, end, 0);
        this.#copySteps(input.tensor, output, start, end, 1);
      }
    }
    this.#attention?.forward(start, end);
    if (this.output !== this.#undropped) {
      const site = dropoutSite('attentional');
      this.#drop(this.#undropped, this.output, start, end, this.#config.hidden_dropout, site);
    }
  }

  /** y ← x, or y ← y + x, for a range of steps of two sequences [T, B, H]. */
  #copySteps(x: Tensor, y: Tensor, start: number, end: number, accumulate: 0 | 1): void {
    const width = x.size / this.#steps;
    const at = (tensor: Tensor) => ({ tensor, offset: start * width, row: width });
    recordCopyRows(this.#tape, at(x), at(y), end - start, width, accumulate);
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
    this.#attention?.finishBackward();
    for (const { layer } of this.#stages) layer.finishBackward();
    const { layer, input } = this.#stages[0]!;
    layer.backwardInput(input, 0, this.#steps);
    if (this.#context) layer.backwardInput(this.#context, 0, this.#steps);
  }

  /** Back through steps `start` to `end`, down to the recurrent layers' gates and the fed-back h̃. */
  #retreat(start: number, end: number): void {
    const undrop = (y: Tensor, x: Tensor, probability: number, site: number) => {
      const upstream = this.#tape.gradientOf(y);
      const gradient = this.#tape.gradientPart(x);
      if (upstream && gradient) this.#drop(upstream, gradient, start, end, probability, site, 1);
    };
    if (this.output !== this.#undropped) {
      undrop(this.output, this.#undropped, this.#config.hidden_dropout, dropoutSite('attentional'));
    }
    this.#attention?.backward(start, end);
    for (const [index, stage] of [...this.#stages.entries()].reverse()) {
      const { layer, input, dropped, output, site } = stage;
      if (output !== dropped) this.#spreadGradient(output, [dropped, input.tensor], start, end);
      if (dropped !== layer.output) undrop(dropped, layer.output, this.#config.dropout, site);
      layer.backward(start, end);
      if (index > 0) layer.backwardInput(input, start, end);
      else if (this.#feed) layer.backwardInput(this.#feed, start, end);
    }
  }

  /** Adds the gradient of a sum to those of its terms. */
  #spreadGradient(sum: Tensor, terms: readonly Tensor[], start: number, end: number): void {
    const upstream = this.#tape.gradientOf(sum);
    if (!upstream) return;
    for (const term of terms) {
      const gradient = this.#tape.gradientPart(term);
      if (gradient) this.#copySteps(upstream, gradient, start, end, 1);
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
