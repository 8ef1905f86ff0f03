/**
 * Every matmul kernel of the portfolio against float64 loops, and against each other bit for bit: a value may depend on
 * its row of A and its column of B, not on the kernel, tile or batch that computed it. Runs the shaders without the tape,
 * so that each variant can be asked for where the plan would choose another.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { type EntryName, packParams, type ShaderName, shaderInfo } from '../../src/gpu/shader.ts';
import { chooseMatmul } from '../../src/ops/matmul-plan.ts';
import { expectClose, forwardTolerance } from '../setup/compare.ts';
import { testGpu } from '../setup/gpu.ts';
import { findRaces } from '../setup/races.ts';
import { randomFloats } from '../setup/random.ts';

// GPUBufferUsage and GPUMapMode are no globals in Node.
const usages = { mapRead: 0x1, copySrc: 0x4, copyDst: 0x8, uniform: 0x40, storage: 0x80 };

type Mode = 'nn' | 'nt' | 'tn' | 'tt';
type Activation = 0 | 1 | 2 | 3;

interface Problem {
  m: number;
  n: number;
  k: number;
  batch?: number;
  mode: Mode;
  /** Free elements before each matrix and at the end of its rows; multiples of 4 keep it aligned. */
  offset?: number;
  padding?: number;
  /** Row length of C besides n. */
  cPadding?: number;
  accumulate?: 0 | 1;
  bias?: boolean;
  activation?: Activation;
  seed?: number;
}

interface Data {
  params: Record<string, number> & { m: number; n: number; k: number };
  batch: number;
  a: Float32Array<ArrayBuffer>;
  b: Float32Array<ArrayBuffer>;
  bias: Float32Array<ArrayBuffer>;
  c: Float32Array<ArrayBuffer>;
}

/** Random operands, C filled with values that must survive outside of the product. */
function makeData(problem: Problem): Data {
  const { m, n, k, batch = 1, mode, offset = 0, padding = 0, cPadding = 0, seed = 1 } = problem;
  const matrix = (rows: number, columns: number, turned: boolean) => {
    const row = (turned ? rows : columns) + padding;
    const size = (turned ? columns : rows) * row + padding;
    return { strides: turned ? [1, row] : [row, 1], batchStride: size, total: offset + batch * size };
  };
  const a = matrix(m, k, mode[0] === 't');
  const b = matrix(k, n, mode[1] === 't');
  const cRow = n + cPadding;
  const cBatch = m * cRow + cPadding;
  const params = {
    m,
    n,
    k,
    aOffset: offset,
    aBatch: a.batchStride,
    aRow: a.strides[0]!,
    aCol: a.strides[1]!,
    bOffset: offset,
    bBatch: b.batchStride,
    bRow: b.strides[0]!,
    bCol: b.strides[1]!,
    cOffset: offset + 1,
    cBatch,
    cRow,
    biasOffset: 3,
    hasBias: problem.bias ? 1 : 0,
    accumulate: problem.accumulate ?? 0,
    activation: problem.activation ?? 0,
  };
  const scale = 1 / Math.sqrt(k);
  return {
    params,
    batch,
    a: randomFloats(seed, [a.total]).data,
    b: randomFloats(seed + 1, [b.total], 4 * scale).data,
    bias: randomFloats(seed + 2, [n + 3]).data,
    c: randomFloats(seed + 3, [offset + 1 + batch * cBatch + 5]).data,
  };
}

/** What C must hold afterwards, all of it, in float64. */
function expected({ params, batch, a, b, bias, c }: Data): Float64Array {
  const p = params as Record<string, number>;
  const result = Float64Array.from(c);
  const activations = [
    (x: number) => x,
    Math.tanh,
    (x: number) => Math.max(x, 0),
    (x: number) => 1 / (1 + Math.exp(-x)),
  ];
  for (let z = 0; z < batch; z++) {
    for (let i = 0; i < p.m!; i++) {
      for (let j = 0; j < p.n!; j++) {
        const at = p.cOffset! + z * p.cBatch! + i * p.cRow! + j;
        let sum = p.accumulate ? c[at]! : 0;
        for (let k = 0; k < p.k!; k++) {
          sum +=
            a[p.aOffset! + z * p.aBatch! + i * p.aRow! + k * p.aCol!]! *
            b[p.bOffset! + z * p.bBatch! + k * p.bRow! + j * p.bCol!]!;
        }
        if (p.hasBias) sum += bias[p.biasOffset! + j]!;
        result[at] = activations[p.activation!]!(sum);
      }
    }
  }
  return result;
}

