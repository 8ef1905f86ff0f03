import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BEGIN_ID, END_ID, PAD_ID } from '../../src/data/special-tokens.ts';
import { shaderInfo } from '../../src/gpu/shader.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { recordGreedyStep } from '../../src/ops/greedy-step.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats, randomIds } from '../setup/random.ts';

const ids = { padding: PAD_ID, begin: BEGIN_ID, end: END_ID };

/** The tokens [steps + 1, B] after the step. */
async function choose(
  logits: Float32Array,
  tokens: Uint32Array,
  batch: number,
  step: number,
): Promise<number[]> {
  const shapes = { logits: [batch, logits.length / batch], tokens: [tokens.length / batch, batch] };
  const { outputs } = await evaluate(
    await testGpu(),
    {
      logits: { data: Float32Array.from(logits), shape: shapes.logits },
      tokens: { data: Uint32Array.from(tokens), shape: shapes.tokens },
    },
    (tape, tensors) => {
      recordGreedyStep(tape, tensors.logits, tensors.tokens, step, ids);
      return { tokens: tensors.tokens };
    },
  );
  return [...new Uint32Array(outputs.tokens.data.buffer)];
}

/** The lowest id among the most probable ones that may be put out. */
function best(logits: Float32Array): number {
  let choice = -1;
  for (const [id, logit] of logits.entries()) {
    if (id !== PAD_ID && id !== BEGIN_ID && (choice < 0 || logit > logits[choice]!)) choice = id;
  }
  return choice;
}

/** The device, which takes itself for hardware where the lanes of a GPU are to be tested. */
const lanesOf = (software: boolean) => {
  beforeEach(async () => {
    vi.spyOn(await testGpu(), 'software', 'get').mockReturnValue(software);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
};

const rowsOf = (data: Float32Array, batch: number) =>
  Array.from({ length: batch }, (_, b) =>
    data.subarray((b * data.length) / batch, ((b + 1) * data.length) / batch),
  );

describe.each([true, false])('the most probable token, software %s', (software) => {
  lanesOf(software);

  test.each([4, 5, 63, 64, 65, 127, 129, 1000])('of %i', async (vocabulary) => {
    const batch = 7;
    const { data } = randomFloats(vocabulary, [batch, vocabulary], 20);
    const tokens = randomIds(1, [3, batch], 4, 9).data;
    const expected = [...tokens];
    for (const [b, row] of rowsOf(data, batch).entries()) expected[2 * batch + b] = best(row);
    expect(await choose(data, tokens, batch, 1)).toEqual(expected);
  });

  test('is the one with the lower id among equals, whatever lanes they fall to', async () => {
    const vocabulary = 200;
    const ties = [
      [5, 6],
      [4, 68],
      [66, 67, 130],
      [0, 199],
      [63, 64],
      [190, 70],
    ];
    const data = new Float32Array(ties.length * vocabulary).fill(-3);
    for (const [row, equal] of ties.entries()) for (const id of equal) data[row * vocabulary + id] = -1;
    const chosen = await choose(data, new Uint32Array(2 * ties.length).fill(4), ties.length, 0);
    expect(chosen.slice(ties.length)).toEqual(ties.map((equal) => Math.min(...equal)));
  });

  test('is never <pad> or <s>, and may be <unk> or </s>', async () => {
    const vocabulary = 70;
    const favoured = [
      [PAD_ID, 9],
      [BEGIN_ID, 69],
      [0, 0],
      [END_ID, END_ID],
    ] as const;
    const data = randomFloats(3, [favoured.length, vocabulary]).data;
    for (const [row, [high, next]] of favoured.entries()) {
      data[row * vocabulary + next] = 50;
      data[row * vocabulary + high] = 100;
    }
    const chosen = await choose(data, new Uint32Array(2 * favoured.length).fill(4), favoured.length, 0);
    expect(chosen.slice(favoured.length)).toEqual([9, 69, 0, END_ID]);
  });

  test('of huge negative logits is one of them', async () => {
    const data = new Float32Array(10).fill(-3e38);
    data[7] = -2.9e38;
    expect(await choose(data, Uint32Array.of(4, 0), 1, 0)).toEqual([4, 7]);
  });
});

test('a row that has ended puts out <pad> from then on', async () => {
  const { data } = randomFloats(4, [4, 20]);
  const last = [4, END_ID, PAD_ID, BEGIN_ID];
  const chosen = await choose(data, Uint32Array.from([...last, 0, 0, 0, 0]), 4, 0);
  const rows = rowsOf(data, 4);
  expect(chosen.slice(4)).toEqual([best(rows[0]!), PAD_ID, PAD_ID, best(rows[3]!)]);
});

test('has no race, but some without its barrier', () => {
  const check = {
    buffers: { logits: randomFloats(5, [2, 70]).data, tokens: new Uint32Array(4).fill(4) },
    params: { batch: 2, vocabulary: 70, step: 0, ...ids },
    workgroups: [2, 1, 1],
  } as const;
  expect(findRaces('greedy-step', 'main', check)).toEqual([]);
  const code = shaderInfo('greedy-step').code.replaceAll('workgroupBarrier();', '');
  expect(findRaces('greedy-step', 'main', { ...check, code }).length).toBeGreaterThan(0);
});
