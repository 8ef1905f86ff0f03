/**
 * The PyTorch fixtures of every type of model (test/golden/models): their networks with their weights, and their rows as
 * data sets, from which the code that users run makes batches.
 */
import { type Batch, fillBatch } from '../../src/data/batches.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import type { Forms } from '../../src/data/forms.ts';
import { Sequences } from '../../src/data/sequences.ts';
import { IGNORED_LABEL } from '../../src/data/special-tokens.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { ClassifierNetwork } from '../../src/nn/classifier.ts';
import type { DeepPartial } from '../../src/nn/config/spec.ts';
import { GeneratorNetwork } from '../../src/nn/generator.ts';
import { LanguageModelNetwork } from '../../src/nn/language-model.ts';
import { type ModelConfig, type ModelType, resolveModelConfig } from '../../src/nn/model-config.ts';
import type { DataSizes } from '../../src/nn/network.ts';
import type { SpecOptions } from '../../src/nn/parameter-specs.ts';
import { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import { TaggerNetwork } from '../../src/nn/tagger.ts';
import type { EngineOptions } from '../../src/train/engine.ts';
import { fixtureNames, type GoldenParameters, type GoldenTensor, readFixture } from './golden.ts';

/** The `model` section of a configuration. */
export type GivenModel = { readonly type: ModelType } & DeepPartial<ModelConfig>;

/** Rows as they are in a data set: without padding, words with `</s>` at the end, `<s>` nowhere. */
export interface GoldenRows {
  /** [B] rows of ids, or [B] of frames [S, F]. */
  source: number[][] | GoldenTensor[];
  /** Of each source token the ids of its characters. */
  characters?: number[][][];
  /** Words, tags (PyTorch's −100: neither learnt nor scored), or one class. */
  target: number[][];
  classWeights?: number[];
}

export interface GoldenNetwork {
  name: string;
  model: GivenModel;
  sizes: DataSizes;
  frames: boolean;
  labelSmoothing: number;
  batch: GoldenRows;
  parameters: GoldenParameters;
  /** Summed, and what it is divided by: words, tags, rows or the sum of their weights. */
  loss: { sum: number; count: number };
  /** Batch-major, zeros at padding where that is not the network's own. */
  outputs: Readonly<Record<string, GoldenTensor | number[][]>>;
  /** Of `loss.sum / loss.count`. */
  gradients: GoldenParameters;
  /** SGD; entry k belongs to the weights after k updates. */
  training: { learningRate: number; momentum: number; losses: number[] };
}

/** A language model on a stream of `lines`, cut into `rows` parallel streams and chunks of `bptt` steps. */
export interface GoldenStream {
  model: GivenModel;
  sizes: DataSizes;
  lines: number[][];
  rows: number;
  bptt: number;
  learningRate: number;
  momentum: number;
  parameters: GoldenParameters;
  /** In order: the summed loss before, and the parameters after. */
  updates: { loss: number; tokens: number; parameters: GoldenParameters }[];
  /** After all updates, of all tokens of the stream, each given all before it; summed. */
  finalLoss: number;
}

export const goldenNetworkNames = (): string[] => fixtureNames('models');
export const loadGoldenNetwork = (name: string) => readFixture(`models/${name}.json`) as GoldenNetwork;
export const loadStream = () => readFixture('language-model-stream.json') as GoldenStream;

type AnyNetwork =
  | ClassifierNetwork
  | GeneratorNetwork
  | LanguageModelNetwork
  | Seq2SeqNetwork
  | TaggerNetwork;

export function networkOfModel(
  gpu: Gpu,
  model: GivenModel,
  sizes: DataSizes,
  options?: SpecOptions,
): AnyNetwork {
  const config = resolveModelConfig(model) as ModelConfig;
  switch (config.type) {
    case 'classifier':
      return new ClassifierNetwork(gpu, config, sizes, options);
    case 'generator':
      return new GeneratorNetwork(gpu, config, sizes, options);
    case 'language_model':
      return new LanguageModelNetwork(gpu, config, sizes);
    case 'seq2seq':
      return new Seq2SeqNetwork(gpu, config, sizes, options);
    case 'tagger':
      return new TaggerNetwork(gpu, config, sizes, options);
    default:
      return config satisfies never;
  }
}

export function weightsOf(parameters: GoldenParameters): Map<string, Float32Array> {
  return new Map(Object.entries(parameters).map(([name, { data }]) => [name, Float32Array.from(data)]));
}

/** The network with the fixture's weights. */
export function goldenNetwork(gpu: Gpu, { model, sizes, frames, parameters }: GoldenNetwork): AnyNetwork {
  const network = networkOfModel(gpu, model, sizes, { frames });
  network.parameters.writeAll(weightsOf(parameters));
  return network;
}

const forms: Readonly<Record<ModelType, Forms>> = {
  seq2seq: { source: 'text', target: 'text' },
  tagger: { source: 'tokens', target: 'tags' },
  classifier: { source: 'tokens', target: 'label' },
  generator: { source: 'label', target: 'text' },
  language_model: { source: 'none', target: 'text' },
};

/** Rows as a data set of a model of this type. */
export function datasetOf(type: ModelType, { source, characters, target }: GoldenRows): Dataset {
  const ids = source.map((row) => ('shape' in row ? new Uint32Array(row.shape[0]!) : row));
  const frames = source.flatMap((row) =>
    'shape' in row ? [{ data: Float32Array.from(row.data), steps: row.shape[0]!, size: row.shape[1]! }] : [],
  );
  let spelled = 0;
  return {
    name: 'fixture',
    forms: frames.length > 0 ? { ...forms[type], source: 'frames' } : forms[type],
    source: Sequences.from(ids),
    ...(frames.length > 0 && { frames }),
    ...(characters && {
      characters: {
        words: Sequences.from(characters.map((row) => row.map(() => spelled++))),
        ids: Sequences.from(characters.flat()),
      },
    }),
    target: Sequences.from(target.map((row) => row.map((id) => (id < 0 ? IGNORED_LABEL : id)))),
    lines: Uint32Array.from(target.keys()),
    sourceUnknown: { unknown: 0, tokens: 0, rate: 0 },
    targetUnknown: { unknown: 0, tokens: 0, rate: 0 },
  };
}

/** All rows of a fixture as one batch with `rows` empty rows, and `steps` steps that no row has. */
export function goldenBatch({ model, batch }: GoldenNetwork, rows = 0, steps = 0): Batch {
  const dataset = datasetOf(model.type, batch);
  const indices = batch.target.map((_, row) => row);
  const longest = (side: Sequences) => Math.max(1, ...indices.map((index) => side.lengthOf(index)));
  // A class is one step, whatever happens.
  const pad = (form: string) => (form === 'label' ? 0 : steps);
  return fillBatch(dataset, {
    B: indices.length + rows,
    S: longest(dataset.source) + (model.type === 'generator' ? 0 : steps),
    // A tag stands at its token's step.
    T: longest(dataset.target) + pad(dataset.forms.target),
    indices,
  });
}

/** SGD on the loss a token, as the fixtures were trained. */
export function sgdOptions(momentum: number, more: Partial<EngineOptions> = {}): EngineOptions {
  return {
    optimizer: { optimizer: 'sgd', momentum, adam_betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
    labelSmoothing: 0,
    normalization: 'tokens',
    clipGradNorm: null,
    seed: 1,
    maxInFlight: 2,
    ...more,
  };
}
