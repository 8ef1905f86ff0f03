/**
 * The recorded update of all parameters with what it keeps on the device: moments and the step's scalars. Groups of
 * parameters may change between updates (an epoch releases frozen ones); then the plan is recorded anew over the same
 * moments.
 */
import type { Gpu } from '../gpu/gpu.ts';
import { hyperSize, type Optimizer, updateSize } from '../optim/optimizer.ts';
import { type ParameterGroup, parameterGroups, sameGroups } from '../optim/parameter-groups.ts';
import { recordUpdate } from '../optim/update.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import { destroyTensor, persistentTensor, writeTensor } from '../scheduler/persistent.ts';
import { Plan } from '../scheduler/plan.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

/** Values of one moment by parameter name. */
export type Moment = ReadonlyMap<string, Float32Array>;

/**
 * For each group that has ever been trained, by its name, the updates that were done before its first: an optimiser's
 * step counts from there, as a fresh one's would. Part of a run's state.
 */
export type StepOffsets = Readonly<Record<string, number>>;

export interface UpdatePlanOptions {
  readonly optimizer: Optimizer;
  /** The gradient is scaled down to this norm where it is longer; 0: never. */
  readonly maxNorm: number;
  /** f32 [8], persistent, the caller's: see `statistic` in `ops/cross-entropy.ts`. */
  readonly statistics: Tensor;
  /** f32 [lossScaleSize], persistent, the caller's: of mixed precision, see `optim/loss-scale.ts`. */
  readonly lossScale?: Tensor | undefined;
  /** Those of the first epoch; all parameters alike if not given. */
  readonly groups?: readonly ParameterGroup[];
}

/** One recording: which groups it updates, and by which numbers. Its tensors live as long as its plan. */
interface Recording {
  readonly groups: readonly ParameterGroup[];
  readonly plan: Plan;
  readonly trained: readonly { readonly name: string; readonly multiplier: number; readonly hyper: Tensor }[];
}

export class UpdatePlan {
  readonly optimizer: Optimizer;
  readonly #gpu: Gpu;
  readonly #pool: ScratchPool;
  readonly #store: ParameterStore;
  readonly #options: UpdatePlanOptions;
  readonly #update: Tensor;
  readonly #moments: readonly (readonly Tensor[])[];
  readonly #stepOffsets = new Map<string, number>();
  #recording: Recording | undefined;

  private constructor(gpu: Gpu, pool: ScratchPool, store: ParameterStore, options: UpdatePlanOptions) {
    this.optimizer = options.optimizer;
    this.#gpu = gpu;
    this.#pool = pool;
    this.#store = store;
    this.#options = options;
    this.#update = persistentTensor(gpu, 'update', [updateSize]);
    this.#moments = this.optimizer.moments.map((name) => store.createArenas(name));
  }

  static async create(
    gpu: Gpu,
    pool: ScratchPool,
    store: ParameterStore,
    options: UpdatePlanOptions,
  ): Promise<UpdatePlan> {
    const made = new UpdatePlan(gpu, pool, store, options);
    try {
      await made.regroup(options.groups ?? parameterGroups([], store.places, 1), 0);
    } catch (error) {
      made.dispose();
      throw error;
    }
    return made;
  }

  /** To be run after the plans that leave the gradients behind. `regroup` replaces it. */
  get plan(): Plan {
    return this.#recording!.plan;
  }

  /**
   * From the next update on these groups; does nothing where they are what they were. Moments stay. A group that was
   * never trained before starts like one of a fresh optimiser. To be called between updates.
   *
   * @param updates updates done so far
   */
  async regroup(groups: readonly ParameterGroup[], updates: number): Promise<void> {
    const before = this.#recording;
    if (before && sameGroups(before.groups, groups)) return;
    this.#recording = await this.#record(groups);
    before?.plan.dispose();
    for (const { name } of this.#recording.trained) {
      if (!this.#stepOffsets.has(name)) this.#stepOffsets.set(name, updates);
    }
  }

  async #record(groups: readonly ParameterGroup[]): Promise<Recording> {
    const { optimizer, maxNorm, statistics, lossScale } = this.#options;
    const withHyper = groups.map((group) => ({
      ...group,
      hyper: group.frozen ? undefined : persistentTensor(this.#gpu, `hyper of ${group.name}`, [hyperSize]),
    }));
    const trained = withHyper.flatMap(({ name, multiplier, hyper }) =>
      hyper ? [{ name, multiplier, hyper }] : [],
    );
    const dispose = () => {
      for (const { hyper } of trained) destroyTensor(hyper);
    };
    const tape = new Tape({ ...this.#gpu.traits, training: false });
    try {
      recordUpdate(tape, this.#store, {
        optimizer,
        moments: this.#moments,
        groups: withHyper,
        update: this.#update,
        statistics,
        maxNorm,
        lossScale,
      });
      const name = `update (${optimizer.name})`;
      const plan = await Plan.build(this.#gpu, this.#pool, name, tape, { dispose });
      return { groups, plan, trained };
    } catch (error) {
      dispose();
      throw error;
    }
  }

  /** What the next run of the plan reads. `step` counts updates from 1, `learningRate` is that before multipliers. */
  writeStep(step: number, learningRate: number): void {
    for (const { name, multiplier, hyper } of this.#recording!.trained) {
      const own = step - (this.#stepOffsets.get(name) ?? 0);
      writeTensor(this.#gpu, hyper, this.optimizer.hyper(own, learningRate * multiplier));
    }
  }

  /** What a resumed run needs besides the moments. */
  get stepOffsets(): StepOffsets {
    return Object.fromEntries(this.#stepOffsets);
  }

  /** Takes over where another run stopped; to be followed by `regroup` with the groups of its epoch. */
  restoreStepOffsets(offsets: StepOffsets): void {
    this.#stepOffsets.clear();
    for (const [name, updates] of Object.entries(offsets)) this.#stepOffsets.set(name, updates);
  }

  /** The moments by the optimiser's names. */
  async readMoments(): Promise<Map<string, Moment>> {
    const named = new Map<string, Moment>();
    for (const [index, name] of this.optimizer.moments.entries()) {
      named.set(name, await this.#store.read(this.#moments[index]!));
    }
    return named;
  }

  writeMoments(moments: ReadonlyMap<string, Moment>): void {
    for (const [index, name] of this.optimizer.moments.entries()) {
      this.#store.writeAll(moments.get(name) ?? new Map(), this.#moments[index]!);
    }
  }

  dispose(): void {
    this.#recording?.plan.dispose();
    for (const tensor of [this.#update, ...this.#moments.flat()]) destroyTensor(tensor);
  }
}
