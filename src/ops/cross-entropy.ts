/**
 * The loss: projection to the vocabulary and softmax cross-entropy in one op, a chunk of the vocabulary at a time,
 * so that the [N, V] logits never exist beyond one chunk. Where the whole vocabulary is one chunk its logits are kept
 * for the backward pass; otherwise each chunk's are computed a second time there.
 */
import { ShapeError } from '../errors.ts';
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { recordColumnSumRows } from './column-sum.ts';
import { type Matrix, recordMatmul, transposed } from './matmul.ts';

/** Where the running sums lie in the statistics tensor (f32 [8]). The first four are this op's. */
export const statisticsSize = 8;
export const statistic = {
  /** Summed loss, with label smoothing and class weights. */
  loss: 0,
  /** Summed negative log-likelihood, without either. */
  nll: 1,
  /** Tokens that count, which is all but the ignored ones. */
  tokens: 2,
  /** Those of them whose target has the largest logit (the first one among equals). */
  correct: 3,
  /** Summed norms of the gradient before clipping, over the updates made. */
  norm: 4,
  /** Updates made. */
  updates: 5,
  /** Updates left out because a gradient was not finite. */
  skipped: 6,
  /** Of mixed precision: updates left out because the scale of the loss was too large, which has been halved. */
  overflows: 7,
} as const;

export interface CrossEntropyOptions {
  /** [N, H] or [T, B, H] */
  readonly hidden: Tensor;
  /** [V, H] */
  readonly weight: Tensor;
  /** [V] */
  readonly bias?: Tensor | undefined;
  /** u32, N of them: each below V, or `ignoreIndex`. */
  readonly targets: Tensor;
  /** The target of rows that add nothing to loss and gradient (padding); 0xffffffff where no id stands for it. */
  readonly ignoreIndex: number;
  /** PyTorch's `label_smoothing`: this share of the target's probability is spread evenly over all V. */
  readonly labelSmoothing: number;
  /**
   * [V], constant: a row's loss is multiplied by the weight of its target, and each class's share of the smoothing by
   * its own, as by PyTorch's `weight`. PyTorch's mean divides by the sum of the targets' weights: so may `scale`.
   */
  readonly classWeights?: Tensor | undefined;
  /** f32 [1], written by the host: what the gradient of the summed loss is multiplied by. */
  readonly scale: Tensor;
  /** f32 [8], persistent: see `statistic`; added to at every run. */
  readonly statistics: Tensor;
  /** Columns of a chunk, rounded up to fours. Default: as many as `chunkBytes` hold. It changes no bit of the loss. */
  readonly chunk?: number;
}

/** What a chunk's logits may take: half of what any device binds, as far as that holds 64 columns. */
export const chunkBytes = 64 * 2 ** 20;
const chunkMultiple = 64;
/** So that no kernel of a chunk needs more than 65,535 workgroups: the product for the weights takes one for 8 columns. */
const widestChunk = 2 ** 18;
/** As in the shader: rows of a workgroup of scan and gradient, columns of one of gradient. */
const rowsPerGroup = 8;
const gradientTile = 512;
/** The shader keeps a column's index in an f32. */
const largestVocabulary = 2 ** 24;

/** Columns of a chunk for `rows` rows: chunks of nearly equal width, a multiple of 64 unless there is only one. */
export function chunkWidth(rows: number, vocabulary: number): number {
  const fitting = Math.max(1, Math.floor(chunkBytes / (4 * rows * chunkMultiple))) * chunkMultiple;
  const most = Math.min(fitting, widestChunk);
  if (vocabulary <= most) return vocabulary;
  const chunks = Math.ceil(vocabulary / most);
  return Math.ceil(vocabulary / chunks / chunkMultiple) * chunkMultiple;
}

interface Chunk {
  readonly start: number;
  readonly width: number;
}

/**
 * Adds the summed loss of N rows to `statistics` and, in training, leaves behind the backward pass of
 * `scale` × that sum. It needs no gradient from later ops: `tape.backward()` starts here. The gradients of `hidden`,
 * `weight` and `bias` follow.
 *
 * @throws ShapeError where the tensors do not fit together
 */
