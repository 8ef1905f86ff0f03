/**
 * Text for language models: one long stream of ids, cut for truncated back-propagation through time. The stream is laid
 * out as B parallel streams, each a contiguous part of it, and read in chunks of `bptt` steps; a model that carries its
 * state from chunk to chunk has read everything before in its stream, while gradients end at the chunk's first step
 * (Mikolov et al. 2010; the layout is that of PyTorch's word language model).
 *
 * What is to be predicted is the stream itself. What is read before a token is the token before it, but `<s>` in place of
 * `</s>` and at the stream's very start. So every sentence is read from `<s>` to its last token, exactly as a decoder reads
 * its target: nothing is lost (`<s>` stands only after `</s>`), generation starts from a token that training has seen
 * thousands of times, and a decoder can begin from the language model's weights.
 */

import { DataError } from '../errors.ts';
import { positiveInteger } from './positive-integer.ts';
import type { Sequences } from './sequences.ts';
import { BEGIN_ID, END_ID, PAD_ID } from './special-tokens.ts';

export interface StreamOptions {
  /** B, the number of parallel streams. */
  readonly batchSize: number;
  /** T, the steps of a chunk. */
  readonly bptt: number;
  /**
   * `drop`, for training: all streams are equally long, and what is left over (fewer than B tokens) is not read.
   * `keep`, for evaluation: every token is predicted once; the last streams may be shorter, and padded. With
   * `batchSize` 1 each token is then predicted from everything before it. Default `drop`.
   */
  readonly remainder?: 'drop' | 'keep';
}

/** How a stream is cut. */
export interface StreamPlan {
  readonly B: number;
  /** Steps of every chunk, the last one included: it is padded. */
  readonly T: number;
  /** Tokens of each parallel stream; stream b begins at token `b * streamLength`. */
  readonly streamLength: number;
  /** The stream up to here is predicted. */
  readonly tokens: number;
  /** How many chunks there are. */
  readonly chunks: number;
}

/** One chunk, time-major: entry `[t, b]` is at `t * B + b`. */
export interface StreamChunk {
  readonly B: number;
  readonly T: number;
  /** [T, B] what the model reads, padded with `<pad>`. */
  readonly input: Uint32Array;
  /** [T, B] what it is to predict, padded with `<pad>`. */
  readonly output: Uint32Array;
  /** [B] steps of each stream that are not padding. */
  readonly lengths: Uint32Array;
  /** The sum of `lengths`. */
  readonly tokens: number;
  /** Whether nothing comes before in any of the streams: the state starts from zero. */
  readonly isFirst: boolean;
}

/** All sequences in one row, as they are: with `</s>` at their ends. */
export function streamIds(sequences: Sequences): Uint32Array {
  const stream = new Uint32Array(sequences.totalLength);
  let position = 0;
  for (const ids of sequences) {
    stream.set(ids, position);
    position += ids.length;
  }
  return stream;
}

/**
 * How a stream of `length` tokens is cut.
 * @throws DataError if no token would be predicted; ConfigError for sizes that are not positive integers.
 */
export function planStream(length: number, options: StreamOptions): StreamPlan {
  const B = positiveInteger('batchSize', options.batchSize);
  const T = positiveInteger('bptt', options.bptt);
  if (length === 0) throw new DataError('There is no text to model: the stream holds no tokens.');
  const keep = options.remainder === 'keep';
  const streamLength = keep ? Math.ceil(length / B) : Math.floor(length / B);
  if (streamLength === 0) {
    throw new DataError(
      `The text has ${length} tokens, too few for ${B} streams side by side: take a smaller batch.`,
    );
  }
  return {
    B,
    T,
    streamLength,
    tokens: keep ? length : B * streamLength,
    chunks: Math.ceil(streamLength / T),
  };
}

/**
 * The arrays of one chunk.
 * @param chunk its number, from 0.
 */
export function fillStream(stream: Uint32Array, plan: StreamPlan, chunk: number): StreamChunk {
  const { B, T, streamLength, tokens: end } = plan;
  if (!(Number.isInteger(chunk) && chunk >= 0 && chunk < plan.chunks)) {
    throw new RangeError(`There is no chunk ${chunk} among ${plan.chunks}.`);
  }
  const input = new Uint32Array(T * B).fill(PAD_ID);
  const output = new Uint32Array(T * B).fill(PAD_ID);
  const lengths = new Uint32Array(B);
  let tokens = 0;
  for (let b = 0; b < B; b++) {
    const first = b * streamLength + chunk * T;
    const beyond = Math.min(first + T, (b + 1) * streamLength, end);
    for (let i = first; i < beyond; i++) {
      const previous = i === 0 ? END_ID : stream[i - 1]!;
      input[(i - first) * B + b] = previous === END_ID ? BEGIN_ID : previous;
      output[(i - first) * B + b] = stream[i]!;
    }
    lengths[b] = Math.max(0, beyond - first);
    tokens += lengths[b]!;
  }
  return { B, T, input, output, lengths, tokens, isFirst: chunk === 0 };
}

/**
 * All chunks in order, from number `from` on.
 * @throws as `planStream`.
 */
export function* streamChunks(stream: Uint32Array, options: StreamOptions, from = 0): Generator<StreamChunk> {
  const plan = planStream(stream.length, options);
  for (let chunk = from; chunk < plan.chunks; chunk++) yield fillStream(stream, plan, chunk);
}
