/**
 * Batched matrix products, the work horse. `recordMatmul` puts one strided product on a tape; `matmul` and `linear`
 * are the differentiable ops on whole tensors. Which tile runs it is `matmul-plan.ts`'s business.
 */
import { ShapeError } from '../errors.ts';
import { linearGroups, type StoredType, type Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { type Activation, activationCode, recordActivationGradient } from './activation.ts';
import { recordColumnSum } from './column-sum.ts';
import { chooseMatmul, splitsOfSum } from './matmul-plan.ts';

/** A matrix somewhere in a tensor: element (z, i, j) lies at `offset + z * batch + i * row + j * column`. */
export interface Matrix {
  readonly tensor: Tensor;
  readonly offset?: number;
  readonly batch?: number;
  readonly row: number;
  /** 1 unless the matrix is transposed. */
  readonly column?: number;
}

export interface MatmulRecord {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch?: number;
  /** [m, k] */
  readonly a: Matrix;
  /** [k, n] */
  readonly b: Matrix;
  /** [m, n]; columns are contiguous. */
  readonly c: Matrix;
  /** [n], added to each row. */
  readonly bias?: Tensor | undefined;
  /** Where in `bias` its first element lies. */
  readonly biasOffset?: number;
  readonly activation?: Activation;
  readonly accumulate?: 0 | 1;
  /**
   * The product is the gradient of a weight: where that is faster, its sum over k is cut in parts, which are added up in
   * order. Its bits then depend on the device and its tuning, but on no chance.
   */
  readonly weightGradient?: boolean;
}

/** The transpose of a matrix: the same memory, rows and columns exchanged. */
export function transposed(matrix: Matrix): Matrix {
  return { ...matrix, row: matrix.column ?? 1, column: matrix.row };
}

/**
 * C ← act([C +] A·B + bias). A product that would keep the device busy for too long is recorded as several over parts of
 * C: Windows takes the device away after two seconds. Parts change no bit, since no sum is cut.
 */
export function recordMatmul(tape: Tape, record: MatmulRecord): void {
  for (const part of matmulParts(record, mostFlops[tape.software ? 'software' : 'hardware'])) {
    const { weightGradient, batch = 1, bias, activation = 'none' } = part;
    const splittable = weightGradient && batch === 1 && !bias && activation === 'none';
    const splits = splittable ? splitsOfSum(part, tape) : 1;
    if (splits > 1) recordSplit(tape, part, splits);
    else recordPart(tape, part);
  }
}

/** Operations of one dispatch: some tenths of a second on a slow device of either sort. */
const mostFlops = { software: 1.5e9, hardware: 1.5e11 };
/** Parts begin at multiples of this, so that no tile is cut. */
const partMultiple = 64;

/** Cuts a product along the longer side of C, and each part along the other where that is not enough. */
export function matmulParts(record: MatmulRecord, limit: number): MatmulRecord[] {
  const { m, n, k, batch = 1, a, b, c, biasOffset = 0 } = record;
  const count = Math.ceil((2 * m * n * k * batch) / limit);
  const longer = Math.max(m, n);
  if (count === 1 || longer <= partMultiple) return [record];
  const step = Math.max(1, Math.ceil(longer / count / partMultiple)) * partMultiple;
  const starts = Array.from({ length: Math.ceil(longer / step) }, (_, index) => index * step);
  const parts = starts.map((start): MatmulRecord => {
    const width = Math.min(step, longer - start);
    if (m >= n) return { ...record, m: width, a: shifted(a, start * a.row), c: shifted(c, start * c.row) };
    const columns = { b: shifted(b, start * (b.column ?? 1)), c: shifted(c, start) };
    return { ...record, n: width, ...columns, biasOffset: biasOffset + start };
  });
  return parts.length === 1 ? parts : parts.flatMap((part) => matmulParts(part, limit));
}

function shifted(matrix: Matrix, by: number): Matrix {
  return { ...matrix, offset: (matrix.offset ?? 0) + by };
}

function recordPart(tape: Tape, part: MatmulRecord): void {
  const { m, n, k, batch = 1, a, b, c, bias, biasOffset = 0, activation = 'none', accumulate = 0 } = part;
  const params = {
    m,
    n,
    k,
    aOffset: a.offset ?? 0,
    aBatch: a.batch ?? 0,
    aRow: a.row,
    aCol: a.column ?? 1,
    bOffset: b.offset ?? 0,
    bBatch: b.batch ?? 0,
    bRow: b.row,
    bCol: b.column ?? 1,
    cOffset: c.offset ?? 0,
    cBatch: c.batch ?? 0,
    cRow: c.row,
    biasOffset,
    hasBias: bias ? 1 : 0,
    accumulate,
    activation: activationCode[activation],
  };
  const { software, subgroups, tuning } = tape;
  const plan = chooseMatmul({ ...params, batch, software, subgroups, tuning });
  const { workgroups, constants } = plan;
  const [left, right] = [tape.rounded(a.tensor), tape.rounded(b.tensor)];
  const bindings = { a: left, b: right, bias: bias ?? left, c: c.tensor };
  const call = { bindings, params, workgroups, constants };
  if (plan.entry === 'main') tape.dispatch(plan.kernel, plan.entry, call);
  else if (plan.kernel === 'matmul-quad-vec4') tape.dispatch(plan.kernel, plan.entry, call);
  else tape.dispatch(plan.kernel, plan.entry, call);
}

/** Sums over equal ranges of k as one batched product, the rest of k as another, then the sum of the sums, in order. */
function recordSplit(tape: Tape, part: MatmulRecord, splits: number): void {
  const { m, n, k, a, b, c, accumulate = 0 } = part;
  const chunk = Math.ceil(k / splits / splitMultiple) * splitMultiple;
  const whole = Math.floor(k / chunk);
  const count = Math.ceil(k / chunk);
  const sums = tape.tensor('partial sums', [count, m, n]);
  const [stepA, stepB] = [chunk * (a.column ?? 1), chunk * b.row];
  recordPart(tape, {
    ...{ m, n, k: chunk, batch: whole },
    a: { ...a, batch: stepA },
    b: { ...b, batch: stepB },
    c: { tensor: sums, batch: m * n, row: n },
  });
  if (whole < count) {
    recordPart(tape, {
      ...{ m, n, k: k - whole * chunk },
      a: shifted(a, whole * stepA),
      b: shifted(b, whole * stepB),
      c: { tensor: sums, offset: whole * m * n, row: n },
    });
  }
  const { groups, stride } = linearGroups(m * n, 64);
  tape.dispatch('split-sum', 'main', {
    bindings: { sums, c: c.tensor },
    params: { m, n, count, cOffset: c.offset ?? 0, cRow: c.row, accumulate, stride },
    workgroups: groups,
  });
}

/** Parts of a sum begin at multiples of this, so that operands stay aligned. */
const splitMultiple = 16;

export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** [N] */
  readonly bias?: Tensor | undefined;
  readonly activation?: Activation;
  /** Of the result; the tape's `stored` if not given. */
  readonly dtype?: StoredType;
}

