/**
 * Which sentences share a batch, and the batch's shape. Batches hold sentences of similar length, so that
 * little is computed on padding, and their shapes are rounded up to a few buckets, because every shape needs a
 * recorded plan on the device. An epoch's batches depend on nothing but the dataset, the options, the seed and
 * the epoch's number: training that stopped goes on at batch n of epoch m as if it never had.
 */

import { DataError } from '../errors.ts';
import type { Dataset } from './dataset.ts';
import { positiveInteger } from './positive-integer.ts';
import { Random } from './random.ts';
import type { Sequences } from './sequences.ts';

/** The sentences of one batch and its shape. */
export interface BatchPlan {
  /** Rows. Those beyond `indices.length` are empty. */
  readonly B: number;
  /** Source steps, at least the longest source with its `</s>`. */
  readonly S: number;
  /** Target steps, at least the longest target with its `</s>`; 0 where there are no targets. */
  readonly T: number;
  /** Of a stream: which of its chunks, from 0. */
  readonly chunk?: number;
  /** For each row, the index of its sentence in the dataset. */
  readonly indices: readonly number[];
}

export interface BatchOptions {
  /** Sentences in a batch, or tokens if `batchType` is `token`. */
  readonly batchSize: number;
  /**
   * `sentence`: every batch has `batchSize` rows; those left over at the end are empty. `token`: a batch of shape
   * S, T has as many rows as fit into `batchSize` tokens of its longer side, padding included, and at least one.
   * Default `sentence`.
   */
  readonly batchType?: 'sentence' | 'token';
  /** S and T are rounded up to multiples of this. Default 4. */
  readonly bucketWidth?: number;
}

export interface EpochOptions extends BatchOptions {
  readonly seed: number;
  /**
   * How many batches' worth of random sentences are sorted by length together. 1 makes entirely random batches, as
   * plain PyTorch scripts do; more make batches of similar length, with less padding and less variety. Default 100.
   */
  readonly poolBatches?: number;
}

/**
 * The batches of one training epoch, in order. All sentences are shuffled and dealt into pools; a pool is sorted by
 * the bucket of the target's and then the source's length, with ties in random order, and cut into batches; then all
 * batches are shuffled. Every sentence occurs exactly once.
 * @param epoch the number of the epoch, from 0.
 * @throws DataError if there are no sentences; ConfigError for sizes that are not positive integers.
 */
export function planEpoch(dataset: Dataset, options: EpochOptions, epoch: number): BatchPlan[] {
  const lengths = new Lengths(dataset.source, dataset.target, options);
  const poolBatches = positiveInteger('poolBatches', options.poolBatches ?? 100);
  const random = new Random(options.seed, epoch);
  const order = random.shuffle(Uint32Array.from({ length: lengths.count }, (_, index) => index));
  const plans: BatchPlan[] = [];
  for (const pool of lengths.pools(order, poolBatches)) {
    lengths.sort(pool);
    for (const plan of lengths.cut(pool)) plans.push(plan);
  }
  return random.shuffle(plans);
}

/** The batches of an evaluation: nothing is random, sentences are sorted by length. The rows' `indices` tell them apart. */
export function planInOrder(dataset: Dataset, options: BatchOptions): BatchPlan[] {
  const lengths = new Lengths(dataset.source, dataset.target, options);
  const order = Uint32Array.from({ length: lengths.count }, (_, index) => index);
  lengths.sort(order);
  return lengths.cut(order);
}

/**
 * The batches of a translation, sorted by length; T is 0. Empty lines (`</s>` alone) are left out: their translation
 * is an empty line. Fewer sentences than `batchSize` get the next power of two of rows, so that one line typed at a
 * prompt does not cost a whole batch. `emptyLength`: how long an empty line is as ids.
 */
export function planSources(sources: Sequences, options: BatchOptions, emptyLength = 1): BatchPlan[] {
  const filled: number[] = [];
  for (let i = 0; i < sources.count; i++) if (sources.lengthOf(i) > emptyLength) filled.push(i);
  if (filled.length === 0) return [];
  const few = 2 ** Math.ceil(Math.log2(filled.length));
  const bySentence = (options.batchType ?? 'sentence') === 'sentence';
  const batchSize = bySentence ? Math.min(options.batchSize, few) : options.batchSize;
  const lengths = new Lengths(sources, undefined, { ...options, batchSize });
  const order = Uint32Array.from(filled);
  lengths.sort(order);
  return lengths.cut(order);
}

