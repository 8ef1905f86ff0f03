/** Batched products with bias and activation, and their gradients, from the definition, in float64. */

export interface ProductSizes {
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

export interface ProductOptions {
  /** Each `a` is stored [K, M], each `b` [N, K]. */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** [N] */
  readonly bias?: ArrayLike<number>;
  readonly activation?: keyof typeof activations;
}

/** Each with its slope, from the activated value. */
const activations = {
  none: { of: (x: number) => x, slope: () => 1 },
  tanh: { of: Math.tanh, slope: (y: number) => 1 - y * y },
  sigmoid: { of: (x: number) => 1 / (1 + Math.exp(-x)), slope: (y: number) => y * (1 - y) },
  relu: { of: (x: number) => Math.max(0, x), slope: (y: number) => (y > 0 ? 1 : 0) },
};

/** c = activation(a·b + bias), [Z, M, N], and the gradients of Σ c·upstream. */
export function product(
  { batch, m: M, k: K, n: N }: ProductSizes,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  upstream: ArrayLike<number>,
  options: ProductOptions = {},
) {
  const { transposeA = false, transposeB = false, bias, activation = 'none' } = options;
  const { of, slope } = activations[activation];
  const atA = (z: number, m: number, k: number) => z * M * K + (transposeA ? k * M + m : m * K + k);
  const atB = (z: number, k: number, n: number) => z * K * N + (transposeB ? n * K + k : k * N + n);
  const c = new Float64Array(batch * M * N);
  const gradients = {
    a: new Float64Array(batch * M * K),
    b: new Float64Array(batch * K * N),
    bias: new Float64Array(N),
  };
  for (let z = 0; z < batch; z++) {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        const place = (z * M + m) * N + n;
        let sum = bias?.[n] ?? 0;
        for (let k = 0; k < K; k++) sum += a[atA(z, m, k)]! * b[atB(z, k, n)]!;
        c[place] = of(sum);
        const before = upstream[place]! * slope(c[place]!);
        gradients.bias[n]! += before;
        for (let k = 0; k < K; k++) {
          gradients.a[atA(z, m, k)]! += before * b[atB(z, k, n)]!;
          gradients.b[atB(z, k, n)]! += before * a[atA(z, m, k)]!;
        }
      }
    }
  }
  return { c, gradients };
}
