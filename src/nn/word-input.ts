/**
 * What a decoder reads: words as embeddings with dropout, for all steps at once or, where a step's words are known only
 * after the step before, one by one; backward in one piece in either case.
 */
import { recordDropout } from '../ops/dropout.ts';
import { recordEmbedding, recordEmbeddingGradient } from '../ops/embedding.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

export interface WordInputOptions {
  /** u32 [T, B]; may be written by the device as it goes. */
  readonly ids: Tensor;
  /** [V, E] */
  readonly weight: Tensor;
  readonly paddingIndex: number | undefined;
  readonly dropout: number;
  readonly site: number;
  /** u32 [4] */
  readonly random: Tensor;
}

export class WordInput {
  /** [T, B, E] */
  readonly embedded: Tensor;
  readonly #tape: Tape;
  readonly #options: WordInputOptions;
  /** Before dropout; `embedded` itself where nothing drops. */
  readonly #whole: Tensor;

  constructor(tape: Tape, options: WordInputOptions) {
    const { ids, weight, dropout } = options;
    const shape = [ids.dim(0), ids.dim(1), weight.dim(1)];
    this.#tape = tape;
    this.#options = options;
    this.#whole = tape.result('embedding', shape, weight);
    this.embedded = tape.training && dropout > 0 ? tape.result('dropout', shape, weight) : this.#whole;
    tape.onBackward(() => this.#backward());
  }

  /** Embeds the words of steps `start` to `end`. */
  forward(start: number, end: number): void {
    const { ids, weight } = this.#options;
    const batch = ids.dim(1);
    recordEmbedding(this.#tape, ids, weight, this.#whole, start * batch, end * batch);
    if (this.embedded !== this.#whole) this.#drop(this.#whole, this.embedded, start, end, 0);
  }

  #drop(x: Tensor, y: Tensor, start: number, end: number, accumulate: 0 | 1): void {
    const { dropout: probability, site, random } = this.#options;
    recordDropout(this.#tape, x, y, start, end, { probability, site, random, accumulate });
  }

  #backward(): void {
    const upstream = this.#tape.gradientOf(this.embedded);
    if (!upstream) return;
    if (this.embedded !== this.#whole) {
      const target = this.#tape.gradientTarget(this.#whole);
      if (target) this.#drop(upstream, target.tensor, 0, this.#whole.dim(0), target.accumulate);
    }
    const { ids, weight, paddingIndex } = this.#options;
    const gradient = this.#tape.gradientOf(this.#whole);
    if (gradient) recordEmbeddingGradient(this.#tape, ids, weight, gradient, paddingIndex);
  }
}
