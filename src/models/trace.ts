/**
 * Every value that a model computes for one input, step by step, as plain arrays: for looking at (`trace-picture.ts` draws
 * them) and for lessons. A decoder is shown on its own words: they are found as `predict` finds them, at temperature 0;
 * then one pass over exactly these words has every step's values, the same that made it choose them.
 */
import { BEGIN_ID, END_ID, PAD_ID } from '../data/special-tokens.ts';
import { type ForwardResult, ForwardRunner } from '../decode/forward-runner.ts';
import { UsageError } from '../errors.ts';
import type { ModelType } from '../nn/model-config.ts';
import { cells } from '../ops/cells/registry.ts';
import { destroyTensor, persistentTensor, writeTensor } from '../scheduler/persistent.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import type { Config } from '../train/config/types.ts';
import type { AnyModel } from './kinds.ts';
import { createTokenizers } from './prepare-data.ts';
import { encodeInputs, type Input, inputBatches, type Prediction } from './task.ts';
import type { Continuation } from './tasks/language-model.ts';
import { recordTrace } from './trace-record.ts';

/** A row for each step. */
export type Values = readonly (readonly number[])[];

/** One direction of a layer. */
export interface TracedLayer {
  /** From 1, at the bottom. */
  readonly layer: number;
  readonly direction: 'forward' | 'backward';
  /** By name (h; of an LSTM c too) after each step, [T, H]. */
  readonly states: Readonly<Record<string, Values>>;
  /** By name before the first step, [H]; of decoders that start from something. */
  readonly initial?: Readonly<Record<string, readonly number[]>>;
}

export interface TracedStack {
  /** What is read at each step; steps of frames have numbers, from 1. */
  readonly tokens: readonly string[];
  /** [T, E]: the embedded tokens, with what stands beside them (a word's characters); or the frames. */
  readonly x: Values;
  /** Bottom up; of a bidirectional layer forward, then backward. */
  readonly layers: readonly TracedLayer[];
}

export interface TracedDecoder extends TracedStack {
  /** How many of its words it was given: `<s>`, of a language model the beginning of the line too; the rest are its own. */
  readonly given: number;
  /** Whether h̃ of each step is read at the next one. */
  readonly inputFeeding: boolean;
  /** α [T, S] over the source, with attention. */
  readonly alignments?: Values;
  /** h̃ [T, H], with attention. */
  readonly attentional?: Values;
}

/** One vector for the whole source. */
export interface TracedContext {
  /** What it is made of: last, linear, mean, max or attention-pooled; of a generator `class` or `vector`. */
  readonly kind: string;
  readonly values: readonly number[];
  /** [S], of a learned query. */
  readonly weights?: readonly number[];
  /** Where a decoder reads it. */
  readonly use?: 'initial_state' | 'first_step' | 'every_step' | 'both';
}

/** One choice: of a decoder a word at each step, of a tagger a tag for each token, of a classifier one class. */
export interface TracedChoice {
  /** What was put out. A CRF may choose another tag than the most probable one. */
  readonly chosen: string;
  /** By the order of `names`. */
  readonly logits: readonly number[];
  /** softmax(logits) */
  readonly probabilities: readonly number[];
}

export interface Trace {
  readonly type: ModelType;
  /** The model in a few words: cell, layers, attention. */
  readonly model: string;
  /** The line that was given, or a description of the vectors. */
  readonly input: string;
  /** As `predict` has it. */
  readonly text: string;
  /** Whether a CRF chose the tags as one sequence. */
  readonly crf: boolean;
  /** What logits and probabilities are of: words, tags or classes. */
  readonly names: readonly string[];
  readonly encoder?: TracedStack;
  readonly context?: TracedContext;
  readonly decoder?: TracedDecoder;
  readonly choices: readonly TracedChoice[];
}

/**
 * Runs a model on one input and keeps everything.
 * @throws UsageError where there is nothing to run it on: an empty line, but for a language model
 */