type Variant = { [S in ShaderName]: { kernel: S; entry: EntryName<S>; lanes: number } }[
  | 'matmul'
  | 'matmul-quad'
  | 'matmul-quad-vec4'];

const buffers: GPUBuffer[] = [];
afterAll(() => {
  for (const buffer of buffers) buffer.destroy();
});

/** Runs one variant on the data; C as it is afterwards. */
async function run(variant: Variant, data: Data): Promise<Float32Array> {
  const gpu = await testGpu();
  const { device } = gpu;
  const info = shaderInfo(variant.kernel);
  const { pipeline, layout } = await gpu.kernel(info, variant.entry, { lanes: variant.lanes });
  const upload = (label: string, content: Float32Array<ArrayBuffer> | ArrayBuffer, usage: number) => {
    const size = Math.ceil(content.byteLength / 16) * 16;
    const buffer = device.createBuffer({ label, size, usage: usage | usages.copyDst });
    device.queue.writeBuffer(buffer, 0, content);
    buffers.push(buffer);
    return buffer;
  };
  const c = upload('c', data.c, usages.storage | usages.copySrc);
  const bindings = [
    upload('params', packParams(info, data.params), usages.uniform),
    upload('a', data.a, usages.storage),
    upload('b', data.b, usages.storage),
    upload('bias', data.bias, usages.storage),
    c,
  ];
  const readback = device.createBuffer({
    label: 'readback',
    size: c.size,
    usage: usages.copyDst | usages.mapRead,
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout,
      entries: bindings.map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  );
  const rows = variant.kernel === 'matmul' ? 8 : 16;
  const { m, n } = data.params;
  pass.dispatchWorkgroups(Math.ceil(n / (4 * variant.lanes)), Math.ceil(m / rows), data.batch);
  pass.end();
  encoder.copyBufferToBuffer(c, 0, readback, 0, c.size);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(0x1);
  const result = new Float32Array(readback.getMappedRange().slice(0, data.c.byteLength));
  readback.destroy();
  gpu.check();
  return result;
}

/** The variants that can compute a problem. */
function variantsFor(problem: Problem): Variant[] {
  const { mode, k, offset = 0, padding = 0, m, n } = problem;
  const variants: Variant[] = [
    { kernel: 'matmul', entry: 'main', lanes: 8 },
    { kernel: 'matmul-quad', entry: 'main', lanes: 8 },
    { kernel: 'matmul-quad', entry: 'main', lanes: 4 },
  ];
  const rowA = mode[0] === 't' ? m : k;
  const rowB = mode[1] === 't' ? k : n;
  const strides = [rowA + padding, rowB + padding, offset, padding, mode === 'tn' ? 0 : k];
  if (mode !== 'tt' && strides.every((stride) => stride % 4 === 0)) {
    variants.push({ kernel: 'matmul-quad-vec4', entry: mode, lanes: 8 });
    variants.push({ kernel: 'matmul-quad-vec4', entry: mode, lanes: 4 });
  }
  return variants;
}

const label = ({ kernel, entry, lanes }: Variant) => `${kernel}/${entry} on ${lanes} lanes`;
const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Every variant: right, nothing written beside C, and the same bits as the first. Returns the number of variants. */
async function check(problem: Problem): Promise<number> {
  const data = makeData(problem);
  const reference = expected(data);
  let first: Float32Array | undefined;
  const variants = variantsFor(problem);
  for (const variant of variants) {
    const result = await run(variant, data);
    expectClose(result, reference, forwardTolerance, label(variant));
    first ??= result;
    expect(bits(result), `bits of ${label(variant)}`).toEqual(bits(first));
  }
  return variants.length;
}

const modes: Mode[] = ['nn', 'nt', 'tn', 'tt'];

describe.each(modes)('%s', (mode) => {
  // Around the tiles of 8 and 16 rows by 16 and 32 columns; K around the 4 of a 16-byte load.
  test.each([
    { m: 1, n: 1, k: 1 },
    { m: 7, n: 15, k: 3 },
    { m: 8, n: 16, k: 5 },
    { m: 9, n: 17, k: 31 },
    { m: 15, n: 31, k: 1 },
    { m: 16, n: 32, k: 7 },
    { m: 17, n: 33, k: 13 },
    { m: 33, n: 1, k: 9 },
    { m: 1, n: 65, k: 130 },
  ])('$m × $n, K $k: unaligned', async (size) => {
    expect(await check({ ...size, mode, offset: 5, padding: 3, cPadding: 2 })).toBe(3);
    await check({ ...size, mode, batch: 3 });
  });

  test.each([
    { m: 4, n: 4, k: 4 },
    { m: 16, n: 32, k: 8 },
    { m: 20, n: 20, k: 36 },
    { m: 36, n: 68, k: 12 },
  ])('$m × $n, K $k: aligned', async (size) => {
    const count = mode === 'tt' ? 3 : 5;
    expect(await check({ ...size, mode })).toBe(count);
    expect(await check({ ...size, mode, batch: 2, offset: 8, padding: 4, cPadding: 3 })).toBe(count);
  });

  test.each([
    { activation: 0, bias: true, accumulate: 1 },
    { activation: 1, bias: false, accumulate: 0 },
    { activation: 1, bias: true, accumulate: 1 },
    { activation: 2, bias: true, accumulate: 0 },
    { activation: 3, bias: false, accumulate: 1 },
  ] as const)('activation $activation, bias $bias, accumulate $accumulate', async (epilogue) => {
    await check({ m: 20, n: 36, k: 16, batch: 2, mode, offset: 4, ...epilogue });
    await check({ m: 17, n: 9, k: 5, mode, offset: 3, padding: 1, ...epilogue });
  });
});

// Strides are multiples of 4, the sizes along them are not: the last 16-byte load reaches into the padding.
test.each([
  { mode: 'nn', m: 5, n: 7, k: 8, aRow: 8, aCol: 1, bRow: 8, bCol: 1 },
  { mode: 'nt', m: 19, n: 33, k: 12, aRow: 16, aCol: 1, bRow: 1, bCol: 20 },
  { mode: 'tn', m: 18, n: 35, k: 7, aRow: 1, aCol: 20, bRow: 36, bCol: 1 },
] as const)('$mode with odd sizes in aligned rows', async ({ mode, ...size }) => {
  const data = makeData({ ...size, mode: 'nn', offset: 0, padding: 40 });
  Object.assign(data.params, size, { cRow: size.n, aOffset: 4, bOffset: 8, cOffset: 1 });
  // What lies beside the matrices must not matter, not even as 0 × NaN.
  const inside = (offset: number, rows: number, rowStride: number, columns: number, columnStride: number) => {
    const places = new Set<number>();
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) places.add(offset + i * rowStride + j * columnStride);
    }
    return places;
  };
  const a = inside(4, size.m, size.aRow, size.k, size.aCol);
  const b = inside(8, size.k, size.bRow, size.n, size.bCol);
  for (let i = 0; i < data.a.length; i++) if (!a.has(i)) data.a[i] = Number.NaN;
  for (let i = 0; i < data.b.length; i++) if (!b.has(i)) data.b[i] = Number.NaN;
  const reference = expected(data);
  const plain = await run({ kernel: 'matmul', entry: 'main', lanes: 8 }, data);
  const fast = await run({ kernel: 'matmul-quad-vec4', entry: mode, lanes: 8 }, data);
  expectClose(plain, reference, forwardTolerance, 'matmul');
  expect(bits(fast)).toEqual(bits(plain));
});

