import { describe, expect, test } from 'vitest';
import {
  gateBias,
  type Initialization,
  initialize,
  pytorchEmbedding,
  pytorchLinear,
  pytorchRecurrent,
  zeroRow,
} from '../../src/nn/initialize.ts';

const seed = 42;
const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: Float32Array) =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length - mean(values) ** 2);

describe('distributions', () => {
  // 90,000 values: the mean's standard error is σ / 300, the deviation's at most σ / 424. Four of them are allowed.
  const shape = [300, 300];
  const uniform = (range: number) => ({ range, deviation: range / Math.sqrt(3) });
  const cases: [string, Initialization, { range: number; deviation: number }][] = [
    ['uniform', { kind: 'uniform', range: 0.1 }, uniform(0.1)],
    ['normal', { kind: 'normal', deviation: 0.02 }, { range: Infinity, deviation: 0.02 }],
    ['pytorch, recurrent', pytorchRecurrent(100), uniform(0.1)],
    ['pytorch, linear', pytorchLinear(25), uniform(0.2)],
    ['pytorch, embedding', pytorchEmbedding, { range: Infinity, deviation: 1 }],
    ['xavier_uniform', { kind: 'xavier_uniform', gain: 2 }, uniform(2 * Math.sqrt(6 / 600))],
    ['xavier_normal', { kind: 'xavier_normal' }, { range: Infinity, deviation: Math.sqrt(2 / 600) }],
    // Fan-out of a gate: 300 / 4.
    ['xavier_uniform of four gates', { kind: 'xavier_uniform', blocks: 4 }, uniform(Math.sqrt(6 / 375))],
  ];
  test.each(cases)('%s', (name, initialization, expected) => {
    const values = initialize(name, shape, initialization, seed);
    expect(Math.abs(mean(values))).toBeLessThan((4 * expected.deviation) / 300);
    expect(Math.abs(deviation(values) / expected.deviation - 1)).toBeLessThan(4 / 424);
    expect(largest(values)).toBeLessThanOrEqual(Math.fround(expected.range));
    if (expected.range < Infinity) expect(largest(values)).toBeGreaterThan(0.999 * expected.range);
    // Neighbours know nothing of each other: the correlation's standard error is 1 / 300.
    let products = 0;
    for (let i = 1; i < values.length; i++) products += values[i]! * values[i - 1]!;
    expect(Math.abs(products / values.length / expected.deviation ** 2)).toBeLessThan(4 / 300);
  });

  test('zeros', () => {
    expect([...initialize('b', [5], { kind: 'zeros' }, seed)]).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('orthogonal', () => {
  /** The largest deviation of A·Aᵀ (or Aᵀ·A, whichever is smaller) from gain² on its diagonal. */
  function error(values: Float32Array, rows: number, columns: number, gain: number): number {
    const [count, length] = rows <= columns ? [rows, columns] : [columns, rows];
    const at = (i: number, j: number) => values[rows <= columns ? i * columns + j : j * columns + i]!;
    let worst = 0;
    for (let i = 0; i < count; i++) {
      for (let k = 0; k <= i; k++) {
        let sum = 0;
        for (let j = 0; j < length; j++) sum += at(i, j) * at(k, j);
        worst = Math.max(worst, Math.abs(sum - (i === k ? gain * gain : 0)));
      }
    }
    return worst;
  }

  test.each([
    [1, 1],
    [64, 64],
    [17, 40],
    [40, 17],
  ])('%i × %i', (rows, columns) => {
    const values = initialize('w', [rows, columns], { kind: 'orthogonal' }, seed);
    expect(error(values, rows, columns, 1)).toBeLessThan(1e-6);
  });
  test('gate by gate, with a gain', () => {
    const values = initialize('w', [3 * 20, 20], { kind: 'orthogonal', blocks: 3, gain: 1.5 }, seed);
    const gates = [0, 1, 2].map((gate) => values.slice(gate * 400, (gate + 1) * 400));
    for (const gate of gates) expect(error(gate, 20, 20, 1.5)).toBeLessThan(1e-6);
    expect(gates[0]).not.toEqual(gates[1]);
  });
  test('has no preferred sign', () => {
    // Of a uniformly distributed Q every entry has mean 0; a QR without the sign's correction has diagonals below 0.
    const diagonals = Array.from(
      { length: 400 },
      (_, i) => initialize(`w${i}`, [2, 2], { kind: 'orthogonal' }, 1)[0]!,
    );
    const sum = diagonals.reduce((total, value) => total + value);
    expect(Math.abs(sum / 400)).toBeLessThan(4 * Math.sqrt(0.5 / 400));
  });
  test('needs a matrix that its gates divide', () => {
    expect(() => initialize('w', [7, 3], { kind: 'orthogonal', blocks: 2 }, seed)).toThrow("'w' [7,3]");
    expect(() => initialize('b', [7], { kind: 'xavier_uniform' }, seed)).toThrow("'b' [7]");
  });
});

describe('streams', () => {
  const draw = (name: string, from: number) => [
    ...initialize(name, [8], { kind: 'uniform', range: 1 }, from),
  ];
  test('are found from name and seed', () => {
    expect(draw('encoder.rnn.weight_hh_l0', 7)).toEqual(draw('encoder.rnn.weight_hh_l0', 7));
    expect(draw('encoder.rnn.weight_hh_l0', 8)).not.toEqual(draw('encoder.rnn.weight_hh_l0', 7));
    expect(draw('encoder.rnn.weight_hh_l1', 7)).not.toEqual(draw('encoder.rnn.weight_hh_l0', 7));
  });
  test('of similar names share no value', () => {
    const names = Array.from({ length: 500 }, (_, i) => [`w_l${i}`, `w_l${i}_reverse`, `b_l${i}`]).flat();
    const firsts = names.map((name) => draw(name, 1)[0]!);
    expect(new Set(firsts).size).toBe(firsts.length);
  });
  // Seeds name runs: these bits may change only with a reason.
  test('stay what they are', () => {
    expect(draw('encoder.embedding.weight', 42).slice(0, 3)).toEqual([
      0.36557304859161377, 0.5257960557937622, -0.6734944581985474,
    ]);
  });
});

describe('fixed parts', () => {
  test('the row of padding', () => {
    const all = initialize('e', [4, 3], pytorchEmbedding, seed);
    const values = initialize('e', [4, 3], pytorchEmbedding, seed, [zeroRow(1, 3)]);
    expect([...values.slice(3, 6)]).toEqual([0, 0, 0]);
    expect([...values.slice(0, 3), ...values.slice(6)]).toEqual([...all.slice(0, 3), ...all.slice(6)]);
  });
  test("the forget gate's bias", () => {
    const values = initialize('b', [12], { kind: 'zeros' }, seed, [gateBias(1, 3, 2)]);
    expect([...values]).toEqual([0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0]);
  });
});
