/** Self-tests of matrix products, linear layers, copies and fills. */
import { recordCopy, recordCopyRows } from '../ops/copy.ts';
import { evaluate } from '../ops/evaluate.ts';
import { linear, matmul } from '../ops/functions/matmul.ts';
import { recordMatmul, transposed } from '../ops/matmul.ts';
import { product } from '../reference/matmul.ts';
import { Tape } from '../scheduler/tape.ts';
import { inPrecision, type TestCase, type Variant } from './test-case.ts';

const plain: Variant = { software: true, subgroups: false };

interface ProductCase {
  readonly name: string;
  readonly variant: Variant;
  readonly sizes: { readonly batch: number; readonly m: number; readonly k: number; readonly n: number };
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

function matmulCase({ name, variant, sizes, transposeA = false, transposeB = false }: ProductCase): TestCase {
  return {
    kernel: 'matmul',
    name,
    variant,
    tiles: variant.matmul !== undefined,
    roundings: 2,
    async run(gpu, random, precision) {
      const { batch, m, k, n } = sizes;
      const a = random.floats(transposeA ? [batch, k, m] : [batch, m, k]);
      const b = random.floats(transposeB ? [batch, n, k] : [batch, k, n]);
      const c = random.floats([batch, m, n]);
      const turned = { transposeA, transposeB };
      const expected = product(sizes, a.data, b.data, c.data, turned);
      if (variant.matmul) {
        const { outputs } = await inPrecision(matmul, precision)(gpu, { a, b }, turned);
        return { values: [outputs, { c: expected.c }] };
      }
      const { outputs, gradients } = await inPrecision(matmul, precision)(gpu, { a, b }, turned, { c });
      const { bias: _, ...slopes } = expected.gradients;
      return { values: [outputs, { c: expected.c }], gradients: [gradients, slopes] };
    },
  };
}

/** The tiles that go through workgroup memory; their gradients are other products of the same kernels. */
function tiledCase(variant: 'tile-64x64' | 'fours-16x32', aligned: boolean): TestCase {
  const sizes = aligned ? { batch: 2, m: 68, k: 36, n: 76 } : { batch: 2, m: 67, k: 35, n: 73 };
  return matmulCase({
    name: `${variant}${aligned ? ' of vectors' : ''}, ${sizes.m}×${sizes.k}×${sizes.n}`,
    variant: { software: false, subgroups: false, matmul: variant },
    sizes,
    transposeB: true,
  });
}

const split: TestCase = {
  kernel: 'matmul',
  name: 'the gradient of a weight, its sum in parts',
  async run(gpu, random) {
    const [m, n, k] = [5, 6, 1300];
    const [a, b, c] = [random.floats([k, m]), random.floats([k, n]), random.floats([m, n])];
    const { outputs } = await evaluate(gpu, { a, b, c }, (tape, tensors) => {
      const tuned = new Tape({ ...gpu.traits, tuning: { kernels: {}, splitWorkgroups: 3 }, training: false });
      const sum = tape.tensor('sum', [m, n]);
      recordCopy(tape, tensors.c, sum);
      recordMatmul(tuned, {
        ...{ m, n, k, accumulate: 1, weightGradient: true },
        a: transposed({ tensor: tensors.a, row: m }),
        b: { tensor: tensors.b, row: n },
        c: { tensor: sum, row: n },
      });
      tape.dispatches.push(...tuned.dispatches);
      return { sum };
    });
    const { c: exact } = product({ batch: 1, m, k, n }, a.data, b.data, c.data, { transposeA: true });
    return { values: [outputs, { sum: exact.map((value, i) => value + c.data[i]!) }] };
  },
};

function linearCase(activation: 'tanh' | 'sigmoid' | 'relu', software: boolean): TestCase {
  return {
    kernel: 'linear',
    name: `bias and ${activation}${software ? ', CPU variant' : ''}`,
    variant: { software, subgroups: false },
    roundings: 4,
    async run(gpu, random, precision) {
      const sizes = { batch: 1, m: 67, k: 19, n: 21 };
      const { m, k, n } = sizes;
      const [x, weight, bias] = [random.floats([m, k]), random.floats([n, k]), random.floats([n])];
      const y = random.floats([m, n]);
      const { outputs, gradients } = await inPrecision(linear, precision)(
        gpu,
        { x, weight, bias },
        { activation },
        { y },
      );
      const options = { transposeB: true, bias: bias.data, activation };
      const expected = product(sizes, x.data, weight.data, y.data, options);
      const { a, b, bias: slope } = expected.gradients;
      return {
        values: [outputs, { y: expected.c }],
        gradients: [gradients, { x: a, weight: b, bias: slope }],
      };
    },
  };
}

/** `unit`: all spans are multiples of it. */
const copyCase = (unit: 1 | 4): TestCase => ({
  kernel: 'copy, fill',
  name: `${7 * unit} columns of rows into a filled tensor, twice`,
  roundings: 2,
  async run(gpu, random, precision) {
    const [rows, columns, from, row] = [5, 7 * unit, 3 * unit, 11 * unit];
    const x = random.floats([rows, row]);
    const { outputs } = await evaluate(
      gpu,
      { x },
      (tape, tensors) => {
        const y = tape.tensor('y', [rows, columns], { dtype: tape.stored });
        tape.fill(y, 0.5);
        const source = { tensor: tensors.x, offset: from, row };
        for (let time = 0; time < 2; time++) {
          recordCopyRows(tape, source, { tensor: y, offset: 0, row: columns }, rows, columns, 1);
        }
        return { y };
      },
      undefined,
      { halves: precision === 'mixed' ? ['x'] : undefined },
    );
    const y = Float64Array.from({ length: rows * columns }, (_, i) => {
      return 0.5 + 2 * x.data[Math.floor(i / columns) * row + from + (i % columns)]!;
    });
    return { values: [outputs, { y }] };
  },
});

/** Between f32 and f16; between f32 and f32, as here, where a device has nothing else. */
const convertCase = (entry: 'main' | 'fours'): TestCase => ({
  kernel: 'convert',
  name: `${entry === 'fours' ? 'fours ' : ''}as they are, and added`,
  roundings: 2,
  async run(gpu, random, precision) {
    const [rows, columns] = [5, 7];
    const x = random.floats(entry === 'fours' ? [rows, columns, 4] : [rows, columns]);
    const { outputs } = await evaluate(
      gpu,
      { x },
      (tape, tensors) => {
        const y = tape.tensor('y', x.shape);
        for (const accumulate of [0, 1]) {
          const rowsOf = { xOffset: 0, xRow: columns, yOffset: 0, yRow: columns };
          const call = {
            params: { rows, columns, accumulate, stride: 64, ...rowsOf },
            workgroups: [1] as const,
          };
          if (entry === 'fours') {
            tape.dispatch('convert', entry, { bindings: { xFours: tensors.x, yFours: y }, ...call });
          } else {
            tape.dispatch('convert', entry, { bindings: { x: tensors.x, y }, ...call });
          }
        }
        return { y };
      },
      undefined,
      { halves: precision === 'mixed' ? ['x'] : undefined },
    );
    return { values: [outputs, { y: x.data.map((value) => 2 * value) }] };
  },
});

const odd = { batch: 3, m: 19, k: 37, n: 29 };
const even = { batch: 2, m: 20, k: 36, n: 24 };

export const productCases: readonly TestCase[] = [
  matmulCase({ name: 'plain, 19×37×29', variant: plain, sizes: odd }),
  matmulCase({
    name: 'plain for GPUs, both transposed',
    variant: { software: false, subgroups: false },
    sizes: { ...odd, n: 83 },
    transposeA: true,
    transposeB: true,
  }),
  matmulCase({ name: 'quads, 19×37×29', variant: { software: true, subgroups: true }, sizes: odd }),
  matmulCase({
    name: 'quads for GPUs, 19×37×83',
    variant: { software: false, subgroups: true },
    sizes: { ...odd, n: 83 },
  }),
  matmulCase({
    name: 'quads of vectors, 20×36×24',
    variant: { software: true, subgroups: true },
    sizes: even,
  }),
  matmulCase({
    name: 'quads of vectors for GPUs, 20×36×84',
    variant: { software: false, subgroups: true },
    sizes: { ...even, n: 84 },
  }),
  tiledCase('tile-64x64', true),
  tiledCase('tile-64x64', false),
  tiledCase('fours-16x32', true),
  tiledCase('fours-16x32', false),
  split,
  linearCase('tanh', true),
  linearCase('sigmoid', false),
  linearCase('relu', false),
  copyCase(1),
  copyCase(4),
  convertCase('main'),
  convertCase('fours'),
];
