/** Large products are recorded in parts: together they are the whole product, to the bit. */
import { expect, test } from 'vitest';
import { evaluate } from '../../src/ops/evaluate.ts';
import { type MatmulRecord, matmulParts, recordMatmul, transposed } from '../../src/ops/matmul.ts';
import type { Tape } from '../../src/scheduler/tape.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';

const sizes = [
  { m: 300, n: 70, k: 33, batch: 1 },
  { m: 70, n: 333, k: 17, batch: 1 },
  { m: 130, n: 129, k: 65, batch: 3 },
  { m: 1, n: 1000, k: 9, batch: 1 },
];

function record(
  { m, n, k, batch }: (typeof sizes)[number],
  a: Tensor,
  b: Tensor,
  c: Tensor,
  bias: Tensor,
): MatmulRecord {
  return {
    ...{ m, n, k, batch, bias, activation: 'tanh' },
    a: { tensor: a, batch: m * k, row: k },
    b: transposed({ tensor: b, batch: n * k, row: k }),
    c: { tensor: c, batch: m * n, row: n },
  };
}

test.each(sizes)('$m × $n × $k, $batch', async (size) => {
  const { m, n, k, batch } = size;
  const inputs = {
    a: randomFloats(1, [batch, m, k]),
    b: randomFloats(2, [batch, n, k]),
    bias: randomFloats(3, [n]),
  };
  const limit = (2 * m * n * k * batch) / 5;
  let parts: MatmulRecord[] = [];
  const product = (tape: Tape, { a, b, bias }: Record<'a' | 'b' | 'bias', Tensor>, cut: boolean) => {
    const c = tape.tensor('c', [batch, m, n]);
    const whole = record(size, a, b, c, bias);
    parts = cut ? matmulParts(whole, limit) : [whole];
    for (const part of parts) recordMatmul(tape, part);
    return { c };
  };
  const gpu = await testGpu();
  const whole = await evaluate(gpu, inputs, (tape, tensors) => product(tape, tensors, false));
  const inParts = await evaluate(gpu, inputs, (tape, tensors) => product(tape, tensors, true));
  expect(parts.length).toBeGreaterThan(1);
  expect(inParts.outputs.c.data).toEqual(whole.outputs.c.data);
});

test('a part is below the limit, or no larger than a tile', () => {
  const tensor = undefined as unknown as Tensor;
  for (const [m, n, k] of [
    [6400, 50_000, 1000],
    [64, 50_000, 4000],
    [5000, 64, 64],
    [64, 64, 10_000_000],
  ] as const) {
    const whole: MatmulRecord = {
      m,
      n,
      k,
      a: { tensor, row: k },
      b: { tensor, row: n },
      c: { tensor, row: n },
    };
    const parts = matmulParts(whole, 1.5e9);
    expect(parts.reduce((area, part) => area + part.m * part.n, 0)).toBe(m * n);
    for (const part of parts) {
      expect(2 * part.m * part.n * k <= 1.5e9 || Math.max(part.m, part.n) <= 64).toBe(true);
    }
  }
});
