/** The float64 reference itself: against PyTorch, and its gradients against finite differences. */
import { describe, expect, test } from 'vitest';
import { type ReferenceLayer, recurrentReference, referenceCells } from '../../src/reference/recurrent.ts';
import { expectClose } from '../setup/compare.ts';
import { loadGruResetBefore, loadRecurrent } from '../setup/golden.ts';
import { hashUniform } from '../setup/hash-numbers.ts';

const cellNames = Object.keys(referenceCells) as (keyof typeof referenceCells)[];

describe.each([...loadRecurrent(), ...loadGruResetBefore()])('$name equals PyTorch', (golden) => {
  const [steps, batch, width] = golden.input.shape as [number, number, number];
  const initial = [golden.initial.h.data, ...(golden.initial.c ? [golden.initial.c.data] : [])];
  const result = recurrentReference({
    cell: (golden.cell === 'rnn' ? `rnn-${golden.activation}` : golden.cell) as ReferenceLayer['cell'],
    steps,
    batch,
    width,
    hidden: golden.output.shape[2]!,
    input: golden.input.data,
    weights: [
      {
        weightIh: golden.weightIh.data,
        weightHh: golden.weightHh.data,
        biasIh: golden.biasIh.data,
        biasHh: golden.biasHh.data,
      },
    ],
    reverse: golden.reverse,
    lengths: golden.lengths,
    initial,
  });

  test('values', () => {
    const masked = result.output.map((value, index) => {
      const row = Math.floor(index / golden.output.shape[2]!);
      return Math.floor(row / batch) < golden.lengths[row % batch]! ? value : 0;
    });
    expectClose(masked, golden.output.data, 1e-9, 'output');
    expectClose(result.final[0]!, golden.final.h.data, 1e-9, 'final h');
    if (golden.final.c) expectClose(result.final[1]!, golden.final.c.data, 1e-9, 'final c');
  });

  test('gradients', () => {
    const { output, final } = golden.upstream;
    const { gradients } = golden;
    const ours = result.backward({ output: output.data, final: [final.h.data, final.c?.data] });
    expectClose(ours.input, gradients.input.data, 1e-9, 'input');
    for (const name of ['weightIh', 'weightHh', 'biasIh', 'biasHh'] as const) {
      expectClose(ours.weights[0]![name], gradients[name].data, 1e-9, name);
    }
    expectClose(ours.initial[0]!, gradients.initial.h.data, 1e-9, 'initial h');
    if (gradients.initial.c) expectClose(ours.initial[1]!, gradients.initial.c.data, 1e-9, 'initial c');
  });
});

describe.each(cellNames)('%s: gradients equal finite differences', (name) => {
  const [steps, batch, width, hidden, directions] = [4, 3, 2, 3, 2];
  const G = referenceCells[name].gates;
  const draw = (seed: number, size: number, scale = 1) => Float64Array.from(hashUniform(seed, size, scale));
  const states = referenceCells[name].states;
  const layer = {
    cell: name,
    steps,
    batch,
    width,
    hidden,
    input: draw(1, steps * batch * width),
    weights: [0, 1].map((d) => ({
      weightIh: draw(10 + d, G * hidden * width),
      weightHh: draw(20 + d, G * hidden * hidden),
      biasIh: draw(30 + d, G * hidden),
      biasHh: draw(40 + d, G * hidden),
    })),
    lengths: [4, 0, 2],
    initial: [...Array(states).keys()].map((s) => draw(50 + s, batch * directions * hidden)),
  } satisfies ReferenceLayer;
  const upstream = {
    output: draw(60, steps * batch * directions * hidden),
    final: layer.initial.map((_, s) => draw(61 + s, batch * directions * hidden)),
  };
  const objective = () => {
    const { output, final } = recurrentReference(layer);
    const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    return dot(output, upstream.output) + final.reduce((sum, f, s) => sum + dot(f, upstream.final[s]!), 0);
  };
  const gradients = recurrentReference(layer).backward(upstream);
  const check = (values: Float64Array, gradient: Float64Array, label: string) => {
    const numeric = values.map((value, index) => {
      const difference = [1, -1].map((sign) => {
        values[index] = value + sign * 1e-6;
        return sign * objective();
      });
      values[index] = value;
      return (difference[0]! + difference[1]!) / 2e-6;
    });
    expectClose(gradient, numeric, 1e-7, label);
  };

  test('inputs and initial states', () => {
    check(layer.input, gradients.input, 'input');
    for (const [s, values] of layer.initial.entries()) check(values, gradients.initial[s]!, `initial ${s}`);
    expect(gradients.input.some((value) => value !== 0)).toBe(true);
  });

  test.each([0, 1])('weights of direction %i', (d) => {
    for (const key of ['weightIh', 'weightHh', 'biasIh', 'biasHh'] as const) {
      check(layer.weights[d]![key], gradients.weights[d]![key], key);
    }
  });
});
