/** Greedy decoding as users meet it: lines of text in, lines out, from a model that was trained for a moment. */
import { beforeAll, describe, expect, test } from 'vitest';
import { END_ID } from '../../src/data/special-tokens.ts';
import { Seq2Seq } from '../../src/models/kinds.ts';
import { expectClose, forwardTolerance } from '../setup/compare.ts';
import { teacherForced } from '../setup/decoding.ts';
import { testGpu } from '../setup/gpu.ts';
import { toyConfig, toyModel, toyPairs } from '../setup/toy.ts';

const gpu = await testGpu();

/** Words of up to 4 letters: no training bucket is longer than 8. */
const training = toyPairs(31, 48, 4);
const config = toyConfig({
  model: {
    encoder: { hidden_size: 12, num_layers: 1, dropout: 0, embeddings: { embedding_dim: 10, dropout: 0.1 } },
    decoder: { dropout: 0, hidden_dropout: 0.1, input_feeding: true, embeddings: { dropout: 0.1 } },
  },
  training: { epochs: 10, learning_rate: 0.03, logging_freq: 1000 },
  testing: { max_output_length: null },
});

let model: Seq2Seq;
beforeAll(async () => {
  model = toyModel(gpu, config, training);
  const trainer = await model.trainer(model.encodeTraining(training));
  for await (const report of trainer.run()) if (report.kind === 'end') break;
  trainer.dispose();
});

/** Ids of a line as the encoder reads them. */
const idsOf = (line: string): number[] => [...model.vocabularies.source.encode([...line]), END_ID];

describe('a trained model', () => {
  test('has learnt something: most short words come out right', async () => {
    const short = toyPairs(31, 48, 4);
    const lines = await model.translate(short.source);
    const right = lines.filter((line, index) => line === short.target[index]).length;
    expect(right).toBeGreaterThan(12);
  });

  test.each([
    ['as long as those in training', toyPairs(32, 6, 4).source],
    [
      'five times as long as any in training',
      ['abcdefghij'.repeat(2), 'jjiihhgg'.repeat(3), 'abcab'.repeat(4)],
    ],
  ])('lines %s: every token is the most probable one after those before it', async (_, lines) => {
    const translations = await model.predict(lines, { alignments: true });
    for (const [index, { tokens, text, sourceTokens, alignments }] of translations.entries()) {
      const line = lines[index]!;
      expect(sourceTokens).toEqual([...line, '</s>']);
      expect(text).toBe(tokens.join(''));
      const limit = Math.floor(config.testing.max_output_factor * line.length) + 10;
      expect(tokens.length).toBeLessThanOrEqual(limit);
      const ids = [...model.vocabularies.target.encode([...tokens])];
      if (tokens.length < limit) ids.push(END_ID);
      const reference = await teacherForced(gpu, model.network, idsOf(line), ids);
      for (const [step, logits] of reference.logits.entries()) {
        const allowed = logits.map((logit, id) => (id === 1 || id === 2 ? -Infinity : logit));
        const scale = Math.max(...logits.map(Math.abs));
        const margin = Math.max(...allowed) - allowed[ids[step]!]!;
        expect(margin, `${line}, step ${step}`).toBeLessThanOrEqual(forwardTolerance * scale);
        expectClose(
          alignments![step]!,
          reference.alignments[step]!,
          forwardTolerance,
          `${line}, step ${step}`,
        );
      }
      expect(alignments!.length).toBe(ids.length);
    }
  });

  test('gives a line the same translation whatever the batch, the order and the neighbours', async () => {
    const lines = [...toyPairs(33, 8, 9).source, 'a', 'abcdefghijabcd', 'a'];
    const expected = await model.predict(lines, { batchSize: 64, alignments: true });
    for (const batchSize of [1, 7]) {
      expect(await model.predict(lines, { batchSize, alignments: true })).toEqual(expected);
    }
    const backwards = await model.predict(lines.toReversed(), { alignments: true });
    expect(backwards.toReversed()).toEqual(expected);
    expect(await model.predict([lines[3]!], { alignments: true })).toEqual([expected[3]]);
  });

  test('keeps empty lines empty and in their places, and reads unknown characters', async () => {
    const [known, unknown] = await model.translate(['abc', 'a≠c']);
    expect(await model.translate(['', 'abc', ' ', 'a≠c', ''])).toEqual([
      '',
      known,
      expect.any(String),
      unknown,
      '',
    ]);
    expect(await model.translate([])).toEqual([]);
    expect(await model.translate([''])).toEqual(['']);
  });

  test('saved and loaded, translates the same', async () => {
    const lines = toyPairs(34, 9, 8).source;
    const expected = await model.predict(lines, { alignments: true });
    const loaded = Seq2Seq.fromFiles(gpu, await model.save());
    expect(await loaded.predict(lines, { alignments: true })).toEqual(expected);
    loaded.dispose();
  });
});
