/**
 * Training steps on the device: plans by bucket, the update plan, and the numbers that change from step to step. It
 * knows nothing of epochs, files or validation; `trainer.ts` does.
 */
import type { Batch } from '../data/batches.ts';
import { DivergedError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Seq2SeqNetwork, StepTensors } from '../nn/seq2seq.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import type { OptimizerOptions } from '../optim/optimizer.ts';
import { createOptimizer } from '../optim/registry.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../scheduler/persistent.ts';
import { submit } from '../scheduler/plan.ts';
import { PlanCache } from '../scheduler/plan-cache.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { InFlight } from './in-flight.ts';
import { readStatistics, type Statistics } from './statistics.ts';
import { type BatchShape, StepPlan } from './step-plan.ts';
import { type Moment, UpdatePlan } from './update-plan.ts';

export interface EngineOptions {
  readonly optimizer: OptimizerOptions;
  readonly labelSmoothing: number;
  /** Gradients are divided by the target tokens, by the sentences, or not at all, before clipping. */
  readonly normalization: 'tokens' | 'batch' | 'none';
  /** null: no clipping. */
  readonly clipGradNorm: number | null;
  readonly seed: number;
  readonly maxInFlight: number;
  /** Plans kept, least recently used ones dropped. */
  readonly planCapacity?: number;
}

/** What a resumed engine needs besides parameters and moments. */
export interface EngineState {
  readonly updates: number;
  readonly microSteps: number;
}

const defaultPlanCapacity = 64;

export class TrainingEngine {
  readonly #gpu: Gpu;
  readonly #network: Seq2SeqNetwork;
  readonly #pool: ScratchPool;
  readonly #options: EngineOptions;
  readonly #plans: PlanCache<StepPlan>;
  readonly #step: StepTensors;
  readonly #update: UpdatePlan;
  readonly #inFlight: InFlight;
  #updates = 0;
  #microSteps = 0;

  private constructor(
    gpu: Gpu,
    network: Seq2SeqNetwork,
    pool: ScratchPool,
    options: EngineOptions,
    step: StepTensors,
    update: UpdatePlan,
  ) {
    this.#gpu = gpu;
    this.#network = network;
    this.#pool = pool;
    this.#options = options;
    this.#step = step;
    this.#update = update;
    this.#plans = new PlanCache(options.planCapacity ?? defaultPlanCapacity);
    this.#inFlight = new InFlight(gpu.device.queue, Math.max(1, options.maxInFlight));
  }

  static async create(
    gpu: Gpu,
    network: Seq2SeqNetwork,
    pool: ScratchPool,
    options: EngineOptions,
  ): Promise<TrainingEngine> {
    const step: StepTensors = {
      random: persistentTensor(gpu, 'random', [4], 'u32'),
      scale: persistentTensor(gpu, 'loss scale', [1]),
      statistics: persistentTensor(gpu, 'statistics', [statisticsSize]),
    };
    const update = await UpdatePlan.create(gpu, pool, network.parameters, {
      optimizer: createOptimizer(options.optimizer),
      maxNorm: options.clipGradNorm ?? 0,
      statistics: step.statistics,
    });
    return new TrainingEngine(gpu, network, pool, options, step, update);
  }

  /** Updates done so far. */
  get updates(): number {
    return this.#updates;
  }