test('a row has the same bits alone, among many and in a batch', async () => {
  const [m, n, k] = [40, 48, 72];
  const whole = makeData({ m, n, k, mode: 'nt' });
  const wide: Variant = { kernel: 'matmul-quad-vec4', entry: 'nt', lanes: 8 };
  const all = await run(wide, whole);
  for (const row of [0, 13, 39]) {
    const one = { ...whole, params: { ...whole.params, m: 1, aOffset: row * k } };
    const expectedRow = bits(all).slice(1 + row * n, 1 + (row + 1) * n);
    for (const variant of variantsFor({ m: 1, n, k, mode: 'nt' })) {
      const alone = await run(variant, one);
      expect(bits(alone).slice(1, 1 + n), label(variant)).toEqual(expectedRow);
    }
    // Fewer columns, and the row as one of a batch of one-row matrices.
    const narrow = { ...whole, params: { ...whole.params, m: 1, n: 5, aOffset: row * k } };
    expect(bits(await run(wide, narrow)).slice(1, 6)).toEqual(expectedRow.slice(0, 5));
  }
  const batched = { ...whole, batch: m, params: { ...whole.params, m: 1, aBatch: k, bBatch: 0, cBatch: n } };
  expect(bits(await run(wide, batched))).toEqual(bits(all));
});

