import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { Sequences } from '../../src/data/sequences.ts';
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import {
  fillStream,
  planStream,
  type StreamChunk,
  type StreamOptions,
  streamChunks,
  streamIds,
} from '../../src/data/streams.ts';
import { ConfigError, DataError } from '../../src/errors.ts';

/** Sentences of ids from 4 on with `</s>` at their ends, `length` ids in all. */
function randomStream(length: number, seed: number): Uint32Array {
  const random = new Random(seed);
  return Uint32Array.from({ length }, (_, i) =>
    i === length - 1 || random.below(6) === 0 ? END_ID : 4 + random.below(50),
  );
}

/** What stands in stream b of an array of each chunk, one after the other, without padding. */
const streamOf = (chunks: readonly StreamChunk[], array: 'input' | 'output', b: number) =>
  chunks.flatMap((chunk) =>
    Array.from({ length: chunk.lengths[b]! }, (_, t) => chunk[array][t * chunk.B + b]!),
  );

describe('streamIds', () => {
  it('is all sequences in a row', () => {
    expect(streamIds(Sequences.from([[5, 6, 3], [3], [7, 3]]))).toEqual(Uint32Array.of(5, 6, 3, 3, 7, 3));
  });
});

describe('streams', () => {
  const cases = [1, 2, 3, 7, 8].flatMap((batchSize) =>
    [1, 4, 5, 100].flatMap((bptt) =>
      [8, 39, 40, 41].flatMap((length) =>
        (['drop', 'keep'] as const).map((remainder) => ({ length, batchSize, bptt, remainder })),
      ),
    ),
  );

  it.each(cases)('give back the stream: %j', ({ length, ...options }) => {
    const stream = randomStream(length, length);
    const plan = planStream(length, options);
    const chunks = [...streamChunks(stream, options)];
    expect(chunks).toHaveLength(plan.chunks);
    expect(plan.tokens).toBe(options.remainder === 'keep' ? length : length - (length % options.batchSize));
    const outputs = Array.from({ length: plan.B }, (_, b) => streamOf(chunks, 'output', b));
    expect(outputs.flat()).toEqual([...stream.subarray(0, plan.tokens)]);
    if (options.remainder === 'drop') {
      expect(outputs.every((output) => output.length === plan.streamLength)).toBe(true);
    }
    // Each token is read right before it is due: the one before it, but <s> for </s> and at the start.
    const inputs = Array.from({ length: plan.B }, (_, b) => streamOf(chunks, 'input', b)).flat();
    const read = [END_ID, ...stream].map((id) => (id === END_ID ? BEGIN_ID : id));
    expect(inputs).toEqual(read.slice(0, plan.tokens));
    expect(chunks.map(({ isFirst }) => isFirst)).toEqual(chunks.map((_, i) => i === 0));
    expect(chunks.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(plan.tokens);
    for (const { B, T, input, output, lengths, tokens } of chunks) {
      expect([B, T, input.length, output.length]).toEqual([options.batchSize, options.bptt, B * T, B * T]);
      expect(lengths.reduce((sum, steps) => sum + steps, 0)).toBe(tokens);
      const padding = (id: number, i: number) => Math.floor(i / B) >= lengths[i % B]! === (id === PAD_ID);
      expect(input.every(padding) && output.every(padding)).toBe(true);
    }
  });

  it('are read side by side', () => {
    const stream = Uint32Array.of(10, 11, 3, 13, 14, 15, 16, 17, 3, 19, 20);
    const plan = planStream(11, { batchSize: 2, bptt: 3 });
    expect(plan).toEqual({ B: 2, T: 3, streamLength: 5, tokens: 10, chunks: 2 });
    expect(fillStream(stream, plan, 0)).toEqual({
      B: 2,
      T: 3,
      input: Uint32Array.of(2, 14, 10, 15, 11, 16),
      output: Uint32Array.of(10, 15, 11, 16, 3, 17),
      lengths: Uint32Array.of(3, 3),
      tokens: 6,
      isFirst: true,
    });
    expect(fillStream(stream, plan, 1)).toEqual({
      B: 2,
      T: 3,
      input: Uint32Array.of(2, 17, 13, 2, 1, 1),
      output: Uint32Array.of(13, 3, 14, 19, 1, 1),
      lengths: Uint32Array.of(2, 2),
      tokens: 4,
      isFirst: false,
    });
  });

  it('may have empty ones at the end of an evaluation', () => {
    const stream = Uint32Array.of(4, 5, 6, 7, 3);
    const plan = planStream(5, { batchSize: 4, bptt: 2, remainder: 'keep' });
    expect(fillStream(stream, plan, 0).lengths).toEqual(Uint32Array.of(2, 2, 1, 0));
  });

  it('go on where a training stopped', () => {
    const stream = randomStream(50, 1);
    const options: StreamOptions = { batchSize: 3, bptt: 4 };
    expect([...streamChunks(stream, options, 2)]).toEqual([...streamChunks(stream, options)].slice(2));
  });

  it('refuse what cannot be cut', () => {
    expect(() => planStream(7, { batchSize: 8, bptt: 4 })).toThrow(
      new DataError('The text has 7 tokens, too few for 8 streams side by side: take a smaller batch.'),
    );
    expect(planStream(7, { batchSize: 8, bptt: 4, remainder: 'keep' }).tokens).toBe(7);
    expect(() => planStream(0, { batchSize: 1, bptt: 1, remainder: 'keep' })).toThrow(DataError);
    for (const size of [0, 1.5, -1, Number.NaN]) {
      expect(() => planStream(9, { batchSize: size, bptt: 1 })).toThrow(ConfigError);
      expect(() => planStream(9, { batchSize: 1, bptt: size })).toThrow(
        `bptt must be a positive integer, not ${size}.`,
      );
    }
    const plan = planStream(9, { batchSize: 1, bptt: 4 });
    for (const chunk of [-1, 3, 0.5])
      expect(() => fillStream(randomStream(9, 1), plan, chunk)).toThrow(RangeError);
  });
});
