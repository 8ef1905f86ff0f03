import { describe, expect, test } from 'vitest';
import { embedding } from '../../src/ops/embedding.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import * as reference from '../../src/reference/embedding.ts';
import { ParameterStore } from '../../src/scheduler/parameters.ts';
import { persistentTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { Plan, submit } from '../../src/scheduler/plan.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Tape } from '../../src/scheduler/tape.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { loadEmbedding } from '../setup/golden.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats, randomIds } from '../setup/random.ts';

const f32 = (data: ArrayLike<number>, shape: readonly number[]) => ({ data: Float32Array.from(data), shape });

describe('values and gradients', () => {
  // Columns and positions around the 64 lanes of a workgroup; few ids, so that rows are long sums; many, so that most are absent.
  test.each([
    { T: 1, B: 1, V: 1, E: 1 },
    { T: 7, B: 9, V: 5, E: 63 },
    { T: 8, B: 8, V: 300, E: 64 },
    { T: 5, B: 13, V: 40, E: 65 },
    { T: 31, B: 11, V: 3, E: 130 },
    { T: 4, B: 3, V: 50_000, E: 2 },
    // By fours: around the 8 positions and 32 columns of a workgroup.
    { T: 1, B: 7, V: 3, E: 4 },
    { T: 3, B: 3, V: 50_000, E: 32 },
    { T: 31, B: 11, V: 3, E: 36 },
  ])('[$T, $B] ids of $V, $E columns', async ({ T, B, V, E }) => {
    const ids = randomIds(T, [T, B], 0, V);
    const weight = randomFloats(V, [V, E]);
    const dy = randomFloats(E, [T, B, E]);
    const paddingIndex = V > 1 ? ids.data[0]! : undefined;
    const { outputs, gradients } = await evaluate(
      await testGpu(),
      { ids, weight },
      (tape, { ids, weight }) => ({ y: embedding(tape, ids, weight, { paddingIndex }) }),
      { y: dy },
    );
    expect(outputs.y.shape).toEqual([T, B, E]);
    expect(outputs.y.data).toEqual(Float32Array.from(reference.embedding(ids.data, weight.data, E)));
    const expected = reference.embeddingGradient(ids.data, dy.data, V, E, paddingIndex);
    expectClose(gradients.weight!.data, expected, gradientTolerance, 'dWeight');
    // What nothing refers to is exactly zero.
    const untouched = gradients.weight!.data.filter((_, i) => {
      const id = Math.floor(i / E);
      return id === paddingIndex || !ids.data.includes(id);
    });
    expect(untouched).toEqual(new Float32Array(untouched.length));
  });

  test("PyTorch's, with and without a padding id", async () => {
    const golden = loadEmbedding();
    const [T, B] = [golden.ids.length, golden.ids[0]!.length];
    const run = async (paddingIndex?: number) =>
      evaluate(
        await testGpu(),
        {
          ids: { data: Uint32Array.from(golden.ids.flat()), shape: [T, B] },
          weight: f32(golden.weight.data, golden.weight.shape),
        },
        (tape, { ids, weight }) => ({ y: embedding(tape, ids, weight, { paddingIndex }) }),
        { y: f32(golden.upstream.data, golden.upstream.shape) },
      );
    const plain = await run();
    expectClose(plain.outputs.y.data, golden.output.data, forwardTolerance, 'output');
    expectClose(plain.gradients.weight!.data, golden.gradient.data, gradientTolerance, 'gradient');
    const padded = await run(golden.paddingId);
    expectClose(padded.outputs.y.data, golden.output.data, forwardTolerance, 'output');
    expectClose(
      padded.gradients.weight!.data,
      golden.gradientWithoutPadding.data,
      gradientTolerance,
      'gradient',
    );
  });
});

test.each([1, 4])('a row sums its positions in their order, so the bits are known: %i columns', async (E) => {
  // Floats for which (a + b) + c differs from a + (b + c).
  const repeated = (values: readonly number[]) => values.flatMap((value) => Array<number>(E).fill(value));
  const dy = f32(repeated([1e8, 5, 1, -1e8, 7, 1]), [6, E]);
  const ids = { data: Uint32Array.of(2, 0, 2, 2, 0, 2), shape: [6] };
  const { gradients } = await evaluate(
    await testGpu(),
    { ids, weight: randomFloats(1, [3, E]) },
    (tape, { ids, weight }) => ({ y: embedding(tape, ids, weight) }),
    { y: dy },
  );
  const inOrder = [1e8, 1, -1e8, 1].reduce((sum, value) => Math.fround(sum + value));
  expect([...gradients.weight!.data]).toEqual(repeated([12, 0, inOrder]));
});

test('gradients of a table used twice add up, in a parameter too', async () => {
  const gpu = await testGpu();
  const [V, E] = [11, 70];
  const weight = randomFloats(1, [V, E]);
  const ids = [randomIds(2, [5, 4], 0, V), randomIds(3, [3, 4], 0, V)] as const;
  const dy = [randomFloats(4, [5, 4, E]), randomFloats(5, [3, 4, E])] as const;
  const parts = ids.map(({ data }, i) => reference.embeddingGradient(data, dy[i]!.data, V, E, 1));
  const expected = parts[0]!.map((value, i) => value + parts[1]![i]!);

  const { gradients } = await evaluate(
    gpu,
    { weight, first: ids[0], second: ids[1] },
    (tape, { weight, first, second }) => ({
      a: embedding(tape, first, weight, { paddingIndex: 1 }),
      b: embedding(tape, second, weight, { paddingIndex: 1 }),
    }),
    { a: dy[0], b: dy[1] },
  );
  expectClose(gradients.weight!.data, expected, gradientTolerance, 'of a tensor');

  const store = new ParameterStore(gpu, [
    { name: 'other', shape: [3] },
    { name: 'weight', shape: [V, E] },
  ]);
  const tape = new Tape({ software: gpu.software, training: true });
  for (const [i, { data, shape }] of ids.entries()) {
    const tensor = persistentTensor(gpu, `ids ${i}`, shape, 'u32');
    writeTensor(gpu, tensor, data);
    const upstream = persistentTensor(gpu, `dy ${i}`, dy[i]!.shape, 'f32');
    writeTensor(gpu, upstream, dy[i]!.data);
    tape.seedGradient(embedding(tape, tensor, store.get('weight'), { paddingIndex: 1 }), upstream);
  }
  tape.backward();
  const plan = await Plan.build(gpu, new ScratchPool(gpu), 'embedding', tape);
  submit(gpu, 'twice', [plan, plan]);
  const read = await store.readGradients();
  expectClose(
    read.get('weight')!,
    expected.map((value) => 2 * value),
    gradientTolerance,
    'of a parameter, twice',
  );
  expect([...read.get('other')!]).toEqual([0, 0, 0]);
  plan.dispose();
  store.dispose();
});

test('wrong types are refused', async () => {
  const run = evaluate(
    await testGpu(),
    { ids: randomFloats(1, [3]), weight: randomFloats(2, [4, 2]) },
    (tape, { ids, weight }) => ({ y: embedding(tape, ids, weight) }),
  );
  await expect(run).rejects.toThrow('embedding takes u32 ids');
});