test('tanh and sigmoid saturate for any finite input', async () => {
  const data = makeData({ m: 1, n: 8, k: 1, mode: 'nn' });
  data.a[0] = 1;
  data.b.set([-3e38, -200, -20, -1e-20, 1e-20, 20, 200, 3e38]);
  for (const [activation, low, high] of [
    [1, -1, 1],
    [3, 0, 1],
  ] as const) {
    const values = await run(
      { kernel: 'matmul', entry: 'main', lanes: 8 },
      {
        ...data,
        params: { ...data.params, activation },
      },
    );
    const [first, ...others] = values.slice(1, 9);
    expect(Math.abs(first! - low)).toBeLessThan(1e-6);
    expect(Math.abs(others.at(-1)! - high)).toBeLessThan(1e-6);
    expect(values.slice(1, 9).every(Number.isFinite)).toBe(true);
  }
});

describe('the plan', () => {
  const aligned = { m: 64, n: 256, k: 128, batch: 1, software: true, subgroups: true };
  const at = { aOffset: 0, aBatch: 0, bOffset: 0, bBatch: 0 };
  const nn = { ...aligned, ...at, aRow: 128, aCol: 1, bRow: 256, bCol: 1 };
  const nt = { ...aligned, ...at, aRow: 128, aCol: 1, bRow: 1, bCol: 128 };
  const tn = { ...aligned, ...at, aRow: 1, aCol: 64, bRow: 256, bCol: 1 };
  const general = { kernel: 'matmul-quad', entry: 'main' };

  test('16-byte loads where both operands are aligned', () => {
    expect(chooseMatmul(nn)).toMatchObject({
      kernel: 'matmul-quad-vec4',
      entry: 'nn',
      workgroups: [8, 4, 1],
    });
    expect(chooseMatmul(nt)).toMatchObject({ kernel: 'matmul-quad-vec4', entry: 'nt' });
    expect(chooseMatmul(tn)).toMatchObject({ kernel: 'matmul-quad-vec4', entry: 'tn' });
    expect(chooseMatmul({ ...tn, k: 7 })).toMatchObject({ kernel: 'matmul-quad-vec4', entry: 'tn' });
  });

  test.each([
    { why: 'offset of A', shape: { ...nn, aOffset: 2 } },
    { why: 'offset of B', shape: { ...nt, bOffset: 1 } },
    { why: 'rows of A', shape: { ...nn, aRow: 130 } },
    { why: 'rows of B', shape: { ...nt, bCol: 129 } },
    { why: 'batches of A', shape: { ...nn, batch: 2, aBatch: 6 } },
    { why: 'batches of B', shape: { ...tn, batch: 2, bBatch: 5 } },
    { why: 'K', shape: { ...nn, k: 126 } },
    { why: 'rows of a transposed A', shape: { ...tn, aCol: 66 } },
    { why: 'both transposed', shape: { ...tn, bRow: 1, bCol: 128 } },
  ])('any strides otherwise: $why', ({ shape }) => {
    expect(chooseMatmul(shape)).toMatchObject(general);
  });

  test('without subgroups, and covering every row and column', () => {
    const plan = chooseMatmul({ ...nn, m: 65, n: 257, batch: 3, subgroups: false });
    expect(plan).toMatchObject({
      kernel: 'matmul',
      entry: 'main',
      workgroups: [9, 9, 3],
      constants: { lanes: 8 },
    });
    expect(chooseMatmul({ ...nn, n: 16 })).toMatchObject({ workgroups: [1, 4, 1], constants: { lanes: 4 } });
    expect(chooseMatmul({ ...nn, software: false }).constants.lanes).toBeGreaterThanOrEqual(16);
  });
});

test('no two invocations touch the same element of C', () => {
  const data = makeData({ m: 9, n: 33, k: 2, mode: 'nn', bias: true, activation: 2, accumulate: 1 });
  const { a, b, bias, c } = data;
  const check = { buffers: { a, b, bias, c }, params: data.params, workgroups: [2, 2, 1] as const };
  expect(findRaces('matmul', 'main', check)).toEqual([]);
});
