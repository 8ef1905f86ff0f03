/** The cores of the experiments at sizes that take a second or two: what they measure is what they say. */
import { describe, expect, test } from 'vitest';
import { experimentCommand } from '../../src/cli/experiment.ts';
import {
  gradientNorms,
  gradientsAtStart,
  relativeNorms,
  trainRecall,
} from '../../src/experiments/gradients.ts';
import { type LengthSettings, runLengths, trainReversal } from '../../src/experiments/lengths.ts';
import { experiments } from '../../src/experiments/registry.ts';
import { runSampling } from '../../src/experiments/sampling.ts';
import { randomStrings, recall, reversal } from '../../src/experiments/strings.ts';
import { testGpu } from '../setup/gpu.ts';
import { expectWellFormed } from '../setup/xml.ts';

describe('the random strings', () => {
  const options = { count: 400, shortest: 2, longest: 5, alphabet: 3, keys: [7, 1] };

  test('have every length and letter about equally often, and are found from their keys', () => {
    const strings = randomStrings(options);
    expect(randomStrings(options)).toEqual(strings);
    expect(randomStrings({ ...options, keys: [7, 2] })).not.toEqual(strings);
    for (const length of [2, 3, 4, 5]) {
      const share = strings.filter((string) => string.length === length).length / strings.length;
      expect(Math.abs(share - 0.25)).toBeLessThan(0.1);
    }
    expect(new Set(strings.join(''))).toEqual(new Set('abc'));
  });

  test('become pairs', () => {
    expect(reversal('abca')).toEqual({ source: 'abca', target: 'acba' });
    expect(recall('bca')).toEqual({ source: 'bca', target: 'b' });
  });
});

describe('gradients', () => {
  test('of one tanh unit are the product of its slopes', async () => {
    const [steps, rows] = [5, 2];
    const [into, back, bias] = [0.7, -0.9, 0.2];
    const x = Float32Array.from([0.3, -1.1, 0.8, 0.1, -0.5, 1.4, 0.9, -0.2, 0.6, 0.4]);
    const weights = {
      weightIh: Float32Array.of(into),
      weightHh: Float32Array.of(back),
      biasIh: Float32Array.of(bias),
      biasHh: Float32Array.of(0),
    };
    const norms = await gradientNorms(await testGpu(), { cell: 'rnn' }, weights, x, { steps, rows, seed: 1 });
    for (let row = 0; row < rows; row++) {
      let h = 0;
      const slopes = Array.from({ length: steps }, (_, t) => {
        h = Math.tanh(into * x[t * rows + row]! + back * h + bias);
        return 1 - h * h;
      });
      // The direction of the loss is a unit vector: here 1 or -1.
      let expected = into * slopes[steps - 1]!;
      for (let lag = 0; lag < steps; lag++) {
        expect(norms[lag]![row]).toBeCloseTo(Math.abs(expected), 5);
        expected *= back * (slopes[steps - 2 - lag] ?? 0);
      }
    }
  });

  test('are averaged geometrically and relative to lag 0', () => {
    const relative = relativeNorms([
      [
        [1, 4],
        [2, 2],
      ],
      [
        [2, 2],
        [0.5, 0.5],
      ],
    ]);
    expect(relative[0]).toBe(1);
    expect(relative[1]).toBeCloseTo(0.5, 12);
    expect(relativeNorms([[[1], [0]]])).toEqual([1, 0]);
  });

  test('of a vanilla network die sooner than those of the gated ones; a forget bias of 1 keeps them longest', async () => {
    const settings = { hidden: 32, inputs: 8, longestLag: 50, rows: 4, seeds: 1 };
    const results = await gradientsAtStart(await testGpu(), settings, 3);
    const [rnn, lstm, forgetful, gru] = results.map(({ relative }) => relative);
    expect(results.map(({ candidate }) => candidate.cell)).toEqual(['rnn', 'lstm', 'lstm', 'gru']);
    for (const relative of [rnn, lstm, forgetful, gru]) {
      expect(relative).toHaveLength(51);
      expect(relative![0]).toBe(1);
      expect(relative![50]).toBeGreaterThan(0);
      expect(relative![50]).toBeLessThan(relative![10]!);
    }
    expect(rnn![50]).toBeLessThan(0.1 * lstm![50]!);
    expect(rnn![50]).toBeLessThan(0.1 * gru![50]!);
    expect(forgetful![50]).toBeGreaterThan(10 * lstm![50]!);
  });

  test('recall is learnt, scored by length, and its gradients are measured after training', async () => {
    const training = {
      hidden: 16,
      embedding: 8,
      alphabet: 3,
      longest: 4,
      updates: 40,
      batch: 32,
      learningRate: 0.02,
      tests: 30,
    };
    const lines: string[] = [];
    const result = await trainRecall(await testGpu(), { label: 'GRU', cell: 'gru' }, training, 1, (line) =>
      lines.push(line),
    );
    expect(result.lengths).toEqual([1, 2, 3, 4]);
    expect(result.accuracy).toHaveLength(4);
    expect(result.accuracy[0]).toBeGreaterThan(0.9);
    expect(result.relative).toHaveLength(4);
    expect(lines.at(-1)).toContain('update 40 of 40');
  });
});

