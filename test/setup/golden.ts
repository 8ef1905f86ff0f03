/**
 * Reads the PyTorch fixtures of test/golden (its README.md says how they were made and what each field means).
 * Every tensor comes back as a `GoldenTensor`, whether the file names a seed or holds the numbers.
 * Whole-model fixtures are batch-major ([B,S], [B,T,V]); sequences of op fixtures are time-major ([T,B,H]):
 * `swapLeadingAxes` goes from one to the other.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { hashIds, hashUniform } from './hash-numbers.ts';

const folder = new URL('../golden/', import.meta.url);

/** A tensor in C order. Seeded ones hold float32 values exactly; computed ones ten significant digits. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array<ArrayBuffer>;
}

export interface SeededDescription {
  shape: number[];
  seed: number;
  scale: number;
}
type Description = SeededDescription | { shape: number[]; data: number[] };

/** Tensors by the name of the parameter. */
export type GoldenParameters = Readonly<Record<string, GoldenTensor>>;

export interface GoldenModelConfig {
  cell: 'lstm' | 'gru' | 'rnn';
  /** Of an rnn cell; lstm and gru have their own. */
  activation: 'tanh' | 'relu';
  bidirectional: boolean;
  /** Of the encoder and of the decoder. */
  layers: number;
  sourceVocabulary: number;
  targetVocabulary: number;
  sourceEmbedding: number;
  targetEmbedding: number;
  /** Of one direction. */
  encoderHidden: number;
  decoderHidden: number;
  score: 'dot' | 'general' | 'concat';
  bridge: 'none' | 'linear';
  inputFeeding: boolean;
  /** `decoder.output.weight` is `decoder.embedding.weight`; only the latter is listed. */
  tiedSoftmax: boolean;
  labelSmoothing: number;
  /** Loss and gradients: the sum over target tokens divided by their number, or by the number of sentences. */
  normalization: 'tokens' | 'sentences';
}

export interface GoldenOptimizer {
  optimizer: 'adam' | 'adamw' | 'sgd';
  learningRate: number;
  weightDecay: number;
  /** sgd only. */
  momentum?: number;
  /** adam and adamw. */
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  maxGradientNorm?: number;
}

/** Steps on one batch: entry k belongs to the weights after k updates; norms are those before clipping. */
export interface GoldenTraining extends GoldenOptimizer {
  losses: number[];
  gradientNorms: number[];
}

/** Ids: `<unk>` 0, `<pad>` 1, `<s>` 2, `</s>` 3. Sources and `targetOut` end with `</s>`, `targetIn` starts with `<s>`. */
export interface GoldenBatch {
  /** [B][S], padded; S may exceed the longest row. */
  source: number[][];
  sourceLengths: number[];
  /** [B][T] */
  targetIn: number[][];
  targetOut: number[][];
  targetLengths: number[];
}

export interface GoldenSeq2Seq {
  name: string;
  config: GoldenModelConfig;
  batch: GoldenBatch;
  parameters: GoldenParameters;
  loss: { sum: number; perToken: number; perSentence: number; normalized: number };
  /** [B,S,D·He], the top layer's outputs; zeros at padding. */
  memory: GoldenTensor;
  /** [L,B,D·He], forward direction first; c for lstm. */
  finalStates: { h: GoldenTensor; c?: GoldenTensor };
  /** [B,T,S]; zeros at source padding and where t ≥ the target's length, as the next two. */
  attention: GoldenTensor;
  /** [B,T,Hd], h̃. */
  attentional: GoldenTensor;
  /** [B,T,V] */
  logits: GoldenTensor;
  /** Of `loss.normalized`, for every parameter. */
  gradients: GoldenParameters;
  /** Adam first, each from the same parameters. */
  trainings: GoldenTraining[];
}

/** The names of all whole-model fixtures. */
export function seq2seqNames(): string[] {
  return fixtureNames('seq2seq');
}

