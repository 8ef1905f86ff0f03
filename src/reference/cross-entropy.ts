/** Projection and softmax cross-entropy in float64, row by row. */

export interface CrossEntropyCase {
  /** [N, H] */
  readonly hidden: ArrayLike<number>;
  /** [V, H] */
  readonly weight: ArrayLike<number>;
  /** [V] */
  readonly bias?: ArrayLike<number> | undefined;
  readonly targets: ArrayLike<number>;
  readonly size: number;
  readonly vocabulary: number;
  readonly ignoreIndex: number;
  readonly smoothing: number;
  /** [V]; all 1 where absent. */
  readonly classWeights?: ArrayLike<number> | undefined;
  readonly scale: number;
}

export interface CrossEntropyResult {
  /** [N], zero where ignored. */
  readonly rowLosses: Float64Array;
  readonly loss: number;
  readonly nll: number;
  readonly tokens: number;
  readonly correct: number;
  /** Of scale × loss. */
  readonly gradients: { hidden: Float64Array; weight: Float64Array; bias: Float64Array };
}

export function crossEntropyReference(given: CrossEntropyCase): CrossEntropyResult {
  const { hidden, weight, bias, targets, size, vocabulary, ignoreIndex, smoothing, scale } = given;
  const rows = targets.length;
  const weightOf = (v: number) => given.classWeights?.[v] ?? 1;
  const rowLosses = new Float64Array(rows);
  const gradients = {
    hidden: new Float64Array(rows * size),
    weight: new Float64Array(vocabulary * size),
    bias: new Float64Array(vocabulary),
  };
  let [loss, nll, tokens, correct] = [0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const target = targets[row]!;
    if (target === ignoreIndex) continue;
    const logits = new Float64Array(vocabulary);
    for (let v = 0; v < vocabulary; v++) {
      let sum = bias?.[v] ?? 0;
      for (let h = 0; h < size; h++) sum += hidden[row * size + h]! * weight[v * size + h]!;
      logits[v] = sum;
    }
    const largest = logits.reduce((a, b) => Math.max(a, b));
    const sum = logits.reduce((total, x) => total + Math.exp(x - largest), 0);
    const logSum = largest + Math.log(sum);
    const even = logits.reduce((total, x, v) => total + weightOf(v) * (logSum - x), 0) / vocabulary;
    const own = logSum - logits[target]!;
    rowLosses[row] = (1 - smoothing) * weightOf(target) * own + smoothing * even;
    loss += rowLosses[row]!;
    nll += own;
    tokens += 1;
    if (logits.indexOf(largest) === target) correct += 1;
    // What the loss takes of each class's −log p_v.
    const shares = logits.map(
      (_, v) => weightOf(v) * ((v === target ? 1 - smoothing : 0) + smoothing / vocabulary),
    );
    const share = shares.reduce((total, part) => total + part, 0);
    for (let v = 0; v < vocabulary; v++) {
      const slope = scale * (share * Math.exp(logits[v]! - logSum) - shares[v]!);
      gradients.bias[v]! += slope;
      for (let h = 0; h < size; h++) {
        gradients.hidden[row * size + h]! += slope * weight[v * size + h]!;
        gradients.weight[v * size + h]! += slope * hidden[row * size + h]!;
      }
    }
  }
  return { rowLosses, loss, nll, tokens, correct, gradients };
}
