import { describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import { type Hypothesis, SequenceDecoder } from '../../src/decode/sequence-decoder.ts';
import type { DeepPartial } from '../../src/nn/config/spec.ts';
import type { Seq2SeqConfig } from '../../src/nn/model-config.ts';
import type { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { sameBits } from '../setup/bits.ts';
import { expectClose, forwardTolerance } from '../setup/compare.ts';
import {
  batchOfLines,
  decodingNetwork,
  randomLines,
  sizes,
  teacherForced,
  tokensOf,
} from '../setup/decoding.ts';
import { testGpu } from '../setup/gpu.ts';
import { observedPool } from '../setup/scratch.ts';

const gpu = await testGpu();

const models: Record<string, DeepPartial<Seq2SeqConfig>> = {
  lstm: {},
  'lstm, input feeding': { decoder: { input_feeding: true } },
  'two layers of lstm, one direction, dot': {
    encoder: { num_layers: 2, bidirectional: false },
    decoder: { attention: { score: 'dot' } },
  },
  'gru, input feeding, bridge': {
    cell: 'gru',
    decoder: { hidden_size: 14, bridge: 'linear', input_feeding: true },
  },
  'gru, concat': { cell: 'gru', decoder: { attention: { score: 'concat' } } },
  'rnn, concat, input feeding': {
    cell: 'rnn',
    decoder: { attention: { score: 'concat' }, input_feeding: true },
  },
};

function decoderOf(network: Seq2SeqNetwork): SequenceDecoder {
  return new SequenceDecoder(gpu, network, new ScratchPool(gpu));
}

function withDecoder<T>(
  model: DeepPartial<Seq2SeqConfig>,
  use: (d: SequenceDecoder, n: Seq2SeqNetwork) => Promise<T>,
) {
  const network = decodingNetwork(gpu, model);
  const decoder = decoderOf(network);
  return use(decoder, network).finally(() => {
    decoder.dispose();
    network.dispose();
  });
}

const limit = 40;

function decodeLines(
  decoder: SequenceDecoder,
  lines: readonly number[][],
  shape = {},
  most = limit,
): Promise<Hypothesis[]> {
  const sources = batchOfLines(lines, shape);
  return decoder.decode(sources, { limits: new Array<number>(sources.B).fill(most), alignments: true });
}

describe.each(Object.entries(models))('%s', (_, model) => {
  const lines = randomLines(7, 7, 11);

  test('every token is the most probable one after those before it', () =>
    withDecoder(model, async (decoder, network) => {
      const hypotheses = await decodeLines(decoder, lines);
      const lengths = hypotheses.map(({ ids }) => ids.length);
      expect(Math.max(...lengths), 'more than two chunks of steps').toBeGreaterThan(32);
      const different = new Set(hypotheses.map(({ ids }) => ids.join()));
      expect(different.size, 'different outputs').toBeGreaterThan(1);
      for (const [index, hypothesis] of hypotheses.entries()) {
        const tokens = tokensOf(hypothesis);
        const reference = await teacherForced(gpu, network, lines[index]!, tokens);
        for (const [step, logits] of reference.logits.entries()) {
          const allowed = logits.map((logit, id) => (id === PAD_ID || id === BEGIN_ID ? -Infinity : logit));
          const most = Math.max(...allowed);
          const scale = Math.max(...logits.map(Math.abs));
          const chosen = allowed[tokens[step]!]!;
          expect(most - chosen, `line ${index}, step ${step}`).toBeLessThanOrEqual(forwardTolerance * scale);
          const alignment = hypothesis.alignments![step]!;
          expectClose(
            alignment,
            reference.alignments[step]!,
            forwardTolerance,
            `line ${index}, step ${step}`,
          );
        }
        expect(hypothesis.alignments!.length).toBe(tokens.length);
      }
    }));

  test('a line gets the same tokens and alignments, bit for bit, in any batch', () =>
    withDecoder(model, async (decoder) => {
      const chosen = lines.slice(0, 3);
      const together = await decodeLines(decoder, lines, { S: 12 }, 20);
      // Somewhere among 64, with shorter and longer lines around them; and in other rows, with empty ones.
      const among = randomLines(8, 64, 20);
      for (const [index, line] of chosen.entries()) among[index * 29 + 5] = line;
      const crowd = await decodeLines(decoder, among, { S: 21 }, 20);
      const shifted = await decodeLines(decoder, chosen, { B: 7, S: 16, at: 4 }, 20);
      for (const [index, line] of chosen.entries()) {
        const surroundings = {
          alone: (await decodeLines(decoder, [line], { S: line.length }, 20))[0]!,
          'alone, padded': (await decodeLines(decoder, [line], { S: 21 }, 20))[0]!,
          'among 64': crowd[index * 29 + 5]!,
          'in another row': shifted[index + 4]!,
        };
        for (const [where, hypothesis] of Object.entries(surroundings)) {
          expect(tokensOf(hypothesis), `line ${index} ${where}`).toEqual(tokensOf(together[index]!));
          const different = together[index]!.alignments!.filter(
            (alignment, step) => !sameBits(hypothesis.alignments![step]!, alignment),
          );
          expect(different, `line ${index} ${where}: alignments not bit-equal`).toEqual([]);
        }
      }
    }));
});

describe('limits', () => {
  test('are those of each row; what comes before them is the same', () =>
    withDecoder(models.lstm!, async (decoder) => {
      const lines = randomLines(9, 9, 9);
      const whole = await decodeLines(decoder, lines);
      const limits = [0, 1, 2, 15, 16, 17, 31, 33, 40];
      const cut = await decoder.decode(batchOfLines(lines), { limits });
      for (const [row, most] of limits.entries()) {
        const { ids, ended } = whole[row]!;
        expect(cut[row], `limit ${most}`).toEqual({
          ids: ids.slice(0, most),
          ended: ended && ids.length < most,
        });
        expect(cut[row]!.ids.length).toBeLessThanOrEqual(most);
      }
      expect(cut.some(({ ids }, row) => ids.length === limits[row] && ids.length > 16)).toBe(true);
    }));

  test('of nothing but empty rows cost no step', () =>
    withDecoder(models.lstm!, async (decoder) => {
      await decodeLines(decoder, [[4, END_ID]], { B: 3, S: 4 });
      const calls = countCalls(gpu.device);
      try {
        const hypotheses = await decoder.decode(batchOfLines([], { B: 3, S: 4 }), { limits: [9, 9, 9] });
        expect(hypotheses).toEqual(new Array(3).fill({ ids: [], ended: true }));
        expect(calls.count('GPUBuffer.mapAsync')).toBe(0);
      } finally {
        calls.stop();
      }
    }));
});

describe('special tokens', () => {
  async function withBias(bias: Readonly<Record<number, number>>): Promise<Hypothesis[]> {
    return withDecoder(models['lstm, input feeding']!, async (decoder, network) => {
      const values = (await network.parameters.read()).get('decoder.output.bias')!;
      for (const [id, value] of Object.entries(bias)) values[Number(id)] = value;
      network.parameters.write('decoder.output.bias', values);
      return decodeLines(decoder, randomLines(10, 8, 9));
    });
  }

  test('<pad> and <s> are never put out, however probable', async () => {
    const expected = await withBias({});
    for (const { ids } of expected) {
      expect(ids).not.toContain(PAD_ID);
      expect(ids).not.toContain(BEGIN_ID);
      expect(ids.every((id) => id < sizes.target)).toBe(true);
    }
    expect(await withBias({ [PAD_ID]: 1000, [BEGIN_ID]: 2000 })).toEqual(expected);
  });

  test('</s> ends a row: nothing comes after it', async () => {
    for (const hypothesis of await withBias({ [END_ID]: 1000 })) {
      expect(hypothesis).toMatchObject({ ids: [], ended: true });
      expect(hypothesis.alignments!.length).toBe(1);
    }
    for (const hypothesis of await withBias({ [END_ID]: -1000 })) {
      expect(hypothesis.ended).toBe(false);
      expect(hypothesis.ids.length).toBe(limit);
      expect(hypothesis.ids).not.toContain(END_ID);
      expect(hypothesis.alignments!.length).toBe(limit);
    }
  });
});

describe('the device', () => {
  test('is asked once a chunk of steps, not once a step, and makes nothing for a shape it knows', () =>
    withDecoder({ decoder: { input_feeding: true } }, async (decoder, network) => {
      const values = (await network.parameters.read()).get('decoder.output.bias')!;
      values[END_ID] = -1000; // so that the limit alone decides how many chunks there are
      network.parameters.write('decoder.output.bias', values);
      const lines = randomLines(11, 5, 9);
      await decodeLines(decoder, lines);
      const calls = countCalls(gpu.device);
      try {
        for (const [most, chunks] of [
          [16, 1],
          [17, 2],
          [40, 3],
        ] as const) {
          calls.reset();
          const sources = batchOfLines(lines);
          await decoder.decode(sources, { limits: [1, most, 3, 2, 1], alignments: true });
          expect(calls.made(), 'objects made').toEqual([]);
          // Tokens and alignments.
          expect(calls.count('GPUBuffer.mapAsync')).toBe(2 * chunks);
          // The encoder, then a chunk and its two copies.
          expect(calls.count('GPUQueue.submit')).toBe(1 + 3 * chunks);
          expect(calls.count('GPUComputePassEncoder.dispatchWorkgroups')).toBeGreaterThan(16 * chunks);
        }
      } finally {
        calls.stop();
      }
    }));

  test('keeps nothing between chunks in scratch memory, and nothing of one batch for the next', async () => {
    for (const model of [models['lstm, input feeding']!, models['gru, concat']!]) {
      const network = decodingNetwork(gpu, model);
      const scratch = observedPool(gpu);
      const decoder = new SequenceDecoder(gpu, network, scratch.pool);
      const lines = randomLines(12, 6, 9);
      const expected = await decodeLines(decoder, lines);
      const { queue } = gpu.device;
      const submit = queue.submit.bind(queue);
      queue.submit = (buffers) => {
        scratch.poison();
        return submit(buffers);
      };
      try {
        expect(await decodeLines(decoder, lines)).toEqual(expected);
      } finally {
        Reflect.deleteProperty(queue, 'submit');
      }
      await decodeLines(decoder, randomLines(13, 6, 9), { S: expected[0]!.alignments![0]!.length });
      expect(await decodeLines(decoder, lines)).toEqual(expected);
      decoder.dispose();
      network.dispose();
    }
  });
});