export async function traceModel(model: AnyModel, input: Input): Promise<Trace> {
  const config = model.config as Config;
  const { gpu, vocabularies, network, type } = model;
  const pool = new ScratchPool(gpu);
  const tokenizers = createTokenizers(config);
  const encoded = encodeInputs([input], { gpu, config, vocabularies, pool, tokenizers });
  const [batch] = inputBatches(encoded, config, { batchSize: 1 });
  if (!batch) throw new UsageError('there is nothing to trace: the text is empty');
  const [output] = await model.predict([input], { temperature: 0 });
  // A language model goes on from what it was given. Of models without a decoder nothing reads them.
  const { continuation } = output as Partial<Continuation>;
  const begin = continuation ? encoded.source.at(0) : [BEGIN_ID];
  const words = Uint32Array.of(...begin, ...vocabularies.target.encode(continuation ?? output!.tokens));
  const ids = persistentTensor(gpu, 'trace words', [words.length, 1], 'u32');
  writeTensor(gpu, ids, words);
  const runner = new ForwardRunner<string>(gpu, network, pool, (tape, sources, random) =>
    recordTrace(tape, model, sources, ids, random),
  );
  try {
    const values = new TracedValues(await runner.run(batch), config);
    const names = vocabularies.target.tokens;
    const sourceLength = batch.sourceLengths[0]!;
    const given = typeof input === 'string' ? input : `${input.steps} × ${input.size} numbers`;
    const whole = { type, model: summary(config), input: given, text: output!.text, names };
    if (type === 'tagger' || type === 'classifier') {
      const context = type === 'classifier' ? values.context(config, sourceLength) : undefined;
      return {
        ...whole,
        crf: config.model.type === 'tagger' && config.model.crf,
        encoder: values.encoder(sourceNames(output!, sourceLength)),
        ...(context && { context }),
        choices: values.choices(output!.tokens),
      };
    }
    const chosen = values.greedyWords(names);
    // A line that reached its limit has no step that would have ended it.
    const steps = chosen.at(-1) === names[END_ID] ? words.length : words.length - 1;
    const givenWords = type === 'language_model' ? sourceLength : 1;
    const context = values.context(config, sourceLength);
    const read = Array.from(words.subarray(0, steps), (id) => names[id]!);
    return {
      ...whole,
      crf: false,
      ...(type === 'seq2seq' && { encoder: values.encoder(sourceNames(output!, sourceLength)) }),
      ...(context && { context }),
      decoder: values.decoder(read, givenWords, sourceLength),
      choices: values.choices(chosen.slice(0, steps)),
    };
  } finally {
    runner.dispose();
    destroyTensor(ids);
  }
}

/** What the encoder reads, step by step. */
function sourceNames(output: Prediction, length: number): readonly string[] {
  const { sourceTokens = [] } = output as { readonly sourceTokens?: readonly string[] };
  return sourceTokens.length > 0 ? sourceTokens : Array.from({ length }, (_, step) => `${step + 1}`);
}

/** As in `lstm, 2 layers, bidirectional, general attention`. */
function summary({ model }: Config): string {
  const stack = 'encoder' in model ? model.encoder : model.decoder;
  const parts = [
    model.cell,
    `${stack.num_layers} layer${stack.num_layers === 1 ? '' : 's'} of ${stack.hidden_size}`,
  ];
  if ('encoder' in model && model.encoder.bidirectional) parts.push('bidirectional');
  if (model.type === 'tagger' && model.characters.use) parts.push('characters');
  if (model.type === 'tagger' && model.crf) parts.push('CRF');
  if (model.type === 'classifier') parts.push(`pooling: ${model.pooling}`);
  if (model.type === 'seq2seq') {
    const { attention, context, context_use, input_feeding } = model.decoder;
    if (attention.score !== 'none') parts.push(`${attention.score} attention`);
    else parts.push(`no attention, context: ${context}, ${context_use.replaceAll('_', ' ')}`);
    if (input_feeding) parts.push('input feeding');
  }
  if (model.type === 'generator') parts.push(`input read at ${model.input.use.replaceAll('_', ' ')}`);
  return parts.join(', ');
}

/** What a pass left behind, as rows. */
class TracedValues {
  readonly #results: Readonly<Partial<Record<string, ForwardResult>>>;
  readonly #config: Config;
  readonly #states: readonly string[];

  constructor(results: Readonly<Partial<Record<string, ForwardResult>>>, config: Config) {
    this.#results = results;
    this.#config = config;
    this.#states = cells.get(config.model).states;
  }