  get state(): EngineState {
    return { updates: this.#updates, microSteps: this.#microSteps };
  }

  /** Takes over where another engine stopped. */
  restore(state: EngineState): void {
    this.#updates = state.updates;
    this.#microSteps = state.microSteps;
  }

  /** The optimiser's name. */
  get optimizer(): string {
    return this.#update.optimizer.name;
  }

  /** Names of the optimiser's moments. */
  get momentNames(): readonly string[] {
    return this.#update.optimizer.moments;
  }

  /** The optimiser and its moments by name and parameter, once all submitted steps are done. */
  async readOptimizer(): Promise<{ optimizer: string; moments: Map<string, Moment> }> {
    return { optimizer: this.optimizer, moments: await this.#update.readMoments() };
  }

  /** The sums that `statistics` will give, so far, for a checkpoint between two reports. */
  async readSums(): Promise<number[]> {
    return [...(await readTensor(this.#gpu, this.#step.statistics))];
  }

  writeSums(sums: readonly number[]): void {
    const values = new Float32Array(statisticsSize);
    values.set(sums.slice(0, statisticsSize));
    writeTensor(this.#gpu, this.#step.statistics, values);
  }

  writeMoments(moments: ReadonlyMap<string, Moment>): void {
    this.#update.writeMoments(moments);
  }

  /** Records the plans of these shapes, largest first, so that later ones fit into the memory that is there. */
  async prepare(shapes: readonly BatchShape[]): Promise<void> {
    const cells = ({ B, S, T }: BatchShape) => B * (S + T);
    const capacity = this.#options.planCapacity ?? defaultPlanCapacity;
    for (const shape of shapes.toSorted((a, b) => cells(b) - cells(a)).slice(0, capacity)) {
      await this.#trainingPlan(shape);
    }
  }

  /**
   * One update from the gradients of one or more micro-batches, weighed as one large batch would. With one it is one
   * submit. Resolves when few enough steps are in flight, not when the step is done.
   */
  async update(batches: readonly Batch[], learningRate: number): Promise<void> {
    writeTensor(this.#gpu, this.#step.scale, Float32Array.of(this.#gradientScale(batches)));
    this.#update.writeStep(this.#updates + 1, learningRate);
    // All first: a plan that cannot be made must not leave the gradients of half an update behind.
    for (const batch of batches) await this.#trainingPlan(batch);
    for (const [index, batch] of batches.entries()) {
      const step = await this.#trainingPlan(batch);
      step.write(this.#gpu, batch);
      writeTensor(this.#gpu, this.#step.random, randomState(this.#options.seed, this.#microSteps));
      const isLast = index === batches.length - 1;
      submit(this.#gpu, 'training step', isLast ? [step.plan, this.#update.plan] : [step.plan]);
      this.#microSteps += 1;
      await this.#inFlight.next();
    }
    this.#updates += 1;
  }

  #gradientScale(batches: readonly Batch[]): number {
    const sum = (count: (batch: Batch) => number) =>
      batches.reduce((total, batch) => total + count(batch), 0);
    const { normalization } = this.#options;
    if (normalization === 'none') return 1;
    return 1 / Math.max(1, normalization === 'tokens' ? sum((b) => b.targetTokens) : sum((b) => b.sentences));
  }

  /**
   * The sums since the last call, once all submitted steps are done.
   * @throws DivergedError where a loss or a gradient was not finite; such an update left the weights as they were.
   */
  async statistics(): Promise<Statistics> {
    const statistics = readStatistics(await readTensor(this.#gpu, this.#step.statistics));
    writeTensor(this.#gpu, this.#step.statistics, new Float32Array(statisticsSize));
    if (statistics.skipped > 0 || !Number.isFinite(statistics.loss)) {
      throw new DivergedError(
        `the loss or its gradient is no longer finite (the update was left out ` +
          `${statistics.skipped} times up to update ${this.#updates}): lower the learning rate or clip the gradient's norm`,
      );
    }
    return statistics;
  }

  /** The recorded plan of a shape as text, for `--dump-plan`. */
  async describePlan(shape: BatchShape): Promise<string> {
    const { plan } = await this.#trainingPlan(shape);
    return `${plan}\n${this.#update.plan}`;
  }

  #trainingPlan({ B, S, T }: BatchShape): Promise<StepPlan> {
    const { labelSmoothing } = this.#options;
    return this.#plans.get(`${B} ${S} ${T}`, () =>
      StepPlan.record(this.#gpu, this.#pool, this.#network, { B, S, T }, this.#step, {
        training: true,
        labelSmoothing,
      }),
    );
  }

  dispose(): void {
    this.#plans.dispose();
    this.#update.dispose();
    for (const tensor of Object.values(this.#step)) destroyTensor(tensor);
  }
}

/** Seed and step, 64 bits each as two words, as the dropout kernel reads them. */
function randomState(seed: number, step: number): Uint32Array {
  const high = (value: number) => Math.floor(value / 2 ** 32);
  return Uint32Array.of(seed, high(seed), step, high(step));
}
