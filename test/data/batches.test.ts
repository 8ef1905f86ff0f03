import { describe, expect, it } from 'vitest';
import {
  type BatchPlan,
  countShapes,
  describePlans,
  type EpochOptions,
  planEpoch,
  planInOrder,
  planSources,
} from '../../src/data/batch-plan.ts';
import {
  evaluationBatches,
  fillBatch,
  restoreOrder,
  trainingBatches,
  translationBatches,
} from '../../src/data/batches.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { textForms } from '../../src/data/forms.ts';
import { Random } from '../../src/data/random.ts';
import { Sequences } from '../../src/data/sequences.ts';
import { ConfigError, DataError } from '../../src/errors.ts';

/** Sentences of 1 … 20 random ids and `</s>`; targets are about as long as sources. */
function randomDataset(count: number, seed: number): Dataset {
  const random = new Random(seed);
  const sentence = (length: number) => [...Array.from({ length }, () => 4 + random.below(90)), 3];
  const lengths = Array.from({ length: count }, () => 1 + random.below(20));
  return {
    name: 'random',
    forms: textForms,
    source: Sequences.from(lengths.map((length) => sentence(length))),
    target: Sequences.from(lengths.map((length) => sentence(Math.max(1, length + random.below(5) - 2)))),
    lines: Uint32Array.from({ length: count }, (_, i) => i),
    sourceUnknown: { unknown: 0, tokens: 1, rate: 0 },
    targetUnknown: { unknown: 0, tokens: 1, rate: 0 },
  };
}

const dataset = randomDataset(1003, 1);
const options: EpochOptions = { batchSize: 16, seed: 5, poolBatches: 20 };
const everyIndex = (plans: readonly BatchPlan[]) =>
  plans.flatMap(({ indices }) => indices).sort((a, b) => a - b);
const all = Array.from({ length: 1003 }, (_, i) => i);

function checkShapes(plans: readonly BatchPlan[], width: number): void {
  for (const { B, S, T, indices } of plans) {
    expect(indices.length).toBeGreaterThan(0);
    expect(indices.length).toBeLessThanOrEqual(B);
    expect(S).toBe(Math.ceil(Math.max(...indices.map((i) => dataset.source.lengthOf(i))) / width) * width);
    expect(T).toBe(Math.ceil(Math.max(...indices.map((i) => dataset.target.lengthOf(i))) / width) * width);
  }
}