/** The fixtures in a folder. */
export function fixtureNames(of: string): string[] {
  const files = readdirSync(new URL(`${of}/`, folder)).filter((file) => file.endsWith('.json'));
  return files.map((file) => file.slice(0, -'.json'.length)).sort();
}

export function loadSeq2Seq(name: string): GoldenSeq2Seq {
  return readFixture(`seq2seq/${name}.json`) as GoldenSeq2Seq;
}

/** A recurrence over padded rows of one layer and one direction; sequences are time-major. */
export interface GoldenRecurrent {
  name: string;
  cell: 'lstm' | 'gru' | 'gru_reset_before' | 'rnn';
  activation: 'tanh' | 'relu';
  /** Starts at each row's own last step; outputs stay at the positions of their inputs. */
  reverse: boolean;
  lengths: number[];
  /** [T,B,I]; values at padding are there and must not matter. */
  input: GoldenTensor;
  /** [B,H]; c for lstm. */
  initial: GoldenStates;
  weightIh: GoldenTensor;
  weightHh: GoldenTensor;
  biasIh: GoldenTensor;
  biasHh: GoldenTensor;
  /** [T,B,H], zeros at padding. */
  output: GoldenTensor;
  final: GoldenStates;
  /** What flows in from above: zeros at padding. */
  upstream: { output: GoldenTensor; final: GoldenStates };
  gradients: {
    input: GoldenTensor;
    initial: GoldenStates;
    weightIh: GoldenTensor;
    weightHh: GoldenTensor;
    biasIh: GoldenTensor;
    biasHh: GoldenTensor;
  };
}
export interface GoldenStates {
  h: GoldenTensor;
  c?: GoldenTensor;
}

/** softmax over the first `lengths[row]` columns; zeros elsewhere, and everywhere in a row of length 0. */
export interface GoldenMaskedSoftmax {
  lengths: number[];
  /** [rows, columns] */
  input: GoldenTensor;
  output: GoldenTensor;
  upstream: GoldenTensor;
  gradient: GoldenTensor;
}

/** Scores and all of attention: scores → masked softmax → context → h̃ = tanh(W [context; query]). */
export interface GoldenAttention {
  score: 'dot' | 'general' | 'concat';
  /** [B], of the memory; one is 1. */
  lengths: number[];
  /** [T,B,Hd] */
  queries: GoldenTensor;
  /** [S,B,He] */
  memory: GoldenTensor;
  /** Named as below `decoder.attention.` in a model. */
  parameters: GoldenParameters;
  /** [T,B,S], unmasked: padding is scored too. */
  scores: GoldenTensor;
  /** [T,B,S], zeros at padding. */
  weights: GoldenTensor;
  /** [T,B,He] */
  context: GoldenTensor;
  /** [T,B,Hd] */
  attentional: GoldenTensor;
  /** Gradients of Σ upstream ⊙ scores alone; none for linear_out. */
  scoreBackward: {
    upstream: GoldenTensor;
    queries: GoldenTensor;
    memory: GoldenTensor;
    parameters: GoldenParameters;
  };
  /** Gradients of Σ upstream ⊙ attentional, through everything. */
  attentionBackward: {
    upstream: GoldenTensor;
    queries: GoldenTensor;
    memory: GoldenTensor;
    parameters: GoldenParameters;
  };
}

/** Over the real steps of each row. */
export interface GoldenPooling {
  lengths: number[];
  /** [T,B,H] */
  input: GoldenTensor;
  /** [B,H], of `mean` and `max`. */
  upstream: GoldenTensor;
  mean: { output: GoldenTensor; gradient: GoldenTensor };
  max: { output: GoldenTensor; gradient: GoldenTensor };
  /** softmax over t of v · tanh(weight · input_t + bias), and the input's mean with these weights. */
  attention: {
    /** weight [A,H], bias [A], v [1,A] */
    parameters: Record<'weight' | 'bias' | 'v', GoldenTensor>;
    /** [B,H] */
    context: GoldenTensor;
    /** [B,T], zeros at padding. */
    alignments: GoldenTensor;
    upstream: { context: GoldenTensor; alignments: GoldenTensor };
    gradients: Record<'memory' | 'weight' | 'bias' | 'v', GoldenTensor>;
  };
}

