/**
 * The five models whose whole training steps are measured, from one that a page trains in a moment to those of the papers
 * (Luong et al. 2015; Wu et al. 2016), each with its batch. `bench/peers/` has the same ones for the peers.
 */
import type { Batch } from '../data/batches.ts';
import { UsageError } from '../errors.ts';
import { resolveModelConfig, type Seq2SeqConfig } from '../nn/model-config.ts';
import type { Dimensions } from './sizes.ts';

/** An LSTM encoder–decoder with attention. Peers get it as it is. */
export interface Configuration {
  readonly name: string;
  readonly layers: number;
  /** The encoder's two directions have H / 2 units each. */
  readonly bidirectional: boolean;
  readonly score: 'dot' | 'general';
  readonly inputFeeding: boolean;
  readonly sizes: Dimensions;
}

const sizes = (B: number, S: number, H: number, V: number): Dimensions => ({ B, S, T: S, E: H, H, V });

const plain = { layers: 1, bidirectional: false, score: 'dot', inputFeeding: false } as const;

export const configurations: readonly Configuration[] = [
  { ...plain, name: 'tiny', sizes: sizes(16, 20, 64, 100) },
  { ...plain, name: 'small', sizes: sizes(64, 20, 256, 2000) },
  {
    ...plain,
    name: 'medium',
    layers: 2,
    bidirectional: true,
    score: 'general',
    sizes: sizes(128, 30, 512, 8000),
  },
  {
    ...plain,
    name: 'luong',
    layers: 4,
    score: 'general',
    inputFeeding: true,
    sizes: sizes(128, 50, 1000, 50_000),
  },
  { ...plain, name: 'gnmt', layers: 4, score: 'general', sizes: sizes(128, 50, 1024, 32_000) },
];

/** The same model at other sizes, marked by an asterisk as the sets of sizes are. */
export function resized(configuration: Configuration, replaced: Partial<Dimensions>): Configuration {
  if (Object.keys(replaced).length === 0) return configuration;
  const { name, sizes: standard } = configuration;
  return { ...configuration, name: `${name}*`, sizes: { ...standard, ...replaced } };
}

/** @throws UsageError where H cannot be halved */
export function modelOf({ name, layers, bidirectional, score, inputFeeding, sizes }: Configuration) {
  const { E, H } = sizes;
  if (bidirectional && H % 2 !== 0)
    throw new UsageError(`${name} has two directions of H / 2: H ${H} is odd`);
  return resolveModelConfig({
    encoder: {
      embeddings: { embedding_dim: E },
      hidden_size: bidirectional ? H / 2 : H,
      num_layers: layers,
      bidirectional,
    },
    decoder: { hidden_size: H, attention: { score }, input_feeding: inputFeeding },
  }) satisfies Seq2SeqConfig;
}

/** Ids of words, spread over the vocabulary, the same in every run; all rows are full, as in a bucket. */
export function batchOf({ sizes: { B, S, T, V } }: Configuration): Batch {
  const firstWord = 4; // after the special tokens
  const ids = (count: number, stride: number) =>
    Uint32Array.from({ length: count }, (_, i) => firstWord + ((i * stride) % (V - firstWord)));
  return {
    B,
    S,
    T,
    source: ids(S * B, 7919),
    sourceLengths: new Uint32Array(B).fill(S),
    sourceTokens: S * B,
    targetInput: ids(T * B, 104_729),
    targetOutput: ids(T * B, 1_299_709),
    targetLengths: new Uint32Array(B).fill(T),
    targetTokens: T * B,
    sentences: B,
    indices: Array.from({ length: B }, (_, row) => row),
  };
}

/**
 * Floating-point operations of a training step: the matrix products, forward once and backward twice (the gradients of
 * inputs and of weights). What is done by element is left out: a hundredth of it.
 */
export function stepFlops({ layers, bidirectional, score, inputFeeding, sizes }: Configuration): number {
  const { B, S, T, E, H, V } = sizes;
  /** Of one LSTM cell with h units: four gates, a multiplication and an addition each. */
  const cell = (inputs: number, h: number) => 8 * h * (inputs + h);
  const deeper = (first: number, inputs: number, h: number) => first + (layers - 1) * cell(inputs, h);
  const encoder = bidirectional ? 2 * deeper(cell(E, H / 2), H, H / 2) : deeper(cell(E, H), H, H);
  const keys = score === 'general' ? 2 * H * H : 0;
  const decoder = deeper(cell(E + (inputFeeding ? H : 0), H), H, H);
  const attention = 4 * S * H + 4 * H * H;
  return 3 * B * (S * (encoder + keys) + T * (decoder + attention + 2 * H * V));
}