  encoder(tokens: readonly string[]): TracedStack {
    const { model } = this.#config;
    const directions = 'encoder' in model && model.encoder.bidirectional ? 2 : 1;
    return this.#stack('encoder', tokens, directions);
  }

  /** Steps beyond its words are left out. */
  decoder(tokens: readonly string[], given: number, sourceLength: number): TracedDecoder {
    const { model } = this.#config;
    const stack = this.#stack('decoder', tokens, 1);
    const alignments = this.#optionalRows('alignments')?.slice(0, tokens.length);
    const attentional = this.#optionalRows('attentional')?.slice(0, tokens.length);
    return {
      ...stack,
      layers: stack.layers.map((layer) => ({ ...layer, ...this.#initial(layer.layer - 1) })),
      given,
      inputFeeding: model.type === 'seq2seq' && model.decoder.input_feeding,
      ...(alignments && { alignments: alignments.map((row) => row.slice(0, sourceLength)) }),
      ...(attentional && { attentional }),
    };
  }

  context({ model, data }: Config, sourceLength: number): TracedContext | undefined {
    const values = this.#optionalRows('context')?.[0];
    if (!values) return undefined;
    const weights = this.#optionalRows('weights')?.[0]?.slice(0, sourceLength);
    const found = { values, ...(weights && { weights }) };
    if (model.type === 'classifier') return { kind: model.pooling, ...found };
    if (model.type === 'seq2seq') {
      return { kind: model.decoder.context, ...found, use: model.decoder.context_use };
    }
    if (model.type !== 'generator') return undefined;
    return { kind: data.src.level === 'frames' ? 'vector' : 'class', ...found, use: model.input.use };
  }

  /** The most probable word of each step that a decoder may put out; the first of equals. */
  greedyWords(names: readonly string[]): string[] {
    return this.#rows('logits').map((row) => {
      let best = END_ID;
      for (const [id, logit] of row.entries()) {
        if (id === PAD_ID || id === BEGIN_ID) continue;
        if (logit > row[best]! || (logit === row[best]! && id < best)) best = id;
      }
      return names[best]!;
    });
  }

  /** One for each thing that was put out. */
  choices(chosen: readonly string[]): TracedChoice[] {
    const [logits, probabilities] = [this.#rows('logits'), this.#rows('probabilities')];
    return chosen.map((name, step) => ({
      chosen: name,
      logits: logits[step]!,
      probabilities: probabilities[step]!,
    }));
  }

  #stack(name: string, tokens: readonly string[], directions: number): TracedStack {
    const T = tokens.length;
    const parts: Values[] = [];
    for (let part = 0; this.#results[`${name}.x.${part}`]; part++)
      parts.push(this.#rows(`${name}.x.${part}`));
    const layers: TracedLayer[] = [];
    for (let layer = 0; this.#results[`${name}.${layer}.0`]; layer++) {
      for (let direction = 0; direction < directions; direction++) {
        const states = this.#states.map((state, index) => {
          const rows = this.#rows(`${name}.${layer}.${index}`).slice(0, T);
          const H = rows[0]!.length / directions;
          return [state, rows.map((row) => row.slice(direction * H, (direction + 1) * H))] as const;
        });
        layers.push({
          layer: layer + 1,
          direction: direction === 0 ? 'forward' : 'backward',
          states: Object.fromEntries(states),
        });
      }
    }
    const x = tokens.map((_, step) => parts.flatMap((rows) => rows[step]!));
    return { tokens: [...tokens], x, layers };
  }

  #initial(layer: number): Pick<TracedLayer, 'initial'> {
    const given = this.#states.flatMap((state, index) => {
      const values = this.#optionalRows(`decoder.initial.${layer}.${index}`)?.[0];
      return values ? [[state, values] as const] : [];
    });
    return given.length > 0 ? { initial: Object.fromEntries(given) } : {};
  }

  #rows(name: string): number[][] {
    const { data, shape } = this.#results[name]!;
    const width = shape.at(-1)!;
    return Array.from({ length: data.length / width }, (_, row) =>
      Array.from(data.subarray(row * width, (row + 1) * width)),
    );
  }

  #optionalRows(name: string): number[][] | undefined {
    return this.#results[name] && this.#rows(name);
  }
}