/** pytorch-crf's. */
export interface GoldenCrf {
  lengths: number[];
  /** [T,B,C] */
  emissions: GoldenTensor;
  /** [C,C]: [i,j] is the score of j after i. */
  transitions: GoldenTensor;
  start: GoldenTensor;
  end: GoldenTensor;
  /** [T][B] */
  tags: number[][];
  /** The negative log-likelihood, summed over the rows. */
  loss: number;
  /** [B][length]: the best tags. */
  decoded: number[][];
  /** Of `loss`. */
  gradients: Record<'emissions' | 'transitions' | 'start' | 'end', GoldenTensor>;
}

export interface GoldenEmbedding {
  /** [T][B], with repeated ids and padding. */
  ids: number[][];
  paddingId: number;
  /** [V,E] */
  weight: GoldenTensor;
  /** [T,B,E] */
  output: GoldenTensor;
  /** [T,B,E], not zero at padding. */
  upstream: GoldenTensor;
  /** Every id counts. */
  gradient: GoldenTensor;
  /** As with PyTorch's `padding_idx`: the padding's row stays zero. */
  gradientWithoutPadding: GoldenTensor;
}

/** logits = input · weightᵀ + bias; cross-entropy summed over the rows whose target is not `paddingId`. */
export interface GoldenCrossEntropy {
  name: string;
  paddingId: number;
  labelSmoothing: number;
  /** [V]; absent: none. */
  classWeights?: GoldenTensor;
  targets: number[];
  /** [N,H] */
  input: GoldenTensor;
  /** [V,H] */
  weight: GoldenTensor;
  bias: GoldenTensor;
  logits: GoldenTensor;
  /** [N], zero where ignored. */
  rowLosses: GoldenTensor;
  sum: number;
  /** Divided by the number of rows that count, or by the sum of their targets' weights. */
  mean: number;
  /** Of `sum`. */
  gradients: { logits: GoldenTensor; input: GoldenTensor; weight: GoldenTensor; bias: GoldenTensor };
}

/** Two parameters, `a` and `b`, under a given sequence of gradients. */
export interface GoldenOptimizerRun extends GoldenOptimizer {
  name: string;
  /** One for each step, instead of `learningRate`. */
  learningRates: number[];
  initial: GoldenParameters;
  steps: { gradients: GoldenParameters; parameters: GoldenParameters }[];
}

export interface GoldenClip {
  name: string;
  maxNorm: number;
  gradients: GoldenParameters;
  /** The norm over all of them, before clipping. */
  norm: number;
  clipped: GoldenParameters;
}

/** Words are hexadecimal, as in Random123's kat_vectors. */
export interface GoldenPhilox {
  counter: string[];
  key: string[];
  output: string[];
}

export const loadRecurrent = () => readFixture('ops/recurrent.json') as GoldenRecurrent[];
/** A cell that PyTorch has no module for, from its single operations. */
export const loadGruResetBefore = () => readFixture('ops/gru-reset-before.json') as GoldenRecurrent[];
export const loadMaskedSoftmax = () => readFixture('ops/masked-softmax.json') as GoldenMaskedSoftmax;
export const loadAttention = () => readFixture('ops/attention.json') as GoldenAttention[];
export const loadPooling = () => readFixture('ops/pooling.json') as GoldenPooling;
export const loadCrf = () => readFixture('ops/crf.json') as GoldenCrf[];
export const loadEmbedding = () => readFixture('ops/embedding.json') as GoldenEmbedding;
export const loadCrossEntropy = () => readFixture('ops/cross-entropy.json') as GoldenCrossEntropy[];
export const loadOptimizers = () => readFixture('ops/optimizers.json') as GoldenOptimizerRun[];
export const loadClip = () => readFixture('ops/clip.json') as GoldenClip[];
/** The first three are Random123's published vectors; the rest exercise carries and single words. */
export const loadPhilox = () => readFixture('ops/philox.json') as GoldenPhilox[];

