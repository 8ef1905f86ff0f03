/** One update of SGD, Adam and AdamW after clipping to a norm, in float64, as `torch.optim` writes them. */

export interface UpdateCase {
  readonly values: ArrayLike<number>;
  readonly gradients: ArrayLike<number>;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** The gradient is scaled down to this norm where it is longer. */
  readonly maxNorm: number;
}

function clipped({ gradients, maxNorm }: UpdateCase): number[] {
  const norm = Math.hypot(...Array.from(gradients));
  const scale = Math.min(1, maxNorm / (norm + 1e-6));
  return Array.from(gradients, (gradient) => gradient * scale);
}

export function sgd(given: UpdateCase & { readonly momentum: number; readonly buffer: ArrayLike<number> }) {
  const { values, learningRate, weightDecay, momentum, buffer } = given;
  const gradients = clipped(given).map((gradient, i) => gradient + weightDecay * values[i]!);
  const next = gradients.map((gradient, i) => momentum * buffer[i]! + gradient);
  return { values: next.map((step, i) => values[i]! - learningRate * step), momentumBuffer: next };
}

export interface AdamCase extends UpdateCase {
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Counted from 1. */
  readonly step: number;
  readonly means: ArrayLike<number>;
  readonly squares: ArrayLike<number>;
  /** AdamW: the decay is taken off the values, not added to the gradient. */
  readonly decoupled: boolean;
}

export function adam(given: AdamCase) {
  const { values, learningRate, weightDecay, betas, eps, step, means, squares, decoupled } = given;
  const [beta1, beta2] = betas;
  const coupled = decoupled ? 0 : weightDecay;
  const gradients = clipped(given).map((gradient, i) => gradient + coupled * values[i]!);
  const expAvg = gradients.map((gradient, i) => beta1 * means[i]! + (1 - beta1) * gradient);
  const expAvgSq = gradients.map((gradient, i) => beta2 * squares[i]! + (1 - beta2) * gradient ** 2);
  const after = expAvg.map((mean, i) => {
    const kept = decoupled ? values[i]! * (1 - learningRate * weightDecay) : values[i]!;
    const root = Math.sqrt(expAvgSq[i]! / (1 - beta2 ** step)) + eps;
    return kept - (learningRate * (mean / (1 - beta1 ** step))) / root;
  });
  return { values: after, expAvg, expAvgSq };
}