describe('lengths', () => {
  const settings: LengthSettings = {
    alphabet: 2,
    longest: 3,
    hidden: 16,
    embedding: 8,
    updates: 2,
    batch: 8,
    learningRate: 0.02,
    tests: 8,
    edges: [1, 2],
  };

  test('every form of context is trained and scored in each range of lengths', async () => {
    const { results, charts } = await runLengths(await testGpu(), settings, 1, () => {});
    expect(results.map(({ view }) => view)).toEqual([
      'attention',
      'last',
      'linear',
      'mean',
      'max',
      'attention-pooled',
    ]);
    for (const { byLength, tokens, exact } of results) {
      expect(byLength.map(({ label }) => label)).toEqual(['1', '2', '3']);
      expect(byLength.reduce((sum, { score }) => sum + score.exact, 0) / 3).toBeCloseTo(exact, 10);
      expect(tokens).toBeGreaterThanOrEqual(exact);
    }
    expect([...charts.keys()]).toEqual(['lengths', 'lengths-exact']);
    for (const svg of charts.values()) expectWellFormed(svg);
  });

  test('short strings are learnt', async () => {
    const result = await trainReversal(await testGpu(), 'last', { ...settings, updates: 60, batch: 32 }, 1);
    expect(result.byLength[0]!.score.exact).toBe(1);
    expect(result.tokens).toBeGreaterThan(0.8);
  });
});

describe('sampling', () => {
  test('all ways start from the same model and are looked at after the same updates', async () => {
    const pairs = randomStrings({ count: 40, shortest: 3, longest: 3, alphabet: 3, keys: [1] }).map(
      (word) => ({
        source: word,
        target: Array.from(word.toUpperCase()).join(' '),
      }),
    );
    const data = { train: pairs, dev: pairs.slice(0, 8), test: pairs.slice(8, 16) };
    const settings = {
      hidden: 8,
      embedding: 8,
      updates: 5,
      batch: 8,
      learningRate: 0.02,
      k: [1, 2] as const,
      every: 2,
      words: 32,
      held: null,
    };
    const { results, charts } = await runSampling(await testGpu(), settings, data, 1, () => {});
    expect(results.map(({ way }) => way)).toEqual([
      'teacher forcing',
      'free running',
      'scheduled sampling to p = 0.99',
      'scheduled sampling to p = 0.86',
    ]);
    for (const { points } of results) {
      expect(points.map(({ update }) => update)).toEqual([0, 2, 4, 5]);
      expect(points[0]).toEqual(results[0]!.points[0]);
    }
    const last = results.map(({ points }) => points.at(-1)!.trainingLoss);
    expect(new Set(last).size).toBe(results.length);
    expect([...charts.keys()]).toEqual(['sampling-training', 'sampling-loss', 'sampling-per']);
    for (const svg of charts.values()) expectWellFormed(svg);
  });
});

test('the command says what is wrong before it opens a device', async () => {
  const options = { out: undefined, seed: undefined, quick: true, adapter: 'none such' };
  await expect(experimentCommand.run('gradient', options, '')).rejects.toThrow('did you mean gradients?');
  await expect(experimentCommand.run('zzz', options, '')).rejects.toThrow('gradients, lengths, sampling');
  await expect(experimentCommand.run('lengths', { ...options, seed: '1.5' }, '')).rejects.toThrow(
    '--seed 1.5',
  );
});

test('experiments have distinct names', () => {
  expect(new Set(experiments.map(({ name }) => name)).size).toBe(experiments.length);
});
