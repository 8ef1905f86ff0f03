/** The loss and accuracy of given targets (teacher forcing), without dropout; it changes nothing of the training. */
import type { Batch } from '../data/batches.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { shapeName } from '../nn/batch-tensors.ts';
import type { Network, StepTensors } from '../nn/network.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import { destroyTensor, readTensor, writeTensor } from '../scheduler/persistent.ts';
import { submit } from '../scheduler/plan.ts';
import { PlanCache } from '../scheduler/plan-cache.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Serial } from '../scheduler/serial.ts';
import { CarriedByRows } from './carried-states.ts';
import { InFlight } from './in-flight.ts';
import { readStatistics, type Statistics } from './statistics.ts';
import { StepPlan } from './step-plan.ts';
import { createStepTensors } from './step-tensors.ts';

const planCapacity = 32;
const maxInFlight = 2;

export class Evaluator {
  readonly #gpu: Gpu;
  readonly #network: Network;
  readonly #pool: ScratchPool;
  readonly #step: StepTensors;
  readonly #plans = new PlanCache<StepPlan>(planCapacity);
  readonly #inFlight: InFlight;
  readonly #serial = new Serial();
  readonly #carried: CarriedByRows;

  constructor(gpu: Gpu, network: Network, pool: ScratchPool) {
    this.#gpu = gpu;
    this.#network = network;
    this.#pool = pool;
    this.#step = createStepTensors(gpu, 'evaluation');
    this.#carried = new CarriedByRows(gpu, network);
    this.#inFlight = new InFlight(gpu, maxInFlight);
  }

  /** Sums over all batches; no label smoothing. Calls made at once are served one after another. */
  run(batches: Iterable<Batch>): Promise<Statistics> {
    return this.#serial.run(() => this.#run(batches));
  }

  async #run(batches: Iterable<Batch>): Promise<Statistics> {
    writeTensor(this.#gpu, this.#step.statistics, new Float32Array(statisticsSize));
    for (const batch of batches) {
      const { B, S, T, C, isFirst } = batch;
      const shape = { B, S, T, ...(C !== undefined && { C }) };
      const carried = isFirst === undefined ? undefined : this.#carried.of(B);
      const step = await this.#plans.get(`${shapeName(shape)}${carried ? ' carried' : ''}`, () =>
        StepPlan.record(this.#gpu, this.#pool, this.#network, shape, this.#step, {
          training: false,
          labelSmoothing: 0,
          carried: carried?.tensors,
        }),
      );
      step.write(this.#gpu, batch);
      if (isFirst) carried?.clear();
      submit(this.#gpu, 'evaluate', [step.plan]);
      await this.#inFlight.next();
    }
    return readStatistics(await readTensor(this.#gpu, this.#step.statistics));
  }

  dispose(): void {
    this.#plans.dispose();
    this.#carried.dispose();
    for (const tensor of Object.values(this.#step)) destroyTensor(tensor);
  }
}
