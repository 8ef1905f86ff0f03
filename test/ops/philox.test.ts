/** The generator against the published vectors, on the CPU and on the device, and the numbers made of its words. */
import { describe, expect, test } from 'vitest';
import { PhiloxStream, philox4x32 } from '../../src/ops/philox.ts';
import { persistentTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { loadPhilox } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { hashIds } from '../setup/hash-numbers.ts';

type Counter = [number, number, number, number];
type Key = [number, number];

const words = (hexadecimal: string[]) => hexadecimal.map((word) => Number.parseInt(word, 16));
const answers = loadPhilox().map(({ counter, key, output }) => ({
  counter: words(counter) as Counter,
  key: words(key) as Key,
  output: words(output),
}));

test.each(answers)('known answer $counter, $key', ({ counter, key, output }) => {
  expect(philox4x32(counter, key)).toEqual(output);
});

test("the first three are Random123's", () => {
  expect(answers.slice(0, 3).map(({ output }) => output[0])).toEqual([0x6627e8d5, 0x408f276d, 0xd16cfe09]);
});

test('the device makes the same words', async () => {
  const gpu = await testGpu();
  const random = Array.from({ length: 200 }, (_, i) => {
    const draws = [...hashIds(i, 12, 0, 2 ** 16)];
    return Array.from({ length: 6 }, (_, word) => draws[2 * word]! * 2 ** 16 + draws[2 * word + 1]!);
  });
  const inputs = [...answers.map(({ counter, key }) => [...counter, ...key]), ...random];
  const tape = new Tape({ software: gpu.software, training: false });
  const blocks = persistentTensor(gpu, 'blocks', [inputs.length, 6], 'u32');
  const made = persistentTensor(gpu, 'words', [inputs.length, 4], 'u32');
  writeTensor(gpu, blocks, Uint32Array.from(inputs.flat()));
  tape.dispatch('dropout', 'generate', {
    bindings: { blocks, words: made },
    params: { start: 0, end: inputs.length, site: 0, threshold: 0, scale: 0, accumulate: 0, stride: 0 },
    workgroups: [Math.ceil(inputs.length / 64)],
  });
  submit(gpu, 'philox', [await Plan.build(gpu, new ScratchPool(gpu), 'philox', tape)]);
  const bits = new Uint32Array((await readTensor(gpu, made)).buffer);
  const expected = inputs.flatMap(([a, b, c, d, e, f]) => philox4x32([a!, b!, c!, d!], [e!, f!]));
  expect([...bits]).toEqual(expected);
});

describe('PhiloxStream', () => {
  const draw = (stream: PhiloxStream, count: number, kind: 'nextU32' | 'nextUniform' | 'nextNormal') =>
    Array.from({ length: count }, () => stream[kind]());

  test('deals out the words of consecutive blocks under the whole seed', () => {
    const seed = 0x12345 * 2 ** 32 + 0x89abcdef;
    const expected = [0, 1, 2].flatMap((block) =>
      philox4x32([block, 7, 0, 0xffff_ffff], [0x89abcdef, 0x12345]),
    );
    expect(draw(new PhiloxStream(seed, 7), 12, 'nextU32')).toEqual(expected);
  });

  test('streams and seeds differ', () => {
    const starts = [
      new PhiloxStream(1),
      new PhiloxStream(1, 1),
      new PhiloxStream(2),
      new PhiloxStream(1 + 2 ** 32),
    ];
    expect(new Set(starts.map((stream) => stream.nextU32())).size).toBe(4);
  });

  test('uniform numbers lie in the range and have its mean and variance', () => {
    const n = 40_000;
    const values = draw(new PhiloxStream(3), n, 'nextUniform');
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    const mean = values.reduce((a, b) => a + b) / n;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n;
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(4 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / n));
    const stream = new PhiloxStream(4);
    const bounded = Array.from({ length: 1000 }, () => stream.nextUniform(-0.08, 0.08));
    expect(bounded.every((value) => value >= -0.08 && value < 0.08)).toBe(true);
    expect(Math.max(...bounded)).toBeGreaterThan(0.07);
    expect(Math.min(...bounded)).toBeLessThan(-0.07);
  });

  test('normal numbers have the moments of the normal distribution', () => {
    const n = 40_000;
    const values = draw(new PhiloxStream(5), n, 'nextNormal');
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / n;
    // Each power's mean 0, 1, 0, 3 and variance E[x^2p] - E[x^p]^2 = 1, 2, 15, 96.
    for (const [power, mean, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ] as const) {
      expect(Math.abs(moment(power) - mean), `moment ${power}`).toBeLessThan(4 * Math.sqrt(variance / n));
    }
    const stream = new PhiloxStream(5);
    expect(stream.nextNormal(10, 0.5)).toBe(10 + 0.5 * values[0]!);
    // The two of a pair are independent of each other.
    const covariance =
      values.reduce((sum, value, i) => sum + (i % 2 ? value * values[i - 1]! : 0), 0) / (n / 2);
    expect(Math.abs(covariance)).toBeLessThan(4 / Math.sqrt(n / 2));
  });
});
