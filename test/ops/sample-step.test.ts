/** Generation: a draw from softmax(logits / temperature), greedy at temperature 0. */
import { describe, expect, test } from 'vitest';
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import { shaderInfo } from '../../src/gpu/shader.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { recordGreedyStep } from '../../src/ops/greedy-step.ts';
import { philox4x32 } from '../../src/ops/philox.ts';
import { recordSampleStep } from '../../src/ops/sample-step.ts';
import { sampleStep } from '../../src/reference/choose-token.ts';
import type { RandomState } from '../../src/reference/dropout.ts';
import { expectFrequencies } from '../setup/frequencies.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats, randomIds } from '../setup/random.ts';

const ids = { padding: PAD_ID, begin: BEGIN_ID, end: END_ID };
const state: RandomState = [11, 0xffff_fff0, 0xffff_ffff, 2];
const site = 0x300;

interface Given {
  readonly logits: Float32Array;
  /** Slot 0 of the first step. */
  readonly last: Uint32Array;
  readonly temperature: number;
  readonly steps?: number;
  readonly random?: RandomState;
}

/** What the steps put out, [steps, B]; with `greedy` by the greedy kernel. */
async function draw({ logits, last, temperature, steps = 1, random = state }: Given, greedy = false) {
  const batch = last.length;
  const tokens = new Uint32Array((steps + 1) * batch);
  tokens.set(last);
  const { outputs } = await evaluate(
    await testGpu(),
    {
      logits: { data: logits, shape: [batch, logits.length / batch] },
      tokens: { data: tokens, shape: [steps + 1, batch] },
      temperature: { data: Float32Array.of(temperature), shape: [1] },
      random: { data: Uint32Array.from(random), shape: [4] },
    },
    (tape, { logits, tokens, temperature, random }) => {
      for (let step = 0; step < steps; step++) {
        if (greedy) recordGreedyStep(tape, logits, tokens, step, ids);
        else recordSampleStep(tape, logits, tokens, step, { ...ids, temperature, random, site });
      }
      return { tokens };
    },
  );
  return new Uint32Array(outputs.tokens.data.buffer).subarray(batch);
}

const repeated = (row: Float32Array, batch: number) =>
  Float32Array.from({ length: batch * row.length }, (_, i) => row[i % row.length]!);

describe('the choices of the reference', () => {
  describe.each([0, 0.3, 1, 2.5])('at temperature %f', (temperature) => {
    test.each([5, 64, 257, 1021])('of %i tokens', async (vocabulary) => {
      const [batch, steps] = [7, 3];
      const { data: logits } = randomFloats(vocabulary, [batch, vocabulary], 4);
      // Two rows have ended; of the others one may.
      const last = randomIds(2, [batch], 4, 9).data;
      last.set([END_ID, PAD_ID], 2);
      const common = { logits, vocabulary, site, random: state, ...ids };
      const expected: number[] = [];
      for (let step = 0; step < steps; step++) {
        const before = step === 0 ? last : expected.slice(-batch);
        expected.push(
          ...sampleStep({ ...common, step, last: before, temperature: Math.fround(temperature) }),
        );
      }
      expect([...(await draw({ logits, last, temperature, steps }))]).toEqual(expected);
    });
  });
});

describe('the temperature', () => {
  const [batch, vocabulary] = [33, 200];
  const logits = randomFloats(20, [batch, vocabulary], 3).data;
  // Of equals the lower id wins, whatever lanes they fall to.
  for (const [row, tied] of [
    [5, 6],
    [4, 68],
    [199, 0],
    [63, 64],
    [131, 9, 130],
  ].entries()) {
    for (const id of tied) logits[row * vocabulary + id] = 8;
  }
  const last = randomIds(21, [batch], 4, 9).data;
  last.set([END_ID, PAD_ID], 30);

  test('0 is greedy, ties, specials and ended rows included', async () => {
    expect(await draw({ logits, last, temperature: 0 })).toEqual(
      await draw({ logits, last, temperature: 0 }, true),
    );
  });

  test('next to 0 is greedy where there is no tie', async () => {
    const untied = randomFloats(22, [batch, vocabulary], 3).data;
    const given = { logits: untied, last, temperature: 1e-6 };
    expect(await draw(given)).toEqual(await draw(given, true));
  });

  test.each([0.5, 1, 2])('%f gives the frequencies of softmax(logits / temperature)', async (temperature) => {
    const row = randomFloats(23, [11], 1.5).data;
    const [rows, steps] = [400, 10];
    row[END_ID] = -1000; // so that no row ends
    const given = { logits: repeated(row, rows), last: new Uint32Array(rows).fill(4), temperature, steps };
    const weights = Array.from(row, (logit, id) =>
      id === PAD_ID || id === BEGIN_ID || id === END_ID ? 0 : Math.exp(logit / temperature),
    );
    expectFrequencies(await draw(given), weights);
  });

  test('a rare token among many is drawn as often as it should be', async () => {
    // 1 in 64 of 4,000 draws against 1,008 others: the upper tail of the noise decides.
    const row = new Float32Array(1024).fill(-1000, 0, 16);
    row[700] = Math.log(1008 / 63);
    const given = {
      logits: repeated(row, 400),
      last: new Uint32Array(400).fill(4),
      temperature: 1,
      steps: 10,
    };
    const kinds = (await draw(given)).map((id) => (id < 16 ? 2 : id === 700 ? 1 : 0));
    expectFrequencies(kinds, [63, 1, 0]);
  });
});

