/**
 * What one type of model does of its own: which network it is, and how inputs become outputs. Everything else (data,
 * training, evaluation, files) is the same for all; see `model.ts`.
 */
import { type Sources, translationBatches } from '../data/batches.ts';
import { encodeCharacters } from '../data/characters.ts';
import { encodeLines } from '../data/dataset.ts';
import { checkFrames, type Frames } from '../data/frames.ts';
import { Sequences } from '../data/sequences.ts';
import { BEGIN_ID } from '../data/special-tokens.ts';
import { DataError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { ModelConfig, ModelType } from '../nn/model-config.ts';
import type { DataSizes, Network, SourceTensors } from '../nn/network.ts';
import type { SpecOptions } from '../nn/parameter-specs.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { Config } from '../train/config/types.ts';
import { expectKnown, formsOf, type Tokenizers, type Vocabularies } from './prepare-data.ts';

/** One input: a line of text, a class, or real-valued vectors. */
export type Input = string | Frames;

/** One output; each type of model adds to it. */
export interface Prediction {
  /** One line; of a language model as many as the beginning that it was given. */
  readonly text: string;
  readonly tokens: readonly string[];
}

export interface PredictOptions {
  /** Give the attention's weights too, where the model has attention. */
  readonly alignments?: boolean;
  /** Inputs worked on at once. Default: `testing.batch_size`. */
  readonly batchSize?: number;
  /** Of models that write text. Default: `testing.temperature`. */
  readonly temperature?: number;
  /** Of text that is drawn: the same seed draws the same text for the same inputs. Default: 0. */
  readonly seed?: number;
}

/** What a predictor is made of. */
export interface TaskParts<T extends ModelType, N extends Network> {
  readonly gpu: Gpu;
  readonly config: Config<T>;
  readonly vocabularies: Vocabularies;
  readonly tokenizers: Tokenizers;
  readonly network: N;
  readonly pool: ScratchPool;
}

export interface Predictor<Output> {
  /** One output for each input, in order. */
  predict(inputs: readonly Input[], options: PredictOptions): Promise<Output[]>;
  dispose(): void;
}

export interface Task<T extends ModelType, N extends Network, Output extends Prediction> {
  readonly type: T;
  /** @throws LimitsError where a parameter is larger than what the device binds */
  createNetwork(gpu: Gpu, config: ModelConfig<T>, sizes: DataSizes, options: SpecOptions): N;
  createPredictor(parts: TaskParts<T, N>): Predictor<Output>;
  /** One vector for each source, for clustering and plots; absent where a model reads no sequence. */
  readonly vectors?: {
    /** M */
    size(network: N): number;
    /** [B, M] */
    record(network: N, tape: Tape, sources: SourceTensors, random: Tensor): Tensor;
  };
}

/** Lengths in use are rounded up to multiples of this: few plans, little padding. */
export const bucketWidth = 4;

export interface EncodedInputs extends Sources {
  /** The tokens of each input in the order in which they are read; of vectors none. */
  readonly tokens: readonly (readonly string[])[];
}

/**
 * Inputs as ids of a model's vocabulary, or as vectors of its size.
 * @throws DataError naming an input of another kind, or a class that the model does not know
 */
export function encodeInputs<T extends ModelType>(
  inputs: readonly Input[],
  { config, vocabularies, tokenizers }: Omit<TaskParts<T, Network>, 'network'>,
): EncodedInputs {
  const forms = formsOf(config);
  if (forms.source === 'frames') return encodeFrames(inputs, vocabularies.source.size);
  const lines = inputs.map((input, index) => {
    if (typeof input === 'string') return input;
    throw new DataError(`input ${index + 1} is made of vectors, but this model reads text`);
  });
  if (forms.source === 'none') {
    // A language model reads what it writes; of several lines each from `<s>` on, as in a stream.
    const tokens = lines.map((text) => text.split('\n').map((line) => tokenizers.target.tokenize(line)));
    const ids = tokens.map((all) => all.flatMap((line) => [BEGIN_ID, ...vocabularies.target.encode(line)]));
    return {
      forms: { source: 'tokens' },
      source: Sequences.from(ids),
      tokens: tokens.map((all) => all.flat()),
    };
  }
  if (forms.source === 'label') {
    for (const line of lines) {
      for (const name of tokenizers.source.tokenize(line))
        expectKnown(name, vocabularies.source, 'the input');
    }
  }
  const { sequences, tokens } = encodeLines(lines, tokenizers.source, vocabularies.source, {
    reverse: config.data.reverse_source,
    form: forms.source,
  });
  const { characters } = vocabularies;
  return {
    forms,
    source: sequences,
    tokens,
    ...(characters && { characters: encodeCharacters(tokens, characters) }),
  };
}

function encodeFrames(inputs: readonly Input[], size: number): EncodedInputs {
  const frames = inputs.map((input, index) => {
    if (typeof input === 'string')
      throw new DataError(`input ${index + 1} is text, but this model reads vectors`);
    checkFrames(input, `input ${index + 1}`);
    if (input.size === size) return input;
    throw new DataError(`input ${index + 1} has ${input.size} numbers a step, but the model reads ${size}`);
  });
  return {
    forms: { source: 'frames' },
    source: Sequences.from(frames.map(({ steps }) => new Uint32Array(steps))),
    frames,
    tokens: frames.map(() => []),
  };
}

/** All inputs that are not empty, batched by length. */
export function inputBatches(encoded: EncodedInputs, config: Config, options: PredictOptions) {
  const batchSize = options.batchSize ?? config.testing.batch_size;
  return translationBatches(encoded, { batchSize, bucketWidth });
}
