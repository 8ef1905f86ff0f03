/**
 * Luong's global attention (Luong et al. 2015, section 3.1). For decoder states h_t and encoder states m_s:
 *
 *   a_t = softmax_s(score(h_t, m_s)) over each source's real words     context c_t = Σ_s a_ts m_s
 *   h̃_t = tanh(W [c_t; h_t])
 *
 * `LuongAttention` is recorded for ranges of steps, in order: all at once where every h_t is there before, or step by
 * step where h̃_t is needed to make h_{t+1}; then one dispatch makes a step's alignments and context
 * (`attention-step.ts`). Going back, `backward` does for a range what the recurrence waits for (the gradient of h),
 * `finishBackward` the rest, over all steps at once. `luongAttention` is the op on whole sequences.
 *
 * Context and query lie side by side, so that W is one product each way.
 */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { recordActivationGradientRange } from './activation.ts';
import {
  type AttentionStep,
  fitsAttentionStep,
  recordAttentionStep,
  recordAttentionStepGradient,
} from './attention-step.ts';
import { type Rows, recordCopyRows } from './copy.ts';
import { recordMatmul, transposed } from './matmul.ts';
import { type AttentionScore, scores } from './scores/registry.ts';
import type { AttentionWeights, RecordedScore } from './scores/score.ts';
import { flatSteps, stepsOfRows } from './sequence-matrix.ts';
import { recordSoftmax, recordSoftmaxGradient } from './softmax.ts';

export type { AttentionScore } from './scores/registry.ts';
export type { AttentionWeights } from './scores/score.ts';

export interface AttentionOptions {
  /** Names the tensors. */
  readonly label: string;
  readonly score: AttentionScore;
  /** Decoder states h [T, B, H]. */
  readonly query: Tensor;
  /** Encoder states m [S, B, M]; finite beyond the lengths too, where they count for nothing. */
  readonly memory: Tensor;
  /** u32 [B]: encoder states of each row. One without any gets a context of zeros. */
  readonly memoryLengths: Tensor;
  readonly weights: AttentionWeights;
  /** `attentionKeys` of the same memory where they are there already; recorded by the constructor otherwise. */
  readonly keys?: Tensor | undefined;
  /** Where h̃ [T, B, H] goes; a new tensor where absent. */
  readonly output?: Tensor | undefined;
  /**
   * `forward` is called for single steps. Said beforehand, since a step's sums may then run in another order: which one
   * must not depend on how many steps a batch happens to have.
   */
  readonly stepwise?: boolean | undefined;
}

/** What the score hoists over all steps, [S, B, A]: the memory projected, or (dot) the memory itself. */
export function attentionKeys(
  tape: Tape,
  score: AttentionScore,
  memory: Tensor,
  weights: AttentionWeights,
): Tensor {
  return scores[score].keys(tape, memory, weights);
}

/** What backward passes leave for `finishBackward`, made by the first of them. */
interface Gradients {
  readonly query: { readonly tensor: Tensor; readonly accumulate: 0 | 1 } | undefined;
  readonly weights: { readonly tensor: Tensor; readonly accumulate: 0 | 1 };
  readonly scores: Tensor;
  /** [T, B, M+H]: of context and query, as far as they come through W. */
  readonly joined: Tensor;
  /** Before the tanh. */
  readonly projected: Tensor;
}

export class LuongAttention {
  /** Alignments a_t [T, B, S]. */
  readonly weights: Tensor;
  /** h̃ [T, B, H]. */
  readonly output: Tensor;
  readonly #tape: Tape;
  readonly #options: AttentionOptions;
  readonly #score: RecordedScore;
  readonly #scores: Tensor;
  /** [T, B, M+H]: context and query side by side. */
  readonly #joined: Tensor;
  readonly #keys: Tensor;
  /** Single steps go through the kernel that does all of one. */
  readonly #fused: boolean;
  #gradients: Gradients | undefined;

