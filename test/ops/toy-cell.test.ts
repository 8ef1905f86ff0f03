/**
 * A cell from outside, with a shader of its own, runs and learns through `recurrent` like the ones that are there: its
 * values against a few float64 lines, its gradients against those lines' finite differences.
 */
import { expect, test } from 'vitest';
import { cells } from '../../src/ops/cells/registry.ts';
import { evaluate, type Value } from '../../src/ops/evaluate.ts';
import { recurrent } from '../../src/ops/recurrent.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';
import { toyCell } from './toy-cell.ts';

cells.register('ugrnn', () => toyCell);

const [T, B, I, H] = [4, 5, 3, 7];
const lengths = [4, 2, 0, 3, 1];
type Numbers = Record<string, ArrayLike<number>>;

const weightNames = [0, 1].flatMap((d) => [`weightIh${d}`, `weightHh${d}`, `biasIh${d}`, `biasHh${d}`]);
const shapes: Record<string, number[]> = {
  x: [T, B, I],
  initial: [B, 2 * H],
  ...Object.fromEntries(
    weightNames.map((name) => {
      const columns = { weightIh: [I], weightHh: [H] }[name.slice(0, -1)] ?? [];
      return [name, [2 * H, ...columns]];
    }),
  ),
};
const inputs: Record<string, Value> = Object.fromEntries(
  Object.entries(shapes).map(([name, shape], index) => [name, randomFloats(index + 1, shape, 0.8)]),
);
const upstream = { output: randomFloats(30, [T, B, 2 * H]), final: randomFloats(31, [B, 2 * H]) };

/** Both directions from the formula, a row at a time: [T, B, 2H] and [B, 2H]. */
function ugrnn(given: Numbers): { output: Float64Array; final: Float64Array } {
  const output = new Float64Array(T * B * 2 * H);
  const final = new Float64Array(B * 2 * H);
  const sum = (weight: string, row: number, vector: number[]) =>
    vector.reduce((total, value, k) => total + given[weight]![row * vector.length + k]! * value, 0);
  for (const d of [0, 1]) {
    for (const [b, length] of lengths.entries()) {
      const place = b * 2 * H + d * H;
      let h = Array.from({ length: H }, (_, j) => given.initial![place + j]!);
      for (const step of Array(T).keys()) {
        const t = d === 1 ? T - 1 - step : step;
        const x = Array.from({ length: I }, (_, i) => given.x![(t * B + b) * I + i]!);
        const before = h;
        const inner = (row: number) =>
          sum(`weightIh${d}`, row, x) +
          given[`biasIh${d}`]![row]! +
          sum(`weightHh${d}`, row, before) +
          given[`biasHh${d}`]![row]!;
        if (t < length) {
          h = before.map((value, j) => {
            const g = 1 / (1 + Math.exp(-inner(j)));
            return g * value + (1 - g) * Math.tanh(inner(H + j));
          });
        }
        output.set(h, t * B * 2 * H + place);
      }
      final.set(h, place);
    }
  }
  return { output, final };
}

function objective(given: Numbers): number {
  const { output, final } = ugrnn(given);
  const dot = (values: Float64Array, { data }: Value) =>
    values.reduce((total, value, index) => total + value * data[index]!, 0);
  return dot(output, upstream.output) + dot(final, upstream.final);
}

test('the toy cell, both directions, rows of many lengths, initial states', async () => {
  const { outputs, gradients } = await evaluate(
    await testGpu(),
    { ...inputs, lengths: { data: Uint32Array.from(lengths), shape: [B] } } as Record<string, Value>,
    (tape, tensors) => {
      const result = recurrent(tape, {
        cell: cells.get({ cell: 'ugrnn' }),
        label: 'toy',
        steps: T,
        batch: B,
        hidden: H,
        inputs: [{ tensor: tensors.x!, column: 0, width: I }],
        weights: [0, 1].map((d) => ({
          weightIh: tensors[`weightIh${d}`]!,
          weightHh: tensors[`weightHh${d}`]!,
          biasIh: tensors[`biasIh${d}`]!,
          biasHh: tensors[`biasHh${d}`]!,
        })),
        lengths: tensors.lengths!,
        initial: [tensors.initial],
      });
      return { output: result.output, final: result.finalStates[0]! };
    },
    upstream,
  );
  const exact = Object.fromEntries(
    Object.entries(inputs).map(([name, { data }]) => [name, Float64Array.from(data)]),
  );
  const expected = ugrnn(exact);
  expectClose(outputs.output.data, expected.output, forwardTolerance, 'output');
  expectClose(outputs.final.data, expected.final, forwardTolerance, 'final');
  for (const [name, values] of Object.entries(exact)) {
    const slopes = values.map((value, index) => {
      const [above, below] = [1e-5, -1e-5].map((change) => {
        values[index] = value + change;
        return objective(exact);
      });
      values[index] = value;
      return (above! - below!) / 2e-5;
    });
    expect(slopes.some((slope) => slope !== 0)).toBe(true);
    expectClose(gradients[name]!.data, slopes, gradientTolerance, `d ${name}`);
  }
});
