/**
 * Matrix products of any strides for tests of the matmul kernels: random operands, the float64 result, and a run of one
 * variant without the tape, so that each can be asked for where the plan would choose another.
 */
import { expect } from 'vitest';
import { packParams, shaderInfo } from '../../src/gpu/shader.ts';
import {
  type MatmulOperands,
  type MatmulPlan,
  type MatmulShape,
  type MatmulVariant,
  planMatmul,
} from '../../src/ops/matmul-plan.ts';
import { expectClose, forwardTolerance } from './compare.ts';
import { testGpu } from './gpu.ts';
import { randomFloats } from './random.ts';

// GPUBufferUsage and GPUMapMode are no globals in Node.
const usages = { mapRead: 0x1, copySrc: 0x4, copyDst: 0x8, uniform: 0x40, storage: 0x80 };

export type Mode = 'nn' | 'nt' | 'tn' | 'tt';
type Activation = 0 | 1 | 2 | 3;

export interface Problem {
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

export interface Data {
  params: Record<string, number> & { m: number; n: number; k: number };
  batch: number;
  a: Float32Array<ArrayBuffer>;
  b: Float32Array<ArrayBuffer>;
  bias: Float32Array<ArrayBuffer>;
  c: Float32Array<ArrayBuffer>;
}

/** Random operands, C filled with values that must survive outside of the product. */
export function makeData(problem: Problem): Data {
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

/** NaN wherever A and B have no element: what lies beside them must not matter, not even as 0 × NaN. */
export function spoilOutside({ params, a, b }: Data): void {
  const p = params as Record<string, number>;
  const spoil = (values: Float32Array, offset: number, rows: [number, number], columns: [number, number]) => {
    const inside = new Set<number>();
    for (let i = 0; i < rows[0]; i++) {
      for (let j = 0; j < columns[0]; j++) inside.add(offset + i * rows[1] + j * columns[1]);
    }
    for (let i = 0; i < values.length; i++) if (!inside.has(i)) values[i] = Number.NaN;
  };
  spoil(a, p.aOffset!, [p.m!, p.aRow!], [p.k!, p.aCol!]);
  spoil(b, p.bOffset!, [p.k!, p.bRow!], [p.n!, p.bCol!]);
}

/** What C must hold afterwards, all of it, in float64. */
export function expected({ params, batch, a, b, bias, c }: Data): Float64Array {
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

/** Runs one variant on the data, without the tape; C as it is afterwards. */
export async function run(variant: MatmulPlan, data: Data): Promise<Float32Array> {
  const gpu = await testGpu();
  const { device } = gpu;
  const info = shaderInfo(variant.kernel);
  const { pipeline, layout } = await gpu.kernel(info, variant.entry, variant.constants);
  const buffers: GPUBuffer[] = [];
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
  pass.dispatchWorkgroups(...variant.workgroups);
  pass.end();
  encoder.copyBufferToBuffer(c, 0, readback, 0, c.size);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(0x1);
  const result = new Float32Array(readback.getMappedRange().slice(0, data.c.byteLength));
  for (const buffer of [...buffers, readback]) buffer.destroy();
  gpu.check();
  return result;
}

/** Every variant on the data, in all of its widths. */
export function variantsFor(data: Data, names: readonly MatmulVariant[]): MatmulPlan[] {
  const shape = shapeOf(data);
  return names.flatMap((name) => {
    const plan = planMatmul(name, shape)!;
    if (plan.constants.lanes === undefined) return [plan];
    return [plan, withLanes(plan, shape, plan.constants.lanes === 8 ? 4 : 8)];
  });
}

const shapeOf = ({ params, batch }: Data): MatmulShape => {
  return { ...(params as Data['params'] & MatmulOperands), batch, software: true, subgroups: true };
};

/** A variant of `lanes` columns of four with more or fewer of them. */
function withLanes(plan: MatmulPlan, { n }: MatmulShape, lanes: number): MatmulPlan {
  const [, y, z] = plan.workgroups;
  return { ...plan, constants: { lanes }, workgroups: [Math.ceil(n / (4 * lanes)), y, z] };
}

export const planFor = (name: MatmulVariant, data: Data): MatmulPlan => planMatmul(name, shapeOf(data))!;

export const label = ({ variant, kernel, entry, constants }: MatmulPlan) =>
  `${variant}: ${kernel}/${entry} with ${JSON.stringify(constants)}`;
export const bits = (values: Float32Array) =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Every variant named: right, nothing written beside C, and the same bits as the first. Returns how many ran. */
export async function checkVariants(problem: Problem, names: readonly MatmulVariant[]): Promise<number> {
  const data = makeData(problem);
  const reference = expected(data);
  let first: Float32Array | undefined;
  const variants = variantsFor(data, names);
  for (const variant of variants) {
    const result = await run(variant, data);
    expectClose(result, reference, forwardTolerance, label(variant));
    first ??= result;
    expect(bits(result), `bits of ${label(variant)}`).toEqual(bits(first));
  }
  return variants.length;
}
