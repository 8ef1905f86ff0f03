/**
 * Training steps on the device: plans by bucket, the update plan, and the numbers that change from step to step. It
 * knows nothing of epochs, files or validation; `trainer.ts` does.
 */
import { type Batch, longestWord } from '../data/batches.ts';
import { DivergedError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Precision } from '../gpu/stored-as.ts';
import { type BatchShape, shapeName } from '../nn/batch-tensors.ts';
import type { Network, StepTensors, TeacherForcing } from '../nn/network.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import { initialLossScale, lossScaleSize } from '../optim/loss-scale.ts';
import type { OptimizerOptions } from '../optim/optimizer.ts';
import { type ParameterGroupOptions, parameterGroups, restOfParameters } from '../optim/parameter-groups.ts';
import { createOptimizer } from '../optim/registry.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../scheduler/persistent.ts';
import { submit } from '../scheduler/plan.ts';
import { PlanCache } from '../scheduler/plan-cache.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { CarriedByRows, type CarriedStates } from './carried-states.ts';
import { InFlight } from './in-flight.ts';
import { readStatistics, type Statistics } from './statistics.ts';
import { StepPlan } from './step-plan.ts';
import { createStepTensors } from './step-tensors.ts';
import { type Moment, type StepOffsets, UpdatePlan } from './update-plan.ts';

export interface EngineOptions {
  readonly optimizer: OptimizerOptions;
  readonly labelSmoothing: number;
  /** Whose words a decoder reads in training. Default: the teacher's. */
  readonly forcing?: TeacherForcing;
  /** How much each class counts; all the same where absent. */
  readonly classWeights?: Float32Array | undefined;
  /** The batches are chunks of a stream: each starts from the states that the one before it left. */
  readonly carriesStates?: boolean;
  /** Learning rates and freezing by the names of parameters. */
  readonly parameterGroups?: readonly ParameterGroupOptions[];
  /** Gradients are divided by the target tokens, by the sentences, or not at all, before clipping. */
  readonly normalization: 'tokens' | 'batch' | 'none';
  /**
   * `mixed`: what a step computes is stored as f16 and the loss is scaled; parameters, their gradients and the moments are
   * f32. Needs `shader-f16`. Default: f32.
   */
  readonly precision?: Precision;
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
  /** When each group of parameters was first trained; where it is not said, all were from the start. */
  readonly stepOffsets?: StepOffsets;
}

const defaultPlanCapacity = 64;

export class TrainingEngine {
  readonly #gpu: Gpu;
  readonly #network: Network;
  readonly #pool: ScratchPool;
  readonly #options: EngineOptions;
  readonly #plans: PlanCache<StepPlan>;
  readonly #step: StepTensors;
  readonly #update: UpdatePlan;
  readonly #inFlight: InFlight;
  /** Of the classes, where they do not all count the same. */
  readonly #classWeights: Tensor | undefined;
  /** Of mixed precision. */
  readonly #lossScale: Tensor | undefined;
  /** Of a stream: what the next chunk starts from. */
  #carried: CarriedStates | undefined;
  readonly #carriedByRows: CarriedByRows;
  #epoch: number | undefined;
  #updates = 0;
  #microSteps = 0;