  constructor(tape: Tape, options: AttentionOptions) {
    const { label, score, query, memory, memoryLengths: lengths, weights } = options;
    if (query.shape.length !== 3 || memory.shape.length !== 3) {
      throw new ShapeError(
        `${label}: query and memory should be [T, B, H] and [S, B, M], not ${query} and ${memory}`,
      );
    }
    const [T, B, H] = query.shape as [number, number, number];
    const [S, M] = [memory.dim(0), memory.dim(2)];
    expectShape(memory, S, B, M);
    expectShape(lengths, B);
    expectShape(weights.linearOut, H, M + H);
    if (options.output) expectShape(options.output, T, B, H);
    this.#tape = tape;
    this.#options = options;
    const keys = options.keys ?? attentionKeys(tape, score, memory, weights);
    expectShape(keys, S, B, keys.dim(-1));
    this.#keys = keys;
    this.#fused = options.stepwise === true && scores[score].product && fitsAttentionStep(query, memory);
    this.#scores = tape.tensor(`${label}.scores`, [T, B, S]);
    // Scores and alignments are f32 on any tape: few numbers, and exp makes much of an error.
    const needsGradient = [query, memory, keys].some((source) => source.needsGradient);
    this.weights = tape.tensor(`${label}.weights`, [T, B, S], { needsGradient });
    const { stored: dtype } = tape;
    this.#joined = tape.tensor(`${label}.context and query`, [T, B, M + H], { dtype });
    this.output = options.output ?? tape.tensor(`${label}.output`, [T, B, H], { dtype, needsGradient: true });
    this.#score = scores[score].record(tape, { label, query, keys, lengths, weights, scores: this.#scores });
  }