/**
 * act(A·B + bias) for A [Z, M, K] and B [Z, K, N] (stored [Z, K, M] and [Z, N, K] where transposed): [Z, M, N].
 * Two-dimensional tensors are a batch of one.
 */
export function matmul(tape: Tape, a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, bias, activation = 'none', dtype = tape.stored } = options;
  if (a.shape.length !== b.shape.length || a.shape.length < 2 || a.shape.length > 3) {
    throw new ShapeError(`matmul takes two matrices or two batches of matrices, not ${a} and ${b}`);
  }
  const batch = a.shape.length === 3 ? a.dim(0) : 1;
  const [m, k] = transposeA ? [a.dim(-1), a.dim(-2)] : [a.dim(-2), a.dim(-1)];
  const [n, inner] = transposeB ? [b.dim(-2), b.dim(-1)] : [b.dim(-1), b.dim(-2)];
  if (k !== inner || (a.shape.length === 3 && b.dim(0) !== batch)) {
    throw new ShapeError(`matmul: ${a}${transposeA ? 'ᵀ' : ''} and ${b}${transposeB ? 'ᵀ' : ''} do not fit`);
  }
  const shape = a.shape.length === 3 ? [batch, m, n] : [m, n];
  const needsGradient = [a, b, bias].some((source) => source?.needsGradient);
  const c = tape.tensor('matmul', shape, { dtype, needsGradient });
  const plain = (tensor: Tensor): Matrix => ({
    tensor,
    batch: tensor.dim(-2) * tensor.dim(-1),
    row: tensor.dim(-1),
  });
  const turn = (tensor: Tensor, turned: boolean) => (turned ? transposed(plain(tensor)) : plain(tensor));
  const product = { m, n, k, batch, a: turn(a, transposeA), b: turn(b, transposeB), c: plain(c) };
  recordMatmul(tape, { ...product, bias, activation });
  tape.onBackward(() => {
    const upstream = tape.gradientOf(c);
    if (!upstream) return;
    const dc = plain(recordActivationGradient(tape, activation, c, upstream));
    // dA = dC·Bᵀ and dB = Aᵀ·dC; of a transposed operand the transposed product is written.
    const write = (tensor: Tensor, turned: boolean, left: Matrix, right: Matrix, inner: number) => {
      const target = tape.gradientTarget(tensor);
      if (!target) return;
      const [rows, columns] = [tensor.dim(-2), tensor.dim(-1)];
      const operands = turned ? { a: transposed(right), b: transposed(left) } : { a: left, b: right };
      const destination = plain(target.tensor);
      const { accumulate } = target;
      const weightGradient = tensor.parameterGradient !== undefined;
      const gradient = { m: rows, n: columns, k: inner, batch, ...operands, c: destination };
      recordMatmul(tape, { ...gradient, accumulate, weightGradient });
    };
    write(a, transposeA, dc, transposed(product.b), n);
    write(b, transposeB, transposed(product.a), dc, m);
    if (bias) recordColumnSum(tape, dc.tensor.reshape(batch * m, n), bias);
  });
  return c;
}

/** act(x·Wᵀ + bias) for x [..., I] and W [O, I] (PyTorch's layout): [..., O], of the tape's type unless another is given. */
export function linear(
  tape: Tape,
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  activation: Activation = 'none',
  dtype?: StoredType,
): Tensor {
  const inputs = x.dim(-1);
  const rows = x.size / inputs;
  const y = matmul(tape, x.reshape(rows, inputs), weight, {
    transposeB: true,
    bias,
    activation,
    ...(dtype && { dtype }),
  });
  return y.reshape(...x.shape.slice(0, -1), weight.dim(0));
}
