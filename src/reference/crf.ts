/**
 * Linear-chain CRF in float64: the textbook's forward and backward variables in the log domain, and Viterbi, row by
 * row. Sequences are time-major.
 */

export interface CrfScores {
  readonly steps: number;
  readonly batch: number;
  /** Number of tags, C. */
  readonly tags: number;
  /** [T, B, C] */
  readonly emissions: ArrayLike<number>;
  /** [B] */
  readonly lengths: ArrayLike<number>;
  /** [C, C]: [i, j] is the score of j after i. */
  readonly transitions: ArrayLike<number>;
  /** [C] */
  readonly start: ArrayLike<number>;
  /** [C] */
  readonly end: ArrayLike<number>;
}

export interface CrfCase extends CrfScores {
  /** [T, B]; one that is not below C stands for the tag with the largest emission. */
  readonly labels: ArrayLike<number>;
  readonly scale: number;
}

export interface CrfResult {
  /** [B] */
  readonly rowLosses: Float64Array;
  readonly loss: number;
  readonly tokens: number;
  readonly correct: number;
  /** Of scale × loss. */
  readonly gradients: Record<'emissions' | 'transitions' | 'start' | 'end', Float64Array>;
}

function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

/** The first of the largest. */
function best(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

const rowLength = ({ steps, lengths }: CrfScores, row: number) => Math.min(steps, lengths[row]!);

/** `make(tag)` for every tag. */
const forTags = ({ tags }: CrfScores, make: (tag: number) => number) =>
  Array.from({ length: tags }, (_, tag) => make(tag));

export function crfReference(given: CrfCase): CrfResult {
  const { steps, batch, tags, emissions, labels, transitions, start, end, scale } = given;
  const rowLosses = new Float64Array(batch);
  const gradients = {
    emissions: new Float64Array(steps * batch * tags),
    transitions: new Float64Array(tags * tags),
    start: new Float64Array(tags),
    end: new Float64Array(tags),
  };
  const decoded = viterbi(given);
  let [tokens, correct] = [0, 0];
  for (let row = 0; row < batch; row++) {
    const length = rowLength(given, row);
    if (length === 0) continue;
    const e = (t: number, tag: number) => emissions[(t * batch + row) * tags + tag]!;
    const A = (i: number, j: number) => transitions[i * tags + j]!;
    const gold = Array.from({ length }, (_, t) => {
      const label = labels[t * batch + row]!;
      return label < tags ? label : best(forTags(given, (tag) => e(t, tag)));
    });
    const alphas = [forTags(given, (j) => start[j]! + e(0, j))];
    for (let t = 1; t < length; t++) {
      const before = alphas[t - 1]!;
      alphas.push(forTags(given, (j) => logSumExp(before.map((alpha, i) => alpha + A(i, j))) + e(t, j)));
    }
    const betas = [forTags(given, (i) => end[i]!)];
    for (let t = length - 1; t > 0; t--) {
      const after = betas[0]!;
      betas.unshift(forTags(given, (i) => logSumExp(after.map((beta, j) => A(i, j) + e(t, j) + beta))));
    }
    const logZ = logSumExp(alphas[length - 1]!.map((alpha, j) => alpha + end[j]!));
    const score = gold.reduce(
      (sum, tag, t) => sum + e(t, tag) + (t > 0 ? A(gold[t - 1]!, tag) : start[tag]!),
      end[gold[length - 1]!]!,
    );
    rowLosses[row] = logZ - score;
    tokens += length;
    for (let t = 0; t < length; t++) {
      if (decoded.tags[t * batch + row] === labels[t * batch + row]) correct++;
      for (let j = 0; j < tags; j++) {
        const marginal = Math.exp(alphas[t]![j]! + betas[t]![j]! - logZ);
        const slope = scale * (marginal - (gold[t] === j ? 1 : 0));
        gradients.emissions[(t * batch + row) * tags + j] = slope;
        if (t === 0) gradients.start[j]! += slope;
        if (t === length - 1) gradients.end[j]! += slope;
        for (let i = 0; t > 0 && i < tags; i++) {
          const pair = Math.exp(alphas[t - 1]![i]! + A(i, j) + e(t, j) + betas[t]![j]! - logZ);
          const observed = gold[t - 1] === i && gold[t] === j ? 1 : 0;
          gradients.transitions[i * tags + j]! += scale * (pair - observed);
        }
      }
    }
  }
  const loss = rowLosses.reduce((sum, value) => sum + value, 0);
  return { rowLosses, loss, tokens, correct, gradients };
}

/** The best tags [T, B], 0 beyond a row's length, and their scores [B]; of equals the lower tag, from the last on. */
export function viterbi(given: CrfScores): { tags: Float64Array; scores: Float64Array } {
  const { steps, batch, tags, emissions, transitions, start, end } = given;
  const path = new Float64Array(steps * batch);
  const scores = new Float64Array(batch);
  for (let row = 0; row < batch; row++) {
    const length = rowLength(given, row);
    if (length === 0) continue;
    const e = (t: number, tag: number) => emissions[(t * batch + row) * tags + tag]!;
    let values = forTags(given, (j) => start[j]! + e(0, j));
    const pointers: number[][] = [];
    for (let t = 1; t < length; t++) {
      const before = values;
      const ways = (j: number) => before.map((value, i) => value + transitions[i * tags + j]!);
      pointers.push(forTags(given, (j) => best(ways(j))));
      values = forTags(given, (j) => Math.max(...ways(j)) + e(t, j));
    }
    const last = values.map((value, j) => value + end[j]!);
    let tag = best(last);
    scores[row] = last[tag]!;
    path[(length - 1) * batch + row] = tag;
    for (let t = length - 1; t > 0; t--) {
      tag = pointers[t - 1]![tag]!;
      path[(t - 1) * batch + row] = tag;
    }
  }
  return { tags: path, scores };
}
