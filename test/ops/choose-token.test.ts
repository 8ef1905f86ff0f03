/** Scheduled sampling: the choices of the float64 reference, at the rate asked for, from the distribution asked for. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import { ShapeError } from '../../src/errors.ts';
import { shaderInfo } from '../../src/gpu/shader.ts';
import { type OwnToken, recordChooseToken } from '../../src/ops/choose-token.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { philox4x32 } from '../../src/ops/philox.ts';
import { chooseToken } from '../../src/reference/choose-token.ts';
import type { RandomState } from '../../src/reference/dropout.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { expectFrequencies, rateBound } from '../setup/frequencies.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats, randomIds } from '../setup/random.ts';

const specials = { padding: PAD_ID, begin: BEGIN_ID, end: END_ID };
const state: RandomState = [0xdead_beef, 17, 41, 3];

interface Given {
  /** [B, V], the same at every step. */
  readonly logits: Float32Array;
  readonly batch: number;
  /** [T, B]. */
  readonly teacher: Uint32Array;
  readonly probability: number;
  /** Default: all that there are. */
  readonly steps?: readonly number[];
  readonly mode?: OwnToken;
  readonly random?: RandomState;
  readonly site?: number;
}

/** The tokens [T, B], of which those that no step chose are 77. */
async function choose(given: Given): Promise<Uint32Array> {
  const { logits, batch, teacher, probability, mode = 'argmax', random = state, site = 5 } = given;
  const T = teacher.length / batch;
  const { outputs } = await evaluate(
    await testGpu(),
    {
      logits: { data: logits, shape: [batch, logits.length / batch] },
      teacher: { data: teacher, shape: [T, batch] },
      tokens: { data: new Uint32Array(T * batch).fill(77), shape: [T, batch] },
      sampling: { data: Float32Array.of(probability, 9), shape: [2] },
      random: { data: Uint32Array.from(random), shape: [4] },
    },
    (tape, tensors) => {
      for (const step of given.steps ?? Array.from({ length: T - 1 }, (_, t) => t)) {
        recordChooseToken(tape, { ...tensors, step, site, mode, specials });
      }
      return { tokens: tensors.tokens };
    },
  );
  return new Uint32Array(outputs.tokens.data.buffer);
}

/** A vocabulary in which the own token is 4 and the teacher's is 5. */
const four = (batch: number) => Float32Array.from({ length: 6 * batch }, (_, i) => (i % 6 === 4 ? 2 : 0));
const fives = (batch: number, T: number) => new Uint32Array(batch * T).fill(5);
const countOf = (tokens: Uint32Array, id: number) => tokens.filter((token) => token === id).length;