describe('planEpoch', () => {
  it('puts every sentence in exactly one batch of constant rows and bucketed lengths', () => {
    for (const bucketWidth of [1, 4, 5]) {
      const plans = planEpoch(dataset, { ...options, bucketWidth }, 0);
      expect(everyIndex(plans)).toEqual(all);
      expect(plans).toHaveLength(Math.ceil(1003 / 16));
      expect(plans.every(({ B }) => B === 16)).toBe(true);
      expect(plans.filter(({ indices }) => indices.length < 16).map(({ indices }) => indices.length)).toEqual(
        [11],
      );
      checkShapes(plans, bucketWidth);
    }
  });

  it('depends on the seed and the epoch and on nothing else', () => {
    const plans = planEpoch(dataset, options, 3);
    planEpoch(dataset, options, 4);
    expect(planEpoch(randomDataset(1003, 1), { ...options }, 3)).toEqual(plans);
    expect(planEpoch(dataset, options, 4)).not.toEqual(plans);
    expect(planEpoch(dataset, { ...options, seed: 6 }, 3)).not.toEqual(plans);
  });

  it('mixes other sentences in every epoch, in random order of length', () => {
    const [first, second] = [planEpoch(dataset, options, 0), planEpoch(dataset, options, 1)];
    const neighbours = (plans: readonly BatchPlan[]) =>
      new Set(plans.flatMap(({ indices }) => indices.flatMap((a) => indices.map((b) => a * 2000 + b))));
    const [pairs, others] = [neighbours(first), neighbours(second)];
    const shared = [...pairs].filter((pair) => others.has(pair)).length - 1003;
    // Of about 15,000 ordered pairs. Sentences of a kind meet again, most do not.
    expect(shared / (pairs.size - 1003)).toBeLessThan(0.25);
    // With a single pool, too, short batches do not come first: about half of the neighbours fall in length.
    const lengths = planEpoch(dataset, { ...options, poolBatches: 100, bucketWidth: 1 }, 0).map(({ T }) => T);
    const falls = lengths.filter((length, i) => i > 0 && length < lengths[i - 1]!).length;
    expect(falls).toBeGreaterThan(15);
    expect(falls).toBeLessThan(45);
  });

  it('pads less the larger the pool, and not at all in order where the pool is one batch', () => {
    const cells = (poolBatches: number) =>
      planEpoch(dataset, { ...options, poolBatches, bucketWidth: 1 }, 0).reduce(
        (sum, { B, S, T }) => sum + B * (S + T),
        0,
      );
    const tokens = dataset.source.totalLength + dataset.target.totalLength;
    expect(cells(1)).toBeGreaterThan(1.5 * tokens);
    expect(cells(1000)).toBeLessThan(1.15 * tokens);
    expect(cells(10)).toBeGreaterThan(cells(1000));
  });

  it('does not put the shortest and the longest sources of neighbouring buckets into one batch', () => {
    // Every length of source with every length of target, five to a bucket: every fourth batch of two straddles.
    const lengths = [1, 2, 3, 4, 5].flatMap((T) => [1, 2, 3, 4, 5].map((S) => [S, T] as const));
    const grid: Dataset = {
      ...dataset,
      source: Sequences.from(lengths.map(([S]) => new Uint32Array(S).fill(4))),
      target: Sequences.from(lengths.map(([, T]) => new Uint32Array(T).fill(4))),
    };
    const plans = planInOrder(grid, { batchSize: 2, bucketWidth: 1 });
    const spread = plans.map(
      ({ S, indices }) => S - Math.min(...indices.map((i) => grid.source.lengthOf(i))),
    );
    expect(Math.max(...spread)).toBe(1);
  });

  it('fills batches by tokens, padding included', () => {
    const plans = planEpoch(dataset, { ...options, batchSize: 200, batchType: 'token' }, 0);
    expect(everyIndex(plans)).toEqual(all);
    checkShapes(plans, 4);
    for (const { B, S, T } of plans) expect(B).toBe(Math.floor(200 / Math.max(S, T)));
    // Most rows are used, and the rows follow from the lengths.
    expect(plans.reduce((sum, { B }) => sum + B, 0)).toBeLessThan(1.15 * 1003);
    expect(countShapes(plans)).toBe(new Set(plans.map(({ S, T }) => `${S} ${T}`)).size);
  });

  it('gives a sentence longer than a whole batch of tokens its own', () => {
    const plans = planEpoch(dataset, { ...options, batchSize: 10, batchType: 'token' }, 0);
    expect(everyIndex(plans)).toEqual(all);
    expect(plans.filter(({ S, T }) => Math.max(S, T) > 10).every(({ B }) => B === 1)).toBe(true);
    expect(plans.some(({ B }) => B > 1)).toBe(true);
  });

  it('refuses sizes that are not positive integers, and no data', () => {
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      expect(() => planEpoch(dataset, { ...options, batchSize: bad }, 0)).toThrow(ConfigError);
      expect(() => planEpoch(dataset, { ...options, bucketWidth: bad }, 0)).toThrow(/bucketWidth must be/);
      expect(() => planEpoch(dataset, { ...options, poolBatches: bad }, 0)).toThrow(/poolBatches must be/);
    }
    expect(() => planEpoch(randomDataset(0, 1), options, 0)).toThrow(DataError);
  });
});