  private constructor(
    gpu: Gpu,
    network: Network,
    pool: ScratchPool,
    options: EngineOptions,
    step: StepTensors,
    update: UpdatePlan,
    lossScale: Tensor | undefined,
  ) {
    this.#gpu = gpu;
    this.#network = network;
    this.#pool = pool;
    this.#options = options;
    this.#step = step;
    this.#update = update;
    this.#lossScale = lossScale;
    this.#carriedByRows = new CarriedByRows(gpu, network);
    this.#plans = new PlanCache(options.planCapacity ?? defaultPlanCapacity);
    const { classWeights } = options;
    if (classWeights) {
      this.#classWeights = persistentTensor(gpu, 'class weights', [classWeights.length]);
      writeTensor(gpu, this.#classWeights, classWeights);
    }
    this.#inFlight = new InFlight(gpu, Math.max(1, options.maxInFlight));
  }

  static async create(
    gpu: Gpu,
    network: Network,
    pool: ScratchPool,
    options: EngineOptions,
  ): Promise<TrainingEngine> {
    const mixed = options.precision === 'mixed';
    if (mixed) gpu.expectHalves();
    const step = createStepTensors(gpu, 'training');
    const lossScale = mixed ? persistentTensor(gpu, 'loss scale', [lossScaleSize]) : undefined;
    if (lossScale) writeTensor(gpu, lossScale, Float32Array.from(initialLossScale));
    const update = await UpdatePlan.create(gpu, pool, network.parameters, {
      optimizer: createOptimizer(options.optimizer),
      maxNorm: options.clipGradNorm ?? 0,
      statistics: step.statistics,
      lossScale,
      groups: parameterGroups(options.parameterGroups ?? [], network.parameters.places, 1),
    });
    return new TrainingEngine(gpu, network, pool, options, step, update, lossScale);
  }

  /** Updates done so far. */
  get updates(): number {
    return this.#updates;
  }

  get state(): EngineState {
    return {
      updates: this.#updates,
      microSteps: this.#microSteps,
      stepOffsets: this.#update.stepOffsets,
    };
  }

  /** Takes over where another engine stopped. */
  restore(state: EngineState): void {
    this.#updates = state.updates;
    this.#microSteps = state.microSteps;
    this.#update.restoreStepOffsets(state.stepOffsets ?? { [restOfParameters]: 0 });
    this.#epoch = undefined;
  }

  /**
   * Counts updates on from another run, whose weights and moments are here already. All of its parameters have been
   * trained, whatever groups this run parts them into, so no group's steps begin anew when it is released.
   */
  continueFrom({ updates, stepOffsets = {} }: EngineState): void {
    const groups = parameterGroups(this.#options.parameterGroups ?? [], this.#network.parameters.places, 1);
    const offsets = groups.map(({ name }) => [name, stepOffsets[name] ?? 0] as const);
    this.restore({ updates, microSteps: this.#microSteps, stepOffsets: Object.fromEntries(offsets) });
  }

  /** To be called before the updates of an epoch (from 1): parameters may be frozen, and released, by epochs. */
  async beginEpoch(epoch: number): Promise<void> {
    if (epoch === this.#epoch) return;
    const groups = parameterGroups(
      this.#options.parameterGroups ?? [],
      this.#network.parameters.places,
      epoch,
    );
    await this.#update.regroup(groups, this.#updates);
    this.#epoch = epoch;
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

  /** Of mixed precision: scale, inverse and count, for a checkpoint; undefined in f32. */
  async readLossScale(): Promise<number[] | undefined> {
    return this.#lossScale && [...(await readTensor(this.#gpu, this.#lossScale))];
  }

  /** Goes on with the scale of a checkpoint; does nothing in f32, or where the checkpoint has none. */
  writeLossScale(state: readonly number[] | undefined): void {
    if (state && this.#lossScale) writeTensor(this.#gpu, this.#lossScale, Float32Array.from(state));
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
   *
   * @param sampling the probability that a decoder reads its own token, where `forcing` lets it
   */
  async update(batches: readonly Batch[], learningRate: number, sampling = 0): Promise<void> {
    writeTensor(this.#gpu, this.#step.sampling, Float32Array.of(sampling));
    writeTensor(this.#gpu, this.#step.scale, Float32Array.of(this.#gradientScale(batches)));
    this.#update.writeStep(this.#updates + 1, learningRate);
    // All first: a plan that cannot be made must not leave the gradients of half an update behind.
    for (const batch of batches) await this.#trainingPlan(batch);
    for (const [index, batch] of batches.entries()) {
      const step = await this.#trainingPlan(batch);
      step.write(this.#gpu, batch);
      if (batch.isFirst) this.#carried?.clear();
      writeTensor(this.#gpu, this.#step.random, randomState(this.#options.seed, this.#microSteps));
      const isLast = index === batches.length - 1;
      submit(this.#gpu, 'training step', isLast ? [step.plan, this.#update.plan] : [step.plan]);
      this.#microSteps += 1;
      await this.#inFlight.next();
    }
    this.#updates += 1;
  }

  #gradientScale(batches: readonly Batch[]): number {
    const { normalization } = this.#options;
    if (normalization === 'none') return 1;
    const counts = batches.map((batch) =>
      normalization === 'batch' ? batch.sentences : this.#weightOf(batch),
    );
    const total = counts.reduce((sum, count) => sum + count, 0);
    return total > 0 ? 1 / total : 1;
  }

  /** The target tokens of a batch, each as much as its class counts. */
  #weightOf({ targetTokens, targetOutput }: Batch): number {
    const { classWeights } = this.#options;
    if (!classWeights) return targetTokens;
    return targetOutput.reduce((total, target) => total + (classWeights[target] ?? 0), 0);
  }

  /**
   * The sums since the last call, once all submitted steps are done, and in mixed precision the scale of the loss.
   * @throws DivergedError where a loss or a gradient was not finite (in mixed precision: and no smaller scale could help);
   * such an update left the weights as they were.
   */
  async statistics(): Promise<Statistics & { readonly lossScale?: number }> {
    const statistics = readStatistics(await readTensor(this.#gpu, this.#step.statistics));
    const lossScale = (await this.readLossScale())?.[0];
    writeTensor(this.#gpu, this.#step.statistics, new Float32Array(statisticsSize));
    if (statistics.skipped > 0 || !Number.isFinite(statistics.loss)) {
      throw new DivergedError(
        `the loss or its gradient is no longer finite (the update was left out ` +
          `${statistics.skipped} times up to update ${this.#updates}): lower the learning rate or clip the gradient's norm`,
      );
    }
    return { ...statistics, ...(lossScale !== undefined && { lossScale }) };
  }

  /** The recorded plan of a shape as text, for `--dump-plan`. */
  async describePlan(shape: BatchShape): Promise<string> {
    const { plan } = await this.#trainingPlan(shape);
    return `${plan}\n${this.#update.plan}`;
  }

  /** How many dispatches an update from one batch of this shape is. */
  async dispatchCount(shape: BatchShape): Promise<number> {
    const { plan } = await this.#trainingPlan(shape);
    return plan.dispatches.length + this.#update.plan.dispatches.length;
  }

  #trainingPlan({ B, S, T, C }: BatchShape): Promise<StepPlan> {
    const { labelSmoothing, forcing = 'teacher', carriesStates } = this.#options;
    // Of a batch that is only planned the characters are not known yet: room for the longest words.
    const shape = { B, S, T, ...(this.#network.readsCharacters && { C: C ?? longestWord }) };
    const carried = carriesStates ? this.#carriedFor(B) : undefined;
    return this.#plans.get(shapeName(shape), () =>
      StepPlan.record(this.#gpu, this.#pool, this.#network, shape, this.#step, {
        training: true,
        labelSmoothing,
        forcing,
        classWeights: this.#classWeights,
        carried: carried?.tensors,
        lossScale: this.#lossScale,
      }),
    );
  }

  /** A stream has as many rows from its first chunk to its last; another stream may have others. */
  #carriedFor(rows: number): CarriedStates | undefined {
    this.#carried = this.#carriedByRows.of(rows);
    return this.#carried;
  }

  /** What the next chunk of a stream starts from, for a checkpoint; undefined where nothing is carried. */
  async readCarried(): Promise<Float32Array<ArrayBuffer> | undefined> {
    return await this.#carried?.read();
  }

  writeCarried(values: Float32Array): void {
    if (!this.#network.carries) return;
    this.#carriedFor(this.#carriedByRows.rowsOf(values.length))?.write(values);
  }

  dispose(): void {
    this.#plans.dispose();
    this.#update.dispose();
    this.#carriedByRows.dispose();
    if (this.#classWeights) destroyTensor(this.#classWeights);
    if (this.#lossScale) destroyTensor(this.#lossScale);
    for (const tensor of Object.values(this.#step)) destroyTensor(tensor);
  }
}

/** Seed and step, 64 bits each as two words, as the dropout kernel reads them. */
function randomState(seed: number, step: number): Uint32Array {
  const high = (value: number) => Math.floor(value / 2 ** 32);
  return Uint32Array.of(seed, high(seed), step, high(step));
}