/** The device, which takes itself for hardware where the lanes of a GPU are to be tested. */
const lanesOf = (software: boolean) => {
  beforeEach(async () => {
    vi.spyOn(await testGpu(), 'software', 'get').mockReturnValue(software);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
};

describe.each([true, false])('the choices of the reference, software %s', (software) => {
  lanesOf(software);

  describe.each(['argmax', 'sample'] as const)('%s', (mode) => {
    test.each([5, 63, 64, 65, 255, 256, 257, 1021])('of %i tokens', async (vocabulary) => {
      const [batch, T] = [7, 4];
      const { data: logits } = randomFloats(vocabulary, [batch, vocabulary], 4);
      const { data: teacher } = randomIds(vocabulary + 1, [T, batch], 4, 9);
      const probability = Math.fround(0.6);
      const tokens = await choose({ logits, batch, teacher, probability, mode });
      const expected = [...new Uint32Array(batch).fill(77)];
      for (let step = 0; step < T - 1; step++) {
        const next = teacher.subarray((step + 1) * batch, (step + 2) * batch);
        const temperature = mode === 'sample' ? 1 : 0;
        const own = { logits, vocabulary, step, site: 5, random: state, ...specials };
        expected.push(...chooseToken({ ...own, teacher: next, probability, temperature }));
      }
      expect([...tokens]).toEqual(expected);
    });
  });

  test('one step writes its own slot and no other', async () => {
    const tokens = await choose({
      logits: four(2),
      batch: 2,
      teacher: fives(2, 4),
      probability: 1,
      steps: [1],
    });
    expect([...tokens]).toEqual([77, 77, 77, 77, 4, 4, 77, 77]);
  });
});

describe('own or teacher', () => {
  test('the own token where its number is below p, to the last of 24 bits', async () => {
    const [batch, row, step, site] = [3, 2, 1, 5];
    const [seedLow, seedHigh, stepLow, stepHigh] = state;
    const [word] = philox4x32([step * batch + row, site, stepLow, stepHigh], [seedLow, seedHigh]);
    const number = word >>> 8;
    const at = async (probability: number) => {
      const given = {
        logits: four(batch),
        batch,
        teacher: fives(batch, 3),
        probability,
        steps: [step],
        site,
      };
      return (await choose(given))[2 * batch + row];
    };
    expect(await at(number / 2 ** 24)).toBe(5);
    expect(await at((number + 1) / 2 ** 24)).toBe(4);
  });

  test('p = 0 and p = 1 hold for the smallest and the largest number too', async () => {
    // Found by search: words that as f32 fractions would be 0 and 1.
    const smallest: RandomState = [5, 0, 21_708_338, 0];
    const largest: RandomState = [5, 0, 57_571_745, 0];
    const wordOf = ([low, high, ...step]: RandomState) => philox4x32([0, 7, ...step], [low, high])[0];
    expect([smallest, largest].map(wordOf)).toEqual([0x7, 0xffff_fff6]);
    const one = { logits: four(1), batch: 1, teacher: fives(1, 2), site: 7 };
    expect([...(await choose({ ...one, probability: 0, random: smallest }))]).toEqual([77, 5]);
    expect([...(await choose({ ...one, probability: 1, random: largest }))]).toEqual([77, 4]);
  });

  const [batch, T] = [500, 9];
  const n = batch * (T - 1);
  const many = { logits: four(batch), batch, teacher: fives(batch, T) };

  test.each([0, 0.02, 0.25, 0.5, 0.9, 1])('a share of %f is the own token', async (probability) => {
    const own = countOf(await choose({ ...many, probability }), 4);
    expect(Math.abs(own - n * probability)).toBeLessThanOrEqual(rateBound(n, probability));
  });

  test('steps, rows, sites and seeds draw independently', async () => {
    const [a, b, c, d] = state;
    const given = { ...many, probability: 0.5 };
    const drawn = [
      await choose(given),
      await choose({ ...given, site: 6 }),
      await choose({ ...given, random: [a + 1, b, c, d] }),
      await choose({ ...given, random: [a, b + 1, c, d] }),
      await choose({ ...given, random: [a, b, c + 1, d] }),
      await choose({ ...given, random: [a, b, c, d + 1] }),
    ].map((tokens) => tokens.subarray(batch));
    const agreement = (x: Uint32Array, y: Uint32Array) => x.filter((token, i) => token === y[i]).length;
    for (const [i, x] of drawn.entries()) {
      for (const y of drawn.slice(i + 1)) {
        expect(Math.abs(agreement(x, y) - n / 2)).toBeLessThan(rateBound(n, 0.5));
      }
    }
    for (const distance of [1, 2, 4, batch]) {
      const [left, right] = [drawn[0]!.subarray(distance), drawn[0]!.subarray(0, n - distance)];
      expect(Math.abs(agreement(left, right) - (n - distance) / 2)).toBeLessThan(rateBound(n, 0.5));
    }
  });
});

describe('the own token', () => {
  test('is never <pad> or <s>, and of equals the lower id', async () => {
    const vocabulary = 300;
    const rows = [
      [PAD_ID, 9],
      [BEGIN_ID, 299],
      [0, 0],
      [END_ID, END_ID],
    ] as const;
    const ties = [
      [7, 6],
      [4, 260],
      [258, 259, 130],
    ];
    const batch = rows.length + ties.length;
    const logits = randomFloats(3, [batch, vocabulary]).data;
    for (const [row, [high, next]] of rows.entries()) {
      logits[row * vocabulary + next] = 50;
      logits[row * vocabulary + high] = 100;
    }
    for (const [i, equal] of ties.entries()) {
      for (const id of equal) logits[(rows.length + i) * vocabulary + id] = 5;
    }
    const given = { logits, batch, teacher: fives(batch, 2), probability: 1 };
    const expected = [9, 299, 0, END_ID, ...ties.map((equal) => Math.min(...equal))];
    expect([...(await choose(given)).subarray(batch)]).toEqual(expected);
    const sampled = [...(await choose({ ...given, mode: 'sample' })).subarray(batch)];
    expect(sampled.slice(0, rows.length)).toEqual(expected.slice(0, rows.length)); // by e^50 against the rest
  });

  test('</s> is read like any other, and the row goes on', async () => {
    const logits = Float32Array.of(0, 0, 0, 9, 0, 0);
    const teacher = Uint32Array.of(BEGIN_ID, 4, 5, 4, PAD_ID, PAD_ID);
    const tokens = await choose({ logits, batch: 1, teacher, probability: 1 });
    expect([...tokens]).toEqual([77, END_ID, END_ID, END_ID, PAD_ID, PAD_ID]);
  });

  test('rows that are over keep <pad>, whatever the probability', async () => {
    const [batch, T] = [40, 3];
    const teacher = fives(batch, T).map((id, i) => (i % 3 === 0 ? PAD_ID : id));
    for (const mode of ['argmax', 'sample'] as const) {
      const given = { logits: four(batch), batch, teacher, probability: 0.7, mode };
      const tokens = (await choose(given)).subarray(batch);
      for (const [i, taught] of teacher.subarray(batch).entries()) {
        expect(tokens[i] === PAD_ID).toBe(taught === PAD_ID);
      }
    }
  });

  test('samples have the frequencies of softmax over what may be chosen', async () => {
    const [batch, T, vocabulary] = [400, 11, 13];
    const row = randomFloats(8, [vocabulary], 2).data;
    const logits = Float32Array.from({ length: batch * vocabulary }, (_, i) => row[i % vocabulary]!);
    const given = { logits, batch, teacher: new Uint32Array(batch * T).fill(99), probability: 1 };
    const tokens = (await choose({ ...given, mode: 'sample' })).subarray(batch);
    const weights = Array.from(row, (logit, id) => (id === PAD_ID || id === BEGIN_ID ? 0 : Math.exp(logit)));
    expectFrequencies(tokens, weights);
  });

  test('a sample says nothing of whether it was taken', async () => {
    const [batch, T] = [400, 9];
    const given = {
      logits: new Float32Array(batch * 8),
      batch,
      teacher: new Uint32Array(batch * T).fill(99),
    };
    const tokens = await choose({ ...given, probability: 0.5, mode: 'sample' });
    const own = tokens.subarray(batch).filter((id) => id !== 99);
    expectFrequencies(own, [1, 0, 0, 1, 1, 1, 1, 1]);
  });
});

test('two runs choose the same', async () => {
  const [batch, vocabulary] = [9, 130];
  const { data: logits } = randomFloats(9, [batch, vocabulary], 2);
  const given = { logits, batch, teacher: fives(batch, 5), probability: 0.5, mode: 'sample' } as const;
  expect(await choose(given)).toEqual(await choose(given));
});

test('a step that nothing follows is refused, and a teacher or tokens of another batch', async () => {
  const given = { logits: four(2), batch: 2, teacher: fives(2, 3), probability: 1 };
  await expect(choose({ ...given, steps: [2] })).rejects.toThrow('nothing follows step 2');
  const tape = new Tape({ software: true, training: false });
  const u32 = (...shape: number[]) => tape.tensor('ids', shape, { dtype: 'u32' });
  const whole = {
    logits: tape.tensor('logits', [2, 6]),
    teacher: u32(3, 2),
    tokens: u32(3, 2),
    sampling: tape.tensor('p', [1]),
    random: u32(4),
    ...({ step: 0, site: 1, mode: 'argmax', specials } as const),
  };
  expect(() => recordChooseToken(tape, whole)).not.toThrow();
  for (const wrong of [
    { teacher: u32(3, 3) },
    { tokens: u32(3, 1) },
    { random: u32(2) },
    { tokens: u32(1, 2) },
  ]) {
    expect(() => recordChooseToken(tape, { ...whole, ...wrong })).toThrow(ShapeError);
  }
});

test('has no race, but some without its barrier', () => {
  const check = {
    buffers: {
      logits: randomFloats(5, [2, 70]).data,
      random: Uint32Array.from(state),
      teacher: fives(2, 2),
      sampling: Float32Array.of(1e30), // the interpreter's random numbers may come out beyond 1
      tokens: new Uint32Array(4),
    },
    params: { batch: 2, vocabulary: 70, step: 0, site: 1, ...specials, temperature: 0 },
    workgroups: [2, 1, 1],
  } as const;
  expect(findRaces('choose-token', 'scheduled', check)).toEqual([]);
  const code = shaderInfo('choose-token').code.replaceAll('workgroupBarrier();', '');
  expect(findRaces('choose-token', 'scheduled', { ...check, code }).length).toBeGreaterThan(0);
});
