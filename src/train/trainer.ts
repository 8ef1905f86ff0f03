/**
 * The training loop: epochs of shuffled batches, learning rate, validation, early stopping and the moments at which a
 * checkpoint is due. It is a generator of reports, so that who listens decides what to print and where to save, and
 * stops it by leaving the loop: the step at hand is always finished and the state kept. From a checkpoint it goes on
 * bit-equal to never having stopped.
 */
import type { BatchPlan } from '../data/batch-plan.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { BatchShape } from '../nn/batch-tensors.ts';
import type { Network } from '../nn/network.ts';
import type { ParameterGroupOptions } from '../optim/parameter-groups.ts';
import {
  afterValidation,
  initialScheduleState,
  learningRate,
  type ScheduleState,
} from '../optim/schedules.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Clock } from './clock.ts';
import type { TrainingConfig } from './config/types.ts';
import { lowerIsBetter, scoreOf } from './early-stopping.ts';
import { type EngineState, TrainingEngine } from './engine.ts';
import {
  type EndReason,
  lossReport,
  type ProgressReport,
  type TrainingReport,
  type Validation,
} from './reports.ts';
import { samplingProbability } from './sampling-schedule.ts';
import type { TrainingSet } from './training-set.ts';

export interface TrainerOptions {
  readonly gpu: Gpu;
  readonly network: Network;
  readonly pool: ScratchPool;
  readonly training: TrainingConfig;
  readonly train: TrainingSet;
  /** How much each class counts; all the same where absent. */
  readonly classWeights?: Float32Array | undefined;
  /** Default: those of the configuration. */
  readonly parameterGroups?: readonly ParameterGroupOptions[];
  /** Loss and scores on held-out data; absent: no validation. */
  readonly validate?: (() => Promise<Validation>) | undefined;
}

/** Everything but parameters and moments that a bit-equal continuation needs; plain JSON. */
export interface TrainerState {
  readonly engine: EngineState;
  /** The epoch at hand, from 0, and how many of its updates are done. */
  readonly epoch: number;
  readonly updatesInEpoch: number;
  readonly schedule: ScheduleState;
  readonly bestScore: number | null;
  /** Validations in a row without improvement. */
  readonly withoutImprovement: number;
  /** Whether the last update's validation is done. */
  readonly validated: boolean;
}

export class Trainer {
  readonly engine: TrainingEngine;
  #options: TrainerOptions;
  #groups: { epoch: number; list: BatchPlan[][] } | undefined;
  #schedule = initialScheduleState;
  #epoch = 0;
  #updatesInEpoch = 0;
  #bestScore: number | null = null;
  #withoutImprovement = 0;
  #validated = true;

  private constructor(options: TrainerOptions, engine: TrainingEngine) {
    this.#options = options;
    this.engine = engine;
  }

  static async create(options: TrainerOptions): Promise<Trainer> {
    const { gpu, network, pool, training } = options;
    const engine = await TrainingEngine.create(gpu, network, pool, {
      optimizer: training,
      labelSmoothing: training.label_smoothing,
      forcing: training.forcing === 'teacher' ? 'teacher' : training.scheduled_sampling.token,
      classWeights: options.classWeights,
      carriesStates: training.bptt_length !== null,
      parameterGroups: options.parameterGroups ?? training.parameter_groups,
      normalization: training.normalization,
      clipGradNorm: training.clip_grad_norm,
      precision: training.precision,
      seed: training.random_seed,
      maxInFlight: training.max_in_flight,
    });
    return new Trainer(options, engine);
  }