export function crossEntropy(tape: Tape, options: CrossEntropyOptions): void {
  const { hidden, weight, bias, targets, classWeights, scale, statistics } = options;
  const [vocabulary, size] = [weight.dim(0), weight.dim(1)];
  const rows = targets.size;
  check(options, rows, vocabulary, size);
  if (rows === 0) return;
  const row = 4 * Math.ceil((options.chunk ?? chunkWidth(rows, vocabulary)) / 4);
  const chunks: Chunk[] = [];
  for (let start = 0; start < vocabulary; start += row) {
    chunks.push({ start, width: Math.min(row, vocabulary - start) });
  }
  const fixed = {
    rows,
    fours: row / 4,
    vocabulary,
    ignored: options.ignoreIndex,
    smoothing: options.labelSmoothing,
  };
  const constants = { hasClassWeights: classWeights ? 1 : 0 };
  const weights = { classWeights: classWeights ?? weight, weightSum: scale };
  if (classWeights) {
    weights.weightSum = tape.tensor('sum of class weights', [1]);
    const column = { tensor: classWeights, offset: 0, row: 1 };
    recordColumnSumRows(tape, column, vocabulary, 1, { tensor: weights.weightSum, accumulate: 0 });
  }
  const input: Matrix = { tensor: hidden, row: size };
  const part = ({ start }: Chunk): Matrix => ({ tensor: weight, offset: start * size, row: size });
  const project = (logits: Tensor, chunk: Chunk) => {
    const product = { m: rows, n: chunk.width, k: size, a: input, b: transposed(part(chunk)) };
    recordMatmul(tape, { ...product, c: { tensor: logits, row }, bias, biasOffset: chunk.start });
  };

  const grid = linearGroups(rows, rowsPerGroup);
  const [x, y = 1] = grid.groups;
  const logits = tape.tensor('logits', [rows, row]);
  const streams = tape.tensor('softmax streams', [rows, 32, 4]);
  const picked = tape.tensor('target logits', [rows]);
  const softmax = tape.tensor('softmax', [rows, 2]);
  const terms = tape.tensor('loss terms', [rows, 4]);
  for (const chunk of chunks) {
    project(logits, chunk);
    tape.dispatch('cross-entropy', 'scan', {
      bindings: { logits, targets, streams, picked, classWeights: weights.classWeights },
      params: { ...fixed, ...chunk, stride: grid.stride },
      workgroups: grid.groups,
      constants,
    });
  }
  const { groups, stride } = linearGroups(rows, 64);
  const params = { ...fixed, start: 0, width: 0, stride };
  const bindings = { targets, streams, picked, softmax, terms, ...weights };
  tape.dispatch('cross-entropy', 'finish', { bindings, params, workgroups: groups, constants });
  recordLossTerms(tape, terms, statistics);

  tape.onBackward(() => {
    const toHidden = tape.gradientTarget(hidden);
    const toWeight = tape.gradientTarget(weight);
    const toBias = bias && tape.gradientTarget(bias);
    if (!toHidden && !toWeight && !toBias) return;
    const again = chunks.length > 1;
    const slopes = again ? tape.tensor('d logits', [rows, row]) : logits;
    for (const chunk of chunks) {
      if (again) project(slopes, chunk);
      tape.dispatch('cross-entropy', 'gradient', {
        bindings: { logits: slopes, targets, softmax, scale, ...weights },
        params: { ...fixed, ...chunk, stride: grid.stride },
        workgroups: [x, y, Math.ceil(chunk.width / gradientTile)],
        constants,
      });
      const d: Matrix = { tensor: slopes, row };
      if (toHidden) {
        const accumulate = chunk.start > 0 ? 1 : toHidden.accumulate;
        const c = { tensor: toHidden.tensor, row: size };
        recordMatmul(tape, { m: rows, n: size, k: chunk.width, a: d, b: part(chunk), c, accumulate });
      }
      if (toWeight) {
        const { tensor, accumulate } = toWeight;
        const c = { ...part(chunk), tensor };
        const product = { m: chunk.width, n: size, k: rows, a: transposed(d), b: input, c };
        recordMatmul(tape, { ...product, accumulate, weightGradient: true });
      }
      if (toBias) {
        const from = { tensor: slopes, offset: 0, row };
        recordColumnSumRows(tape, from, rows, chunk.width, { ...toBias, offset: chunk.start });
      }
    }
  });
}

/**
 * Adds the sum of `terms` [rows, 4] to the first four of `statistics`, in a fixed order: what every loss does with its
 * rows' loss, nll, tokens and correct ones.
 */
export function recordLossTerms(tape: Tape, terms: Tensor, statistics: Tensor): void {
  const rows = terms.dim(0);
  const unused = { width: 0, fours: 0, start: 0, vocabulary: 0, ignored: 0 };
  tape.dispatch('cross-entropy', 'reduce', {
    bindings: { terms, statistics },
    params: { ...unused, rows, smoothing: 0, stride: 0 },
    workgroups: [1],
  });
}

function check(options: CrossEntropyOptions, rows: number, vocabulary: number, size: number): void {
  const { hidden, weight, bias, targets, classWeights, scale, statistics, labelSmoothing, chunk } = options;
  expectShape(weight, vocabulary, size);
  if (hidden.dim(-1) !== size || hidden.size !== rows * size) {
    throw new ShapeError(`cross-entropy: ${hidden}, ${weight} and ${targets} do not fit together`);
  }
  if (bias) expectShape(bias, vocabulary);
  if (classWeights) expectShape(classWeights, vocabulary);
  expectShape(scale, 1);
  expectShape(statistics, statisticsSize);
  if (targets.dtype !== 'u32') throw new ShapeError(`cross-entropy: ${targets} must hold u32 ids`);
  if (vocabulary > largestVocabulary) {
    throw new ShapeError(`cross-entropy: a vocabulary of ${vocabulary} is more than ${largestVocabulary}`);
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new ShapeError(`cross-entropy: a label smoothing of ${labelSmoothing} is not in [0, 1)`);
  }
  if (chunk !== undefined && !(Number.isInteger(chunk) && chunk > 0)) {
    throw new ShapeError(`cross-entropy: a chunk of ${chunk} columns`);
  }
}
