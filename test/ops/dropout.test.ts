import { describe, expect, test } from 'vitest';
import { dropout, recordDropout } from '../../src/ops/dropout.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { philox4x32 } from '../../src/ops/philox.ts';
import { dropoutMask, type RandomState } from '../../src/reference/dropout.ts';
import { expectClose } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';

const state: RandomState = [0xdead_beef, 17, 41, 3];
const random = (values: readonly number[] = state) => ({ data: Uint32Array.from(values), shape: [4] });
const ones = (...shape: number[]) => ({
  data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1),
  shape,
});
const zeros = (...shape: number[]) => ({ data: new Float32Array(shape.reduce((a, b) => a * b)), shape });

/** Which of `count` elements are kept. */
async function kept(
  count: number,
  probability: number,
  site: number,
  values: RandomState,
): Promise<boolean[]> {
  const { outputs } = await evaluate(
    await testGpu(),
    { x: ones(count), y: zeros(count), random: random(values) },
    (tape, { x, y, random }) => {
      recordDropout(tape, x, y, 0, count, { probability, site, random });
      return { y };
    },
  );
  return [...outputs.y.data].map((value) => value !== 0);
}

describe('values and gradients', () => {
  test.each([
    { shape: [1], probability: 0.5 },
    { shape: [3], probability: 0.9 },
    { shape: [4, 1], probability: 0.1 },
    { shape: [5, 3, 7], probability: 0.3 },
    { shape: [4, 4, 64], probability: 0.999 },
    { shape: [3, 85, 1], probability: 0.25 },
  ])('$shape, p = $probability', async ({ shape, probability }) => {
    const x = randomFloats(1, shape, 3);
    const dy = randomFloats(2, shape);
    const { outputs, gradients } = await evaluate(
      await testGpu(),
      { x, random: random() },
      (tape, { x, random }) => ({ y: dropout(tape, x, { probability, site: 5, random }) }),
      { y: dy },
    );
    const mask = dropoutMask(x.data.length, probability, 5, state);
    const apply = (values: Float32Array) =>
      values.map((value, i) => (mask[i] ? value / (1 - probability) : 0));
    expectClose(outputs.y.data, apply(x.data), 1e-6, 'y');
    expectClose(gradients.x!.data, apply(dy.data), 1e-6, 'dx');
    // Dropped is 0, whatever the rounding.
    outputs.y.data.forEach((value, i) => {
      expect(value !== 0).toBe(mask[i] === 1);
    });
  });

  test('x itself where nothing is dropped or nobody trains', async () => {
    const gpu = await testGpu();
    const x = randomFloats(1, [3, 5]);
    const same: boolean[] = [];
    const run = (probability: number, training: boolean) =>
      evaluate(
        gpu,
        { x, random: random() },
        (tape, { x, random }) => {
          const y = dropout(tape, x, { probability, site: 1, random });
          same.push(y === x && tape.dispatches.length === 0);
          return { y };
        },
        training ? { y: x } : undefined,
      );
    await run(0, true);
    await run(0.5, false);
    expect(same).toEqual([true, true]);
  });

  test.each([-0.1, 1, Number.NaN])('a probability of %f is refused', async (probability) => {
    const run = evaluate(
      await testGpu(),
      { x: ones(4), random: random() },
      (tape, { x, random }) => ({ y: dropout(tape, x, { probability, site: 1, random }) }),
      { y: ones(4) },
    );
    await expect(run).rejects.toThrow('the probability must be at least 0 and below 1');
  });
});

test('an element is dropped where its number is below p, to the last bit', async () => {
  const [count, site, element] = [16, 3, 6];
  const [seedLow, seedHigh, stepLow, stepHigh] = state;
  const number = philox4x32([1, site, stepLow, stepHigh], [seedLow, seedHigh])[element % 4]!;
  expect((await kept(count, number / 2 ** 32, site, state))[element]).toBe(true);
  expect((await kept(count, (number + 1) / 2 ** 32, site, state))[element]).toBe(false);
});

test.each([7, 8])(
  'ranges of steps get the mask of the whole, and accumulate, %i columns',
  async (columns) => {
    const gpu = await testGpu();
    // Of 3 x 7 elements a step most ranges begin and end within a block of four, of 3 x 8 none.
    const shape = [9, 3, columns];
    const x = randomFloats(3, shape);
    const before = randomFloats(4, shape);
    const run = (cuts: number[]) =>
      evaluate(
        gpu,
        { x, y: zeros(...shape), sum: before, random: random() },
        (tape, { x, y, sum, random }) => {
          const options = { probability: 0.4, site: 9, random };
          for (const [i, end] of cuts.entries()) {
            recordDropout(tape, x, y, cuts[i - 1] ?? 0, end, options);
            recordDropout(tape, x, sum, cuts[i - 1] ?? 0, end, { ...options, accumulate: 1 });
          }
          return { y, sum };
        },
      );
    const whole = await run([9]);
    const { outputs } = await run([1, 2, 5, 6, 9]);
    expect(outputs).toEqual(whole.outputs);
    expectClose(
      outputs.sum.data,
      outputs.y.data.map((value, i) => value + before.data[i]!),
      1e-6,
      'sum',
    );
    // Only the range is written.
    const partial = await run([2]);
    expect(partial.outputs.y.data.slice(0, 6 * columns)).toEqual(whole.outputs.y.data.slice(0, 6 * columns));
    expect(partial.outputs.y.data.slice(6 * columns).every((value) => value === 0)).toBe(true);
    expect(partial.outputs.sum.data.slice(6 * columns)).toEqual(before.data.slice(6 * columns));
  },
);

describe('statistics', () => {
  const n = 20_000;
  const sigma = (p: number) => Math.sqrt(n * p * (1 - p));

  test.each([0.1, 0.3, 0.5, 0.8])('a share of %f is dropped', async (probability) => {
    const dropped = (await kept(n, probability, 1, state)).filter((keep) => !keep).length;
    expect(Math.abs(dropped - n * probability)).toBeLessThan(4 * sigma(probability));
  });

  test('another site, step or seed gives another, independent mask', async () => {
    const [a, b, c, d] = state;
    const masks = await Promise.all([
      kept(n, 0.5, 1, state),
      kept(n, 0.5, 2, state),
      kept(n, 0.5, 0x101, state),
      kept(n, 0.5, 1, [a, b, c + 1, d]),
      kept(n, 0.5, 1, [a, b, c, d + 1]),
      kept(n, 0.5, 1, [a + 1, b, c, d]),
      kept(n, 0.5, 1, [a, b + 1, c, d]),
    ]);
    for (const [i, first] of masks.entries()) {
      for (const second of masks.slice(i + 1)) {
        const agreeing = first.filter((keep, element) => keep === second[element]).length;
        expect(Math.abs(agreeing - n / 2)).toBeLessThan(4.5 * sigma(0.5));
      }
    }
  });

  test('an element says nothing of its neighbours', async () => {
    const mask = await kept(n, 0.5, 1, state);
    for (const distance of [1, 2, 3, 4, 8, 256]) {
      const agreeing = mask.filter((keep, i) => keep === mask[(i + distance) % n]).length;
      expect(Math.abs(agreeing - n / 2), `distance ${distance}`).toBeLessThan(4 * sigma(0.5));
    }
  });
});
