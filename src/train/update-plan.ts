/** The recorded update of all parameters with what it keeps on the device: moments and the step's scalars. */
import type { Gpu } from '../gpu/gpu.ts';
import { hyperSize, type Optimizer, updateSize } from '../optim/optimizer.ts';
import { recordUpdate } from '../optim/update.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import { destroyTensor, persistentTensor, writeTensor } from '../scheduler/persistent.ts';
import { Plan } from '../scheduler/plan.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

/** Values of one moment by parameter name. */
export type Moment = ReadonlyMap<string, Float32Array>;

export class UpdatePlan {
  readonly plan: Plan;
  readonly optimizer: Optimizer;
  readonly #gpu: Gpu;
  readonly #store: ParameterStore;
  readonly #hyper: Tensor;
  readonly #moments: readonly (readonly Tensor[])[];

  private constructor(
    gpu: Gpu,
    store: ParameterStore,
    optimizer: Optimizer,
    plan: Plan,
    hyper: Tensor,
    moments: readonly (readonly Tensor[])[],
  ) {
    this.#gpu = gpu;
    this.#store = store;
    this.optimizer = optimizer;
    this.plan = plan;
    this.#hyper = hyper;
    this.#moments = moments;
  }

  static async create(
    gpu: Gpu,
    pool: ScratchPool,
    store: ParameterStore,
    options: { optimizer: Optimizer; maxNorm: number; statistics: Tensor },
  ): Promise<UpdatePlan> {
    const { optimizer, maxNorm, statistics } = options;
    const hyper = persistentTensor(gpu, 'hyper', [hyperSize]);
    const update = persistentTensor(gpu, 'update', [updateSize]);
    const moments = optimizer.moments.map((name) => store.createArenas(name));
    const tape = new Tape({ software: gpu.software, subgroups: gpu.subgroups, training: false });
    recordUpdate(tape, store, { optimizer, moments, hyper, update, statistics, maxNorm });
    const plan = await Plan.build(gpu, pool, `update (${optimizer.name})`, tape, {
      dispose: () => [hyper, update, ...moments.flat()].forEach(destroyTensor),
    });
    return new UpdatePlan(gpu, store, optimizer, plan, hyper, moments);
  }

  /** What the next run of the plan reads. `step` counts updates from 1. */
  writeStep(step: number, learningRate: number): void {
    writeTensor(this.#gpu, this.#hyper, this.optimizer.hyper(step, learningRate));
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
    this.plan.dispose();
  }
}