/** How many batches there are, in how many shapes, and how much of them is padding: one line for a log. */
export function describePlans(plans: readonly BatchPlan[], dataset: Dataset): string {
  let source = 0;
  let target = 0;
  for (const { B, S, T } of plans) {
    source += B * S;
    target += B * T;
  }
  const padding = (tokens: number, cells: number) =>
    `${(100 * (1 - tokens / Math.max(1, cells))).toFixed(0)} %`;
  return (
    `${plans.length} batches in ${countShapes(plans)} shapes; padding: ` +
    `${padding(dataset.source.totalLength, source)} of the source, ${padding(dataset.target.totalLength, target)} of the target`
  );
}

/** The number of different shapes (B, S, T). */
export function countShapes(plans: readonly BatchPlan[]): number {
  return new Set(plans.map(({ B, S, T }) => `${B} ${S} ${T}`)).size;
}

/** The bucketed lengths of a dataset's sentences, and how to sort and cut lists of sentences by them. */
class Lengths {
  readonly count: number;
  readonly #batchSize: number;
  readonly #byToken: boolean;
  /** S and T that each sentence needs. */
  readonly #S: Uint32Array;
  readonly #T: Uint32Array;
  /** What each sentence is sorted by. */
  readonly #keys: Float64Array;

  constructor(source: Sequences, target: Sequences | undefined, options: BatchOptions) {
    this.count = source.count;
    this.#batchSize = positiveInteger('batchSize', options.batchSize);
    this.#byToken = options.batchType === 'token';
    const width = positiveInteger('bucketWidth', options.bucketWidth ?? 4);
    if (this.count === 0) throw new DataError('There are no sentences to make batches of.');
    const stepsOf = (side: Sequences) => {
      // What has one step in every example (a class, a vector) or none is not padded to a bucket.
      const isSingle = side.longest <= 1;
      const bucket = (length: number) => (isSingle ? 1 : Math.ceil(length / width) * width);
      return Uint32Array.from({ length: this.count }, (_, index) => bucket(side.lengthOf(index)));
    };
    this.#S = stepsOf(source);
    this.#T = target ? stepsOf(target) : new Uint32Array(this.count);
    // By T, then by S. S rises in one bucket of T and falls in the next, so that a batch that straddles two of them
    // does not mix the shortest with the longest sources.
    const range = this.#S.reduce((most, S) => Math.max(most, S), 0) + 1;
    this.#keys = Float64Array.from(this.#S, (S, index) => {
      const T = this.#T[index]!;
      const falling = (T / width) % 2 === 1;
      return T * range + (falling ? range - S : S);
    });
  }

  /** How many rows a batch of this shape has. */
  #rows(S: number, T: number): number {
    return this.#byToken ? Math.max(1, Math.floor(this.#batchSize / Math.max(S, T))) : this.#batchSize;
  }

  /** Deals a list into pools of about `poolBatches` batches each, in order. */
  *pools(order: Uint32Array, poolBatches: number): Generator<Uint32Array> {
    const capacity = poolBatches * this.#batchSize;
    let start = 0;
    let filled = 0;
    for (let i = 0; i < order.length; i++) {
      const index = order[i]!;
      filled += this.#byToken ? Math.max(this.#S[index]!, this.#T[index]!) : 1;
      if (filled < capacity) continue;
      yield order.subarray(start, i + 1);
      start = i + 1;
      filled = 0;
    }
    if (start < order.length) yield order.subarray(start);
  }

  /** Sorts a list in place by length; equal ones keep their order. */
  sort(order: Uint32Array): void {
    // With a comparator, a typed array's sort is stable (ECMAScript 2019).
    order.sort((a, b) => this.#keys[a]! - this.#keys[b]!);
  }

  /** Cuts a sorted list into batches. */
  cut(order: Uint32Array): BatchPlan[] {
    const plans: BatchPlan[] = [];
    let indices: number[] = [];
    let S = 0;
    let T = 0;
    const close = () => {
      if (indices.length > 0) plans.push({ B: this.#rows(S, T), S, T, indices });
      indices = [];
      S = 0;
      T = 0;
    };
    for (const index of order) {
      const widerS = Math.max(S, this.#S[index]!);
      const widerT = Math.max(T, this.#T[index]!);
      const fits = indices.length + 1 <= this.#rows(widerS, widerT);
      if (!fits) close();
      indices.push(index);
      S = fits ? widerS : this.#S[index]!;
      T = fits ? widerT : this.#T[index]!;
    }
    close();
    return plans;
  }
}