  /** Whether a smaller `early_stopping_metric` is a better one. */
  get lowerIsBetter(): boolean {
    return lowerIsBetter[this.#options.training.early_stopping_metric];
  }

  get state(): TrainerState {
    return {
      engine: this.engine.state,
      epoch: this.#epoch,
      updatesInEpoch: this.#updatesInEpoch,
      schedule: this.#schedule,
      bestScore: this.#bestScore,
      withoutImprovement: this.#withoutImprovement,
      validated: this.#validated,
    };
  }

  /** Goes on where another trainer's `state` was taken; parameters and moments are restored by the caller. */
  restore(state: TrainerState): void {
    this.engine.restore(state.engine);
    this.#epoch = state.epoch;
    this.#updatesInEpoch = state.updatesInEpoch;
    this.#schedule = state.schedule;
    this.#bestScore = state.bestScore;
    this.#withoutImprovement = state.withoutImprovement;
    this.#validated = state.validated;
  }

  /** Takes over the schedule alone (`load_model` without `reset_scheduler`). */
  restoreSchedule(state: ScheduleState): void {
    this.#schedule = state;
  }

  /**
   * Another end, other intervals, another validation or other pairs from the next update on; optimiser, schedule and
   * counts go on. Other pairs begin with the first batch of the epoch at hand; patience begins anew where it had run
   * out. What the engine was made with (optimiser, normalisation, seed) stays.
   */
  change(options: Partial<Pick<TrainerOptions, 'training' | 'train' | 'validate'>>): void {
    if (options.train && options.train !== this.#options.train) {
      this.#groups = undefined;
      this.#updatesInEpoch = 0;
    }
    this.#options = { ...this.#options, ...options };
    const { early_stopping_patience: patience } = this.#options.training;
    if (patience !== null && this.#withoutImprovement >= patience) this.#withoutImprovement = 0;
  }

  /**
   * Trains to the configured end, to early stopping, or until `signal` is aborted or the loop is left. `onUpdate`
   * hears after every update which share of the training is done; the update may still be in flight.
   * @throws DivergedError where loss or gradient is not finite; such an update leaves the weights as they were
   */
  async *run(
    signal?: AbortSignal,
    onUpdate?: (done: number) => void,
  ): AsyncGenerator<TrainingReport, void, void> {
    const clock = new Clock();
    while (true) {
      const aborted = signal?.aborted === true;
      if (!this.#validated && !aborted) yield* this.#validate();
      const reason = aborted ? 'aborted' : this.#endReason();
      if (reason) {
        yield { kind: 'end', reason, update: this.engine.updates, epoch: this.epoch };
        return;
      }
      const rate = await this.#step();
      onUpdate?.(this.#share());
      const endOfEpoch = this.#updatesInEpoch === 0;
      const { logging_freq, save_freq } = this.#options.training;
      const isAtEnd = this.#endReason() !== undefined;
      // Known before anything is yielded: who leaves the loop there finds the validation still due.
      this.#validated = !(this.#validationIsDue(endOfEpoch) || isAtEnd);
      const saves = this.#validated && save_freq !== null && this.engine.updates % save_freq === 0;
      if (this.engine.updates % logging_freq === 0 || endOfEpoch || isAtEnd || signal?.aborted === true) {
        yield await this.#report(rate, clock);
      }
      if (saves) yield this.#checkpointReport(undefined, false);
    }
  }

  /** One update; leaves epoch and position after it. */
  async #step(): Promise<number> {
    const groups = this.#epochGroups();
    if (this.#updatesInEpoch === 0) await this.prepare();
    const batches = groups[this.#updatesInEpoch]!.map((plan) => this.#options.train.fill(plan));
    const progress = { update: this.engine.updates + 1, epoch: this.#epoch + 1 };
    const rate = learningRate(this.#options.training, this.#schedule, progress);
    await this.engine.beginEpoch(this.#epoch + 1);
    await this.engine.update(batches, rate, this.#samplingProbability());
    this.#updatesInEpoch += 1;
    if (this.#updatesInEpoch === groups.length) {
      this.#epoch += 1;
      this.#updatesInEpoch = 0;
    }
    return rate;
  }

  /** How often the next update's decoder reads its own token. */
  #samplingProbability(): number {
    const { forcing, scheduled_sampling } = this.#options.training;
    if (forcing === 'teacher') return 0;
    return forcing === 'free_running' ? 1 : samplingProbability(scheduled_sampling, this.engine.updates);
  }

  /** The batches of the epoch at hand, grouped by update. */
  #epochGroups(): BatchPlan[][] {
    if (this.#groups?.epoch === this.#epoch) return this.#groups.list;
    const { train, training } = this.#options;
    const plans = train.plan(training, training.shuffle ? this.#epoch : 0);
    const list: BatchPlan[][] = [];
    for (let start = 0; start < plans.length; start += training.batch_multiplier) {
      list.push(plans.slice(start, start + training.batch_multiplier));
    }
    this.#groups = { epoch: this.#epoch, list };
    return list;
  }

  /** The epoch, from 1, that the last update belonged to. */
  get epoch(): number {
    return Math.max(1, this.#updatesInEpoch === 0 ? this.#epoch : this.#epoch + 1);
  }

  #endReason(): EndReason | undefined {
    const { training } = this.#options;
    const { early_stopping_patience: patience } = training;
    if (training.updates !== null && this.engine.updates >= training.updates) return 'updates';
    if (training.epochs !== null && this.#epoch >= training.epochs) return 'epochs';
    if (patience !== null && this.#withoutImprovement >= patience) return 'early stopping';
    return undefined;
  }

  #validationIsDue(endOfEpoch: boolean): boolean {
    const { validation_freq, validation_unit } = this.#options.training;
    if (validation_unit === 'updates') return this.engine.updates % validation_freq === 0;
    return endOfEpoch && this.#epoch % validation_freq === 0;
  }

  async #report(rate: number, clock: Clock): Promise<ProgressReport> {
    const statistics = await this.engine.statistics();
    return {
      kind: 'progress',
      update: this.engine.updates,
      epoch: this.epoch,
      ...lossReport(statistics),
      learningRate: rate,
      ...(statistics.lossScale !== undefined && {
        lossScale: statistics.lossScale,
        overflows: statistics.overflows,
      }),
      gradientNorm: statistics.gradientNorm / Math.max(1, statistics.updates),
      tokens: statistics.tokens,
      seconds: clock.lap(),
      done: this.#share(),
    };
  }

  /** Share of the configured updates that is done. */
  #share(): number {
    const { updates, epochs } = this.#options.training;
    const byUpdates = updates === null ? 0 : this.engine.updates / updates;
    const inEpoch = this.#updatesInEpoch === 0 ? 0 : this.#updatesInEpoch / this.#epochGroups().length;
    const byEpochs = epochs === null ? 0 : (this.#epoch + inEpoch) / epochs;
    return Math.min(1, Math.max(byUpdates, byEpochs));
  }

  /** The validation that is due, and the checkpoint that follows it. */
  async *#validate(): AsyncGenerator<TrainingReport, void, void> {
    const { validate, training } = this.#options;
    if (!validate) {
      this.#validated = true;
      yield this.#checkpointReport(undefined, true);
      return;
    }
    const validation = await validate();
    const metric = training.early_stopping_metric;
    const score = scoreOf(validation, metric);
    const better = (a: number, b: number) => (lowerIsBetter[metric] ? a < b : a > b);
    const best = Number.isFinite(score) && (this.#bestScore === null || better(score, this.#bestScore));
    if (best) this.#bestScore = score;
    this.#withoutImprovement = best ? 0 : this.#withoutImprovement + 1;
    const direction = lowerIsBetter[metric] ? 'fall' : 'rise';
    this.#schedule = afterValidation(training, this.#schedule, score, direction);
    this.#validated = true;
    yield {
      kind: 'validation',
      update: this.engine.updates,
      epoch: this.epoch,
      ...validation,
      score,
      best,
    };
    yield this.#checkpointReport(score, best);
  }

  #checkpointReport(score: number | undefined, best: boolean): TrainingReport {
    return { kind: 'checkpoint', update: this.engine.updates, epoch: this.epoch, score, best };
  }

  /** The recorded plans of the epoch's largest batch, as text. */
  describePlan(): Promise<string> {
    return this.engine.describePlan(this.largestBatch);
  }

  /** The shape of the epoch's largest batch. */
  get largestBatch(): BatchShape {
    return largest(this.#epochGroups().flat());
  }

  /**
   * Records the plan of the epoch's largest batch, and gives the bytes of scratch memory that it takes. Training does
   * so by itself; who asks before knows whether the device can hold it.
   * @throws LimitsError naming what is too large
   */
  async prepare(): Promise<number> {
    await this.engine.prepare([this.largestBatch]);
    return this.#options.pool.bytes;
  }

  /** Records the plans of all batches of the epoch at hand, as training them would. */
  async prepareEpoch(): Promise<void> {
    await this.prepare();
    for (const plan of this.#epochGroups().flat()) await this.engine.prepare([plan]);
  }

  dispose(): void {
    this.engine.dispose();
  }
}

function largest(plans: readonly BatchPlan[]): BatchPlan {
  const cells = ({ B, S, T }: BatchPlan) => B * (S + T);
  return plans.reduce((most, plan) => (cells(plan) > cells(most) ? plan : most));
}
