/**
 * Recurrent layers in float64: plain loops, one row at a time over its own steps only, PyTorch's formulas, the
 * backward pass by hand. `test/ops/recurrent-reference.test.ts` checks it against finite differences and PyTorch.
 */
export interface ReferenceWeights {
  /** [G*H, I] */
  weightIh: ArrayLike<number>;
  /** [G*H, H] */
  weightHh: ArrayLike<number>;
  /** [G*H] */
  biasIh: ArrayLike<number>;
  biasHh: ArrayLike<number>;
}

export interface ReferenceLayer {
  cell: keyof typeof referenceCells;
  /** T, B, I, H */
  steps: number;
  batch: number;
  width: number;
  hidden: number;
  /** [T, B, I] */
  input: ArrayLike<number>;
  /** One a direction. */
  weights: ReferenceWeights[];
  reverse?: boolean;
  lengths?: ArrayLike<number> | undefined;
  /** [B, D*H], one a state */
  initial?: ArrayLike<number>[] | undefined;
}

export interface ReferenceGradients {
  input: Float64Array;
  weights: { weightIh: Float64Array; weightHh: Float64Array; biasIh: Float64Array; biasHh: Float64Array }[];
  initial: Float64Array[];
}

export interface ReferenceResult {
  /** [T, B, D*H]: after a row's end its state, unchanged. */
  output: Float64Array;
  /** [B, D*H], one a state */
  final: Float64Array[];
  /** The gradients of Σ output·upstream.output + Σ final·upstream.final. */
  backward(upstream: {
    output?: ArrayLike<number>;
    final?: (ArrayLike<number> | undefined)[];
  }): ReferenceGradients;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
type Vector = Float64Array;

/** One unit's step: `a` from the input and `r` from h, both with their biases, a value a gate; states before. */
interface ReferenceCell {
  gates: number;
  states: number;
  forward(a: number[], r: number[], before: number[]): number[];
  /** Gradients of a, r and, by other ways than r, of the states before. */
  backward(a: number[], r: number[], before: number[], upstream: number[]): UnitGradients;
  /** Of cells whose blocks of weight_hh from `block` on multiply something else than h: one unit of that. */
  late?: {
    block: number;
    forward(a: number[], r: number[], before: number[]): number;
    /** `upstream` is the gradient of one number. */
    backward(a: number[], r: number[], before: number[], upstream: number): UnitGradients;
  };
}

interface UnitGradients {
  a: number[];
  r: number[];
  before: number[];
}

const simple = (act: (x: number) => number, slope: (x: number) => number): ReferenceCell => ({
  gates: 1,
  states: 1,
  forward: ([a], [r]) => [act(a! + r!)],
  backward: ([a], [r], _before, [dh]) => {
    const d = dh! * slope(a! + r!);
    return { a: [d], r: [d], before: [0] };
  },
});

export const referenceCells = {
  'rnn-tanh': simple(Math.tanh, (x) => 1 - Math.tanh(x) ** 2),
  'rnn-relu': simple(
    (x) => Math.max(0, x),
    (x) => (x > 0 ? 1 : 0),
  ),
  lstm: {
    gates: 4,
    states: 2,
    forward(a, r, [, c]) {
      const [i, f, g, o] = a.map((value, gate) => value + r[gate]!) as [number, number, number, number];
      const next = sigmoid(f) * c! + sigmoid(i) * Math.tanh(g);
      return [sigmoid(o) * Math.tanh(next), next];
    },
    backward(a, r, [, c], [dh, dcAfter]) {
      const sums = a.map((value, gate) => value + r[gate]!);
      const [i, f, o] = [sigmoid(sums[0]!), sigmoid(sums[1]!), sigmoid(sums[3]!)];
      const g = Math.tanh(sums[2]!);
      const squashed = Math.tanh(f * c! + i * g);
      const dc = dcAfter! + dh! * o * (1 - squashed ** 2);
      const d = [
        dc * g * i * (1 - i),
        dc * c! * f * (1 - f),
        dc * i * (1 - g * g),
        dh! * squashed * o * (1 - o),
      ];
      return { a: d, r: d, before: [0, dc * f] };
    },
  },
  gru: {
    gates: 3,
    states: 1,
    forward(a, r, [h]) {
      const [reset, z] = [sigmoid(a[0]! + r[0]!), sigmoid(a[1]! + r[1]!)];
      const n = Math.tanh(a[2]! + reset * r[2]!);
      return [(1 - z) * n + z * h!];
    },
    backward(a, r, [h], [dh]) {
      const [reset, z] = [sigmoid(a[0]! + r[0]!), sigmoid(a[1]! + r[1]!)];
      const n = Math.tanh(a[2]! + reset * r[2]!);
      const dn = dh! * (1 - z) * (1 - n * n);
      const dz = dh! * (h! - n) * z * (1 - z);
      const dr = dn * r[2]! * reset * (1 - reset);
      return { a: [dr, dz, dn], r: [dr, dz, dn * reset], before: [dh! * z] };
    },
  },
  gru_reset_before: {
    gates: 3,
    states: 1,
    forward(a, r, [h]) {
      const [z, n] = [sigmoid(a[1]! + r[1]!), Math.tanh(a[2]! + r[2]!)];
      return [(1 - z) * n + z * h!];
    },
    backward(a, r, [h], [dh]) {
      const [z, n] = [sigmoid(a[1]! + r[1]!), Math.tanh(a[2]! + r[2]!)];
      const dn = dh! * (1 - z) * (1 - n * n);
      const dz = dh! * (h! - n) * z * (1 - z);
      return { a: [0, dz, dn], r: [0, dz, dn], before: [dh! * z] };
    },
    late: {
      block: 2,
      forward: (a, r, [h]) => sigmoid(a[0]! + r[0]!) * h!,
      backward(a, r, [h], d) {
        const reset = sigmoid(a[0]! + r[0]!);
        const dr = d * h! * reset * (1 - reset);
        return { a: [dr, 0, 0], r: [dr, 0, 0], before: [d * reset] };
      },
    },
  },
} satisfies Record<string, ReferenceCell>;

/** What one step of one row and direction saw. */
interface Trace {
  time: number;
  a: Vector;
  r: Vector;
  before: Vector[];
  /** What each block of weight_hh was multiplied by. */
  factors: Vector[];
}

export function recurrentReference(layer: ReferenceLayer): ReferenceResult {
  const { steps: T, batch: B, width: I, hidden: H, input, weights, lengths, initial } = layer;
  const cell: ReferenceCell = referenceCells[layer.cell];
  const D = weights.length;
  const states = [...Array(cell.states).keys()];
  const gates = [...Array(cell.gates).keys()];
  const output = new Float64Array(T * B * D * H);
  const final = states.map(() => new Float64Array(B * D * H));
  const traces: Trace[][][] = [];
  const isReverse = (d: number) => d === 1 || layer.reverse === true;
  const lengthOf = (b: number) => lengths?.[b] ?? T;
  const each = (vector: Vector, j: number) => gates.map((gate) => vector[gate * H + j]!);
  const unitOf = (vectors: Vector[], j: number) => vectors.map((vector) => vector[j]!);

  for (let d = 0; d < D; d++) {
    const { weightIh, weightHh, biasIh, biasHh } = weights[d]!;
    traces.push([]);
    for (let b = 0; b < B; b++) {
      const place = (b * D + d) * H;
      let now = states.map((s) => Float64Array.from({ length: H }, (_, j) => initial?.[s]?.[place + j] ?? 0));
      const show = (t: number) => output.set(now[0]!, t * B * D * H + place);
      const trace: Trace[] = [];
      if (isReverse(d)) for (let t = lengthOf(b); t < T; t++) show(t);
      for (let step = 0; step < lengthOf(b); step++) {
        const time = isReverse(d) ? lengthOf(b) - 1 - step : step;
        const x = (time * B + b) * I;
        const a = affine(weightIh, biasIh, I, (k) => input[x + k]!);
        const r = affine(weightHh, biasHh, H, (k) => now[0]![k]!);
        const factors = gates.map(() => now[0]!);
        if (cell.late) {
          const { block, forward } = cell.late;
          const factor = Float64Array.from({ length: H }, (_, j) =>
            forward(each(a, j), each(r, j), unitOf(now, j)),
          );
          r.set(affine(weightHh, biasHh, H, (k) => factor[k]!).subarray(block * H), block * H);
          factors.fill(factor, block);
        }
        trace.push({ time, a, r, before: now, factors });
        const units = [...Array(H).keys()].map((j) => cell.forward(each(a, j), each(r, j), unitOf(now, j)));
        now = states.map((s) => Float64Array.from(units, (unit) => unit[s]!));
        show(time);
      }
      if (!isReverse(d)) for (let t = lengthOf(b); t < T; t++) show(t);
      for (const s of states) final[s]!.set(now[s]!, place);
      traces[d]!.push(trace);
    }
  }

  function backward(upstream: Parameters<ReferenceResult['backward']>[0]): ReferenceGradients {
    const dInput = new Float64Array(T * B * I);
    const dInitial = states.map(() => new Float64Array(B * D * H));
    const dWeights = weights.map((w) => ({
      weightIh: new Float64Array(w.weightIh.length),
      weightHh: new Float64Array(w.weightHh.length),
      biasIh: new Float64Array(w.biasIh.length),
      biasHh: new Float64Array(w.biasHh.length),
    }));
    for (let d = 0; d < D; d++) {
      const { weightIh, weightHh } = weights[d]!;
      const gradient = dWeights[d]!;
      for (let b = 0; b < B; b++) {
        const place = (b * D + d) * H;
        const dNow = states.map((s) =>
          Float64Array.from({ length: H }, (_, j) => upstream.final?.[s]?.[place + j] ?? 0),
        );
        const shown = (t: number) => {
          for (let j = 0; j < H; j++) dNow[0]![j]! += upstream.output?.[t * B * D * H + place + j] ?? 0;
        };
        if (!isReverse(d)) for (let t = lengthOf(b); t < T; t++) shown(t);
        for (const { time, a, r, before, factors } of traces[d]![b]!.toReversed()) {
          shown(time);
          const da = new Float64Array(cell.gates * H);
          const dr = new Float64Array(cell.gates * H);
          for (let j = 0; j < H; j++) {
            const unit = cell.backward(each(a, j), each(r, j), unitOf(before, j), unitOf(dNow, j));
            for (const gate of gates) {
              da[gate * H + j] = unit.a[gate]!;
              dr[gate * H + j] = unit.r[gate]!;
            }
            for (const s of states) dNow[s]![j] = unit.before[s]!;
          }
          const lateRow = (cell.late?.block ?? cell.gates) * H;
          for (let j = 0; cell.late && j < H; j++) {
            let d = 0;
            for (let q = lateRow; q < cell.gates * H; q++) d += dr[q]! * weightHh[q * H + j]!;
            const unit = cell.late.backward(each(a, j), each(r, j), unitOf(before, j), d);
            for (const gate of gates) {
              da[gate * H + j]! += unit.a[gate]!;
              dr[gate * H + j]! += unit.r[gate]!;
            }
            for (const s of states) dNow[s]![j]! += unit.before[s]!;
          }
          const x = (time * B + b) * I;
          for (let q = 0; q < cell.gates * H; q++) {
            gradient.biasIh[q]! += da[q]!;
            gradient.biasHh[q]! += dr[q]!;
            for (let k = 0; k < I; k++) {
              gradient.weightIh[q * I + k]! += da[q]! * input[x + k]!;
              dInput[x + k]! += da[q]! * weightIh[q * I + k]!;
            }
            for (let k = 0; k < H; k++) {
              gradient.weightHh[q * H + k]! += dr[q]! * factors[Math.floor(q / H)]![k]!;
              if (q < lateRow) dNow[0]![k]! += dr[q]! * weightHh[q * H + k]!;
            }
          }
        }
        if (isReverse(d)) for (let t = lengthOf(b); t < T; t++) shown(t);
        for (const s of states) dInitial[s]!.set(dNow[s]!, place);
      }
    }
    return { input: dInput, weights: dWeights, initial: dInitial };
  }

  return { output, final, backward };
}

/** W·x + bias for W [rows, columns] in C order. */
function affine(
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  columns: number,
  x: (column: number) => number,
): Vector {
  return Float64Array.from({ length: bias.length }, (_, row) => {
    let sum = bias[row]!;
    for (let k = 0; k < columns; k++) sum += weight[row * columns + k]! * x(k);
    return sum;
  });
}