/** A large model trained from hash weights on hash ids, of which only the losses are committed. */
export interface GoldenSpeedModel {
  config: GoldenModelConfig;
  /** B 64 rows without padding: targetOut = [words, `</s>`], targetIn = [`<s>`, words]. */
  batch: GoldenBatch;
  parameters: Readonly<Record<string, SeededDescription>>;
  training: GoldenTraining;
}

export function loadSpeedModel(): GoldenSpeedModel {
  const { batch, ...rest } = readFixture('speed-model.json', false) as Omit<GoldenSpeedModel, 'batch'> & {
    batch: {
      rows: number;
      sourceSeed: number;
      targetSeed: number;
      wordsPerRow: number;
      low: number;
      high: number;
    };
  };
  const { rows, wordsPerRow, low, high } = batch;
  const words = (seed: number): number[][] => {
    const ids = [...hashIds(seed, rows * wordsPerRow, low, high)];
    return Array.from({ length: rows }, (_, b) => ids.slice(b * wordsPerRow, (b + 1) * wordsPerRow));
  };
  const target = words(batch.targetSeed);
  const lengths = Array<number>(rows).fill(wordsPerRow + 1);
  return {
    ...rest,
    batch: {
      source: words(batch.sourceSeed).map((row) => [...row, 3]),
      sourceLengths: lengths,
      targetIn: target.map((row) => [2, ...row]),
      targetOut: target.map((row) => [...row, 3]),
      targetLengths: [...lengths],
    },
  };
}

/** 100 steps of English → Japanese from hash weights; the data, the batches and the vocabularies' rule: its script. */
export interface GoldenEnja {
  config: GoldenModelConfig;
  rowsPerBatch: number;
  /** SHA-256 of the words in order of id, joined by line feeds. */
  vocabularies: Record<'source' | 'target', { size: number; sha256: string; last: string[] }>;
  /** Ids of the training file's first line. */
  firstRow: { source: number[]; targetOut: number[] };
  /** Of each batch, with `</s>`. */
  sourceTokens: number[];
  targetTokens: number[];
  parameters: Readonly<Record<string, SeededDescription>>;
  /** `losses` are float32's. */
  training: GoldenTraining & { lossesFloat64: number[] };
}

export function loadEnjaLosses(): GoldenEnja {
  return readFixture('enja-losses.json', false) as GoldenEnja;
}

/** The values of a seeded description, exact in float32. */
export function seededValues({ shape, seed, scale }: SeededDescription): Float32Array<ArrayBuffer> {
  return hashUniform(seed, elementCount(shape), scale);
}

/** [a, b, …] → [b, a, …]: from batch-major to time-major and back. */
export function swapLeadingAxes({ shape, data }: GoldenTensor): GoldenTensor {
  const [a, b] = [shape[0]!, shape[1]!];
  const inner = elementCount(shape.slice(2));
  const swapped = new Float64Array(data.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      const from = (i * b + j) * inner;
      swapped.set(data.subarray(from, from + inner), (j * a + i) * inner);
    }
  }
  return { shape: [b, a, ...shape.slice(2)], data: swapped };
}

const elementCount = (shape: readonly number[]): number => shape.reduce((count, size) => count * size, 1);

export function readFixture(path: string, fillSeeded = true): unknown {
  return JSON.parse(readFileSync(new URL(path, folder), 'utf8'), (_key, value: unknown) =>
    isDescription(value) && (fillSeeded || 'data' in value) ? toTensor(value) : value,
  );
}

function isDescription(value: unknown): value is Description {
  return (
    typeof value === 'object' && value !== null && 'shape' in value && ('seed' in value || 'data' in value)
  );
}

function toTensor(description: Description): GoldenTensor {
  const { shape } = description;
  const values = 'seed' in description ? seededValues(description) : description.data;
  if (values.length !== elementCount(shape)) {
    throw new Error(`fixture: ${values.length} values for shape [${shape}]`);
  }
  return { shape, data: Float64Array.from(values) };
}