describe('batches', () => {
  it('are time-major, padded, shifted by one', () => {
    const small: Dataset = {
      ...dataset,
      source: Sequences.from([
        [7, 8, 9, 3],
        [5, 3],
      ]),
      target: Sequences.from([
        [6, 3],
        [4, 9, 3],
      ]),
    };
    expect(fillBatch(small, { B: 3, S: 5, T: 4, indices: [1, 0] })).toEqual({
      B: 3,
      S: 5,
      T: 4,
      source: Uint32Array.of(5, 7, 1, 3, 8, 1, 1, 9, 1, 1, 3, 1, 1, 1, 1),
      sourceLengths: Uint32Array.of(2, 4, 0),
      sourceTokens: 6,
      targetInput: Uint32Array.of(2, 2, 1, 4, 6, 1, 9, 1, 1, 1, 1, 1),
      targetOutput: Uint32Array.of(4, 6, 1, 9, 3, 1, 3, 1, 1, 1, 1, 1),
      targetLengths: Uint32Array.of(3, 2, 0),
      targetTokens: 5,
      sentences: 2,
      indices: [1, 0],
    });
  });

  it('go on from any batch of any epoch', () => {
    const whole = [...trainingBatches(dataset, options, 2)];
    expect(whole).toHaveLength(63);
    expect([...trainingBatches(dataset, options, 2, 40)]).toEqual(whole.slice(40));
    expect([...trainingBatches(dataset, options, 2, 63)]).toEqual([]);
  });

  it('count every token once in an epoch', () => {
    for (const batches of [
      [...trainingBatches(dataset, options, 0)],
      [...trainingBatches(dataset, { ...options, batchType: 'token', batchSize: 300 }, 0)],
      [...evaluationBatches(dataset, options)],
    ]) {
      const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);
      expect(sum(batches.map(({ sourceTokens }) => sourceTokens))).toBe(dataset.source.totalLength);
      expect(sum(batches.map(({ targetTokens }) => targetTokens))).toBe(dataset.target.totalLength);
      expect(sum(batches.flatMap(({ targetLengths }) => [...targetLengths]))).toBe(
        dataset.target.totalLength,
      );
      expect(sum(batches.map(({ sentences }) => sentences))).toBe(1003);
    }
  });
});

describe('evaluation and translation', () => {
  it('sort by length, randomly not at all', () => {
    const plans = planInOrder(dataset, { batchSize: 16 });
    expect(everyIndex(plans)).toEqual(all);
    checkShapes(plans, 4);
    expect(plans).toEqual(planInOrder(dataset, { batchSize: 16 }));
    const lengths = plans.map(({ T }) => T);
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
    expect(describePlans(plans, dataset)).toMatch(
      /^63 batches in \d+ shapes; padding: 1\d % of the source, 1\d % of the target$/,
    );
  });

  it('leave out empty lines and put results back in order', () => {
    const sources = Sequences.from([[4, 5, 3], [3], [6, 3], [3], [7, 8, 9, 10, 11, 3], [9, 3], [8, 3]]);
    const batches = [...translationBatches(sources, { batchSize: 2, bucketWidth: 2 })];
    expect(batches.map(({ B, S, indices }) => [B, S, indices])).toEqual([
      [2, 2, [2, 5]],
      [2, 4, [6, 0]],
      [2, 6, [4]],
    ]);
    const results = batches.map(({ source, indices }) => ({
      indices,
      results: indices.map((_, row) => `${source[row]}`),
    }));
    expect(restoreOrder(7, results, '')).toEqual(['4', '', '6', '', '7', '9', '8']);
    expect([...translationBatches(Sequences.from([[3], [3]]), { batchSize: 2 })]).toEqual([]);
  });

  it('make few rows for few lines', () => {
    const rows = (count: number, batchSize: number) =>
      planSources(Sequences.from(Array.from({ length: count }, () => [4, 3])), { batchSize }).map(
        ({ B }) => B,
      );
    expect([rows(1, 64), rows(2, 64), rows(3, 64), rows(33, 48), rows(100, 64)]).toEqual([
      [1],
      [2],
      [4],
      [48],
      [64, 64],
    ]);
  });

  it('fit any length of source', () => {
    const sources = Sequences.from([new Uint32Array(5001).fill(4), [4, 3]]);
    const plans = planSources(sources, { batchSize: 64, batchType: 'token' });
    expect(plans.map(({ B, S, indices }) => [B, S, indices])).toEqual([
      [16, 4, [1]],
      [1, 5004, [0]],
    ]);
  });
});