  /** Steps `start` to `end` (exclusive): reads them of the query, writes them of `weights` and `output`. */
  forward(start: number, end: number): void {
    const tape = this.#tape;
    const { query, weights } = this.#options;
    const [B, H] = [query.dim(1), query.dim(2)];
    const M = this.#joined.dim(2) - H;
    if (this.#fused) {
      const sequences = { query, joined: this.#joined, terms: this.#scores };
      recordAttentionStep(tape, { ...this.#steps(start, end), ...sequences });
    } else {
      this.#forwardApart(start, end);
    }
    recordMatmul(tape, {
      m: (end - start) * B,
      n: H,
      k: M + H,
      a: flatSteps(this.#joined, start),
      b: transposed({ tensor: weights.linearOut, row: M + H }),
      c: flatSteps(this.output, start),
      activation: 'tanh',
    });
  }

  /**
   * From the gradient of `output` to that of the query, for steps that `forward` did. A range is gone through once;
   * what others add to the steps' gradient of `output` must be recorded before.
   */
  backward(start: number, end: number): void {
    const tape = this.#tape;
    const { query, weights } = this.#options;
    const [T, B, H] = query.shape as [number, number, number];
    const M = this.#joined.dim(2) - H;
    const upstream = tape.gradientPart(this.output);
    if (!upstream) return;
    this.#gradients ??= this.#prepareGradients(start === 0 && end === T);
    const gradients = this.#gradients;
    const { projected, joined } = gradients;
    const range = { start: start * B * H, end: end * B * H };
    recordActivationGradientRange(tape, 'tanh', this.output, upstream, projected, range);
    recordMatmul(tape, {
      m: (end - start) * B,
      n: M + H,
      k: H,
      a: flatSteps(projected, start),
      b: { tensor: weights.linearOut, row: M + H },
      c: flatSteps(joined, start),
    });
    if (this.#fused && end - start === 1 && gradients.query?.accumulate === 1) {
      recordAttentionStepGradient(tape, {
        ...this.#steps(start, end),
        dJoined: joined,
        dWeights: gradients.weights.tensor,
        addsWeights: gradients.weights.accumulate,
        dScores: gradients.scores,
        dQuery: gradients.query.tensor,
      });
    } else {
      this.#backwardApart(gradients, start, end);
    }
  }

  /** After `backward` went through every step: the gradients of the weights and of the memory. */
  finishBackward(): void {
    if (!this.#gradients) return;
    const { query, memory, weights } = this.#options;
    const [T, B, H] = query.shape as [number, number, number];
    const [S, M] = [memory.dim(0), memory.dim(2)];
    const { projected, joined, scores: dScores } = this.#gradients;
    const dMemory = this.#tape.gradientTarget(memory);
    if (dMemory) {
      recordMatmul(this.#tape, {
        m: S,
        n: M,
        k: T,
        batch: B,
        a: transposed(stepsOfRows(this.weights)),
        b: stepsOfRows(joined),
        c: stepsOfRows(dMemory.tensor),
        accumulate: dMemory.accumulate,
      });
    }
    this.#score.finishBackward(dScores);
    const dOut = this.#tape.gradientTarget(weights.linearOut);
    if (!dOut) return;
    recordMatmul(this.#tape, {
      m: H,
      n: M + H,
      k: T * B,
      a: transposed(flatSteps(projected)),
      b: flatSteps(this.#joined),
      c: { tensor: dOut.tensor, row: M + H },
      accumulate: dOut.accumulate,
      weightGradient: true,
    });
  }

  #steps(start: number, end: number): AttentionStep {
    const { memory, memoryLengths: lengths } = this.#options;
    return { start, end, memory, keys: this.#keys, lengths, weights: this.weights };
  }

  /** Alignments, context and the query beside it, for any range of steps. */
  #forwardApart(start: number, end: number): void {
    const { query, memory, memoryLengths } = this.#options;
    const [, B, H] = query.shape as [number, number, number];
    const [S, M] = [memory.dim(0), memory.dim(2)];
    this.#score.forward(start, end);
    recordSoftmax(this.#tape, this.#scores, memoryLengths, this.weights, { start: start * B, end: end * B });
    recordMatmul(this.#tape, {
      m: end - start,
      n: M,
      k: S,
      batch: B,
      a: stepsOfRows(this.weights, start),
      b: stepsOfRows(memory),
      c: stepsOfRows(this.#joined, start),
    });
    const rows = (end - start) * B;
    recordCopyRows(this.#tape, rowsOf(query, start), rowsOf(this.#joined, start, M), rows, H);
  }

  /** From the gradient of context and query, as W takes them, to that of scores and query. */
  #backwardApart(gradients: Gradients, start: number, end: number): void {
    const { query, memory } = this.#options;
    const [, B, H] = query.shape as [number, number, number];
    const [S, M] = [memory.dim(0), memory.dim(2)];
    const { joined, weights: dWeights, scores: dScores, query: dQuery } = gradients;
    const rows = (end - start) * B;
    if (dQuery) {
      const to = rowsOf(dQuery.tensor, start);
      recordCopyRows(this.#tape, rowsOf(joined, start, M), to, rows, H, dQuery.accumulate);
    }
    recordMatmul(this.#tape, {
      m: end - start,
      n: S,
      k: M,
      batch: B,
      a: stepsOfRows(joined, start),
      b: transposed(stepsOfRows(memory)),
      c: stepsOfRows(dWeights.tensor, start),
      accumulate: dWeights.accumulate,
    });
    recordSoftmaxGradient(this.#tape, this.weights, dWeights.tensor, dScores, {
      start: start * B,
      end: end * B,
    });
    this.#score.backward(dScores, dQuery?.tensor, start, end);
  }

  /** A whole range stores the query's gradient if it is the first to write it; parts add to a cleared one. */
  #prepareGradients(whole: boolean): Gradients {
    const tape = this.#tape;
    const { label, query } = this.#options;
    const { stored: dtype } = tape;
    const part = whole ? undefined : tape.gradientPart(query);
    return {
      query: whole ? tape.gradientTarget(query) : part && { tensor: part, accumulate: 1 },
      weights: tape.gradientTarget(this.weights) ?? {
        tensor: tape.tensor(`d ${this.weights.label}`, this.weights.shape),
        accumulate: 0,
      },
      scores: tape.tensor(`d ${label}.scores`, this.#scores.shape),
      joined: tape.tensor(`d ${label}.context and query`, this.#joined.shape, { dtype }),
      projected: tape.tensor(`d ${label}.projected`, this.output.shape, { dtype }),
    };
  }
}

/** Attention over all steps at once: h̃ [T, B, H] and the alignments [T, B, S], both differentiable. */
export function luongAttention(
  tape: Tape,
  options: Omit<AttentionOptions, 'output'>,
): { output: Tensor; weights: Tensor } {
  const attention = new LuongAttention(tape, options);
  const { output, weights } = attention;
  const steps = options.query.dim(0);
  attention.forward(0, steps);
  tape.onBackward(() => {
    if (!tape.gradientOf(output) && !tape.gradientOf(weights)) return;
    attention.backward(0, steps);
    attention.finishBackward();
  });
  return { output, weights };
}

/** Rows of some columns, (time, batch) after one another, from a step and a column on. */
function rowsOf(sequence: Tensor, start: number, column = 0): Rows {
  const { offset = 0, ...rows } = flatSteps(sequence, start);
  return { ...rows, offset: offset + column };
}
