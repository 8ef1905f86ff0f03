/**
 * Luong's global attention (Luong et al. 2015, section 3.1). For decoder states h_t and encoder states m_s:
 *
 *   a_t = softmax_s(score(h_t, m_s)) over each source's real words     context c_t = Σ_s a_ts m_s
 *   h̃_t = tanh(W [c_t; h_t])
 *
 * `LuongAttention` is recorded for ranges of steps, in order: all at once where every h_t is there before, or step by
 * step where h̃_t is needed to make h_{t+1}. Going back, `backward` does for a range what the recurrence waits for
 * (the gradient of h), `finishBackward` the rest, over all steps at once. `luongAttention` is the op on whole sequences.
 */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';
import { recordActivationGradientRange } from './activation.ts';
import { type Matrix, recordMatmul, transposed } from './matmul.ts';
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
  readonly context: Tensor;
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
  readonly #context: Tensor;
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
    this.#scores = tape.tensor(`${label}.scores`, [T, B, S]);
    this.weights = tape.result(`${label}.weights`, [T, B, S], query, memory, keys);
    this.#context = tape.tensor(`${label}.context`, [T, B, M]);
    this.output = options.output ?? tape.tensor(`${label}.output`, [T, B, H], { needsGradient: true });
    this.#score = scores[score].record(tape, { label, query, keys, lengths, weights, scores: this.#scores });
  }

  /** Steps `start` to `end` (exclusive): reads them of the query, writes them of `weights` and `output`. */
  forward(start: number, end: number): void {
    const { query, memory, memoryLengths, weights } = this.#options;
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
      c: stepsOfRows(this.#context, start),
    });
    const { ofContext, ofQuery } = outputWeights(weights.linearOut, M);
    const m = (end - start) * B;
    const c = flatSteps(this.output, start);
    const a = flatSteps(this.#context, start);
    recordMatmul(this.#tape, { m, n: H, k: M, a, b: transposed(ofContext), c });
    recordMatmul(this.#tape, {
      m,
      n: H,
      k: H,
      a: flatSteps(query, start),
      b: transposed(ofQuery),
      c,
      accumulate: 1,
      activation: 'tanh',
    });
  }

  /**
   * From the gradient of `output` to that of the query, for steps that `forward` did. A range is gone through once;
   * what others add to the steps' gradient of `output` must be recorded before.
   */
  backward(start: number, end: number): void {
    const { query, memory, weights } = this.#options;
    const [T, B, H] = query.shape as [number, number, number];
    const [S, M] = [memory.dim(0), memory.dim(2)];
    const upstream = this.#tape.gradientPart(this.output);
    if (!upstream) return;
    this.#gradients ??= this.#prepareGradients(start === 0 && end === T);
    const gradients = this.#gradients;
    const range = { start: start * B, end: end * B };
    const { ofContext, ofQuery } = outputWeights(weights.linearOut, M);
    recordActivationGradientRange(this.#tape, 'tanh', this.output, upstream, gradients.projected, {
      start: range.start * H,
      end: range.end * H,
    });
    const projected = { m: (end - start) * B, k: H, a: flatSteps(gradients.projected, start) };
    recordMatmul(this.#tape, { ...projected, n: M, b: ofContext, c: flatSteps(gradients.context, start) });
    if (gradients.query) {
      const { tensor, accumulate } = gradients.query;
      recordMatmul(this.#tape, { ...projected, n: H, b: ofQuery, c: flatSteps(tensor, start), accumulate });
    }
    recordMatmul(this.#tape, {
      m: end - start,
      n: S,
      k: M,
      batch: B,
      a: stepsOfRows(gradients.context, start),
      b: transposed(stepsOfRows(memory)),
      c: stepsOfRows(gradients.weights.tensor, start),
      accumulate: gradients.weights.accumulate,
    });
    recordSoftmaxGradient(this.#tape, this.weights, gradients.weights.tensor, gradients.scores, range);
    this.#score.backward(gradients.scores, gradients.query?.tensor, start, end);
  }

  /** After `backward` went through every step: the gradients of the weights and of the memory. */
  finishBackward(): void {
    if (!this.#gradients) return;
    const { query, memory, weights } = this.#options;
    const [T, B, H] = query.shape as [number, number, number];
    const [S, M] = [memory.dim(0), memory.dim(2)];
    const { projected, context, scores: dScores } = this.#gradients;
    const dMemory = this.#tape.gradientTarget(memory);
    if (dMemory) {
      recordMatmul(this.#tape, {
        m: S,
        n: M,
        k: T,
        batch: B,
        a: transposed(stepsOfRows(this.weights)),
        b: stepsOfRows(context),
        c: stepsOfRows(dMemory.tensor),
        accumulate: dMemory.accumulate,
      });
    }
    this.#score.finishBackward(dScores);
    const dOut = this.#tape.gradientTarget(weights.linearOut);
    if (!dOut) return;
    const { ofContext, ofQuery } = outputWeights(dOut.tensor, M);
    const { accumulate } = dOut;
    const all = { m: H, k: T * B, a: transposed(flatSteps(projected)), accumulate, weightGradient: true };
    recordMatmul(this.#tape, { ...all, n: M, b: flatSteps(this.#context), c: ofContext });
    recordMatmul(this.#tape, { ...all, n: H, b: flatSteps(query), c: ofQuery });
  }

  /** A whole range stores the query's gradient if it is the first to write it; parts add to a cleared one. */
  #prepareGradients(whole: boolean): Gradients {
    const tape = this.#tape;
    const { label, query } = this.#options;
    const part = whole ? undefined : tape.gradientPart(query);
    return {
      query: whole ? tape.gradientTarget(query) : part && { tensor: part, accumulate: 1 },
      weights: tape.gradientTarget(this.weights) ?? {
        tensor: tape.tensor(`d ${this.weights.label}`, this.weights.shape),
        accumulate: 0,
      },
      scores: tape.tensor(`d ${label}.scores`, this.#scores.shape),
      context: tape.tensor(`d ${label}.context`, this.#context.shape),
      projected: tape.tensor(`d ${label}.projected`, this.output.shape),
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

/** The two parts of W [H, M + H]: [H, M] for the context, [H, H] for the decoder's state. */
function outputWeights(weight: Tensor, M: number): { ofContext: Matrix; ofQuery: Matrix } {
  const row = weight.dim(1);
  return { ofContext: { tensor: weight, row }, ofQuery: { tensor: weight, offset: M, row } };
}
