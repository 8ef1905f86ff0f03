/**
 * `model.fit(pairs)`: training as a program or a page uses it. The trainer behind it stays with the model, so that
 * stopping and calling `fit` again goes on.
 */
import type { Dataset } from '../data/dataset.ts';
import { type Pairs, parallelText } from '../data/parallel.ts';
import { ConfigError, DisposedError, UsageError } from '../errors.ts';
import type { EndReason, ProgressReport, ValidationReport } from '../train/reports.ts';
import type { Trainer } from '../train/trainer.ts';
import { type TrainingSet, trainingSet } from '../train/training-set.ts';
import type { Model } from './model.ts';

export interface FitOptions {
  /** Held-out pairs: loss, scores and samples of them are reported as often as `training.validation_freq` says. */
  readonly dev?: Pairs;
  /** Once aborted, the update at hand is finished and training ends; nothing is thrown. */
  readonly signal?: AbortSignal;
  /** Updates between two reports of the loss. Default: `training.logging_freq`. */
  readonly logEvery?: number;
  /** Train for so many more updates, instead of to the end that the configuration sets. */
  readonly updates?: number;
  /** Train for so many more epochs (the one at hand counts as one), instead of to the configured end. */
  readonly epochs?: number;
}

export type FitReport = ProgressReport | ValidationReport;

export interface FitResult {
  readonly reason: EndReason;
  /** Updates done since the model was made. */
  readonly update: number;
  readonly epoch: number;
  /** The last reports of this call, where there was one. */
  readonly progress: ProgressReport | undefined;
  readonly validation: ValidationReport | undefined;
}

/**
 * One call of `fit`. Nothing happens before it is listened to or awaited.
 *
 * `for await (const report of fit)` yields the loss every `logEvery` updates and at the end of each epoch, and every
 * validation. `await fit` trains to the end and gives a `FitResult`, after a loop that of the loop.
 *
 * Leaving the loop, or aborting the signal, ends training after an update: weights, optimiser, learning-rate schedule,
 * epoch and position in it are kept with the model (not with its files). The next `fit` goes on from there, on the
 * same array of pairs as if it had never stopped; on another one from the first batch of the epoch at hand.
 */
export class Fit implements AsyncIterable<FitReport, void, void>, PromiseLike<FitResult> {
  readonly #reports: AsyncGenerator<FitReport, void, void>;
  #outcome: { readonly result: FitResult } | { readonly error: unknown } | undefined;
  #drained: Promise<FitResult> | undefined;

  /** `begin` gives the trainer, which is free again for another fit after `finish`. */
  constructor(begin: () => Promise<Trainer>, finish: () => void, signal: AbortSignal | undefined) {
    this.#reports = this.#run(begin, finish, signal);
  }

  async *#run(
    begin: () => Promise<Trainer>,
    finish: () => void,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FitReport, void, void> {
    let trainer: Trainer | undefined;
    let reason: EndReason = 'aborted'; // unless the trainer says otherwise before the loop is left
    let progress: ProgressReport | undefined;
    let validation: ValidationReport | undefined;
    try {
      trainer = await begin();
      for await (const report of trainer.run(signal)) {
        if (report.kind === 'end') reason = report.reason;
        if (report.kind === 'progress') progress = report;
        if (report.kind === 'validation') validation = report;
        if (report.kind === 'progress' || report.kind === 'validation') yield report;
      }
    } catch (error) {
      this.#outcome = { error };
      throw error;
    } finally {
      if (trainer) {
        const { updates: update } = trainer.engine;
        this.#outcome ??= { result: { reason, update, epoch: trainer.epoch, progress, validation } };
        finish();
      }
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FitReport, void, void> {
    yield* this.#reports;
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting a fit trains to its end
  then<Value = FitResult, Failure = never>(
    onEnd?: ((result: FitResult) => Value | PromiseLike<Value>) | null,
    onFailure?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Value | Failure> {
    this.#drained ??= this.#drain();
    return this.#drained.then(onEnd, onFailure);
  }

  async #drain(): Promise<FitResult> {
    for await (const _ of this.#reports);
    if (this.#outcome && 'result' in this.#outcome) return this.#outcome.result;
    throw this.#outcome?.error;
  }
}

/** A model's trainer, kept from one `fit` to the next. */
export class Fitter {
  readonly #model: Model;
  #trainer: Trainer | undefined;
  #encoded: { readonly pairs: Pairs; readonly dataset: Dataset; readonly train: TrainingSet } | undefined;
  #busy = false;
  #disposed = false;

  constructor(model: Model) {
    this.#model = model;
  }

  fit(pairs: Pairs, options: FitOptions): Fit {
    checkOptions(options);
    const finish = () => {
      this.#busy = false;
    };
    return new Fit(() => this.#start(pairs, options), finish, options.signal);
  }

  async #start(pairs: Pairs, options: FitOptions): Promise<Trainer> {
    if (this.#disposed) throw new DisposedError('this model was disposed');
    if (this.#busy) throw new UsageError('this model is being trained: end its other fit first');
    this.#busy = true;
    try {
      const { training } = this.#model.config;
      const dev = options.dev && parallelText(options.dev, 'the held-out pairs');
      this.#encoded = this.#encodePairs(pairs);
      const { dataset, train } = this.#encoded;
      this.#trainer ??= await this.#model.trainer(dataset);
      const { engine, epoch } = this.#trainer.state;
      const { updates, epochs } = options;
      const end =
        updates === undefined && epochs === undefined
          ? {}
          : {
              updates: updates === undefined ? null : engine.updates + updates,
              epochs: epochs === undefined ? null : epoch + epochs,
            };
      this.#trainer.change({
        train,
        training: { ...training, ...end, logging_freq: options.logEvery ?? training.logging_freq },
        validate: dev && (() => this.#model.evaluate(dev, { samples: training.print_valid_sents })),
      });
      return this.#trainer;
    } catch (error) {
      this.#busy = false;
      throw error;
    }
  }

  /** The pairs as ids: once for each array, so that going on with it finds its place in the epoch. */
  #encodePairs(pairs: Pairs) {
    if (this.#encoded?.pairs === pairs) return this.#encoded;
    const dataset = this.#model.encodeTraining(parallelText(pairs));
    return { pairs, dataset, train: trainingSet(dataset, this.#model.config.training) };
  }

  dispose(): void {
    this.#disposed = true;
    this.#trainer?.dispose();
  }
}

function checkOptions({ logEvery, updates, epochs }: FitOptions): void {
  for (const [name, value] of Object.entries({ logEvery, updates, epochs })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new ConfigError(`fit: ${name} must be a positive whole number, not ${value}`);
  }
}