test('the noise is exact in its far tail, where 1 - u is 1', async () => {
  // Found by search: token 982's number is the ninth smallest there is.
  const random: RandomState = [5, 0, 1207, 0];
  const [, , ...key] = philox4x32([0, site, 1207, 0], [5, 0]);
  const wordOf = (id: number) => philox4x32([Math.floor(id / 4), 0, 0, 0], key)[id % 4]!;
  const noiseOf = (id: number) => -Math.log(-Math.log1p(-(wordOf(id) + 0.5) / 2 ** 32));
  const [rare, rival] = [982, 13];
  expect(wordOf(rare)).toBe(8);
  const row = new Float32Array(1021).fill(-1000);
  row[rare] = 0;
  for (const [margin, winner] of [
    [-1e-4, rare],
    [1e-4, rival],
  ] as const) {
    row[rival] = noiseOf(rare) - noiseOf(rival) + margin;
    const drawn = await draw({ logits: row, last: Uint32Array.of(4), temperature: 1, random });
    expect([...drawn]).toEqual([winner]);
  }
});

test('a row that has ended puts out <pad>, also one that ends on the way', async () => {
  const row = new Float32Array(6).fill(-50);
  row[END_ID] = 0;
  const last = Uint32Array.of(4, END_ID, PAD_ID, BEGIN_ID);
  const drawn = await draw({ logits: repeated(row, 4), last, temperature: 1, steps: 2 });
  expect([...drawn]).toEqual([END_ID, PAD_ID, PAD_ID, END_ID, PAD_ID, PAD_ID, PAD_ID, PAD_ID]);
});

test('another seed or step draws other tokens, the same ones the same', async () => {
  const given = { logits: new Float32Array(50 * 300), last: new Uint32Array(50).fill(4), temperature: 1 };
  const states: RandomState[] = [state, [12, 0xffff_fff0, 0xffff_ffff, 2], [11, 0xffff_fff0, 0, 3]];
  const drawn = [];
  for (const random of states) drawn.push(await draw({ ...given, random }));
  expect(await draw(given)).toEqual(drawn[0]);
  for (const [i, x] of drawn.entries()) {
    for (const y of drawn.slice(i + 1)) {
      expect(x.filter((id, row) => id === y[row]).length).toBeLessThan(5); // 1 in 298 by chance
    }
  }
});

test('a step that nothing follows is refused', async () => {
  const tokens = { data: new Uint32Array(2), shape: [2, 1] };
  const run = evaluate(
    await testGpu(),
    {
      logits: { data: new Float32Array(5), shape: [1, 5] },
      tokens,
      temperature: { data: new Float32Array(1), shape: [1] },
      random: { data: new Uint32Array(4), shape: [4] },
    },
    (tape, { logits, tokens, temperature, random }) => {
      recordSampleStep(tape, logits, tokens, 1, { ...ids, temperature, random, site });
      return { tokens };
    },
  );
  await expect(run).rejects.toThrow('nothing follows step 1');
});

test('has no race, but some without its barrier', () => {
  const check = {
    buffers: {
      logits: randomFloats(5, [2, 70]).data,
      random: Uint32Array.from(state),
      temperature: Float32Array.of(0.5),
      tokens: new Uint32Array(4).fill(4),
    },
    params: { batch: 2, vocabulary: 70, step: 0, site, ...ids, temperature: 0 },
    workgroups: [2, 1, 1],
  } as const;
  expect(findRaces('choose-token', 'sampled', check)).toEqual([]);
  const code = shaderInfo('choose-token').code.replaceAll('workgroupBarrier();', '');
  expect(findRaces('choose-token', 'sampled', { ...check, code }).length).toBeGreaterThan(0);
});
