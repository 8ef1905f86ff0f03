/** The loss and accuracy of given targets (teacher forcing), without dropout; it changes nothing of the training. */
import type { Batch } from '../data/batches.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Seq2SeqNetwork, StepTensors } from '../nn/seq2seq.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../scheduler/persistent.ts';
import { submit } from '../scheduler/plan.ts';
import { PlanCache } from '../scheduler/plan-cache.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Serial } from '../scheduler/serial.ts';
import { InFlight } from './in-flight.ts';
import { readStatistics, type Statistics } from './statistics.ts';
import { StepPlan } from './step-plan.ts';

const planCapacity = 32;
const maxInFlight = 2;

export class Evaluator {
  readonly #gpu: Gpu;
  readonly #network: Seq2SeqNetwork;
  readonly #pool: ScratchPool;
  readonly #step: StepTensors;
  readonly #plans = new PlanCache<StepPlan>(planCapacity);
  readonly #inFlight: InFlight;
  readonly #serial = new Serial();

  constructor(gpu: Gpu, network: Seq2SeqNetwork, pool: ScratchPool) {
    this.#gpu = gpu;
    this.#network = network;
    this.#pool = pool;
    this.#step = {
      random: persistentTensor(gpu, 'evaluation random', [4], 'u32'),
      scale: persistentTensor(gpu, 'evaluation scale', [1]),
      statistics: persistentTensor(gpu, 'evaluation statistics', [statisticsSize]),
    };
    this.#inFlight = new InFlight(gpu.device.queue, maxInFlight);
  }

  /** Sums over all batches; no label smoothing. Calls made at once are served one after another. */
  run(batches: Iterable<Batch>): Promise<Statistics> {
    return this.#serial.run(() => this.#run(batches));
  }

  async #run(batches: Iterable<Batch>): Promise<Statistics> {
    writeTensor(this.#gpu, this.#step.statistics, new Float32Array(statisticsSize));
    for (const batch of batches) {
      const { B, S, T } = batch;
      const step = await this.#plans.get(`${B} ${S} ${T}`, () =>
        StepPlan.record(this.#gpu, this.#pool, this.#network, batch, this.#step, {
          training: false,
          labelSmoothing: 0,
        }),
      );
      step.write(this.#gpu, batch);
      submit(this.#gpu, 'evaluate', [step.plan]);
      await this.#inFlight.next();
    }
    return readStatistics(await readTensor(this.#gpu, this.#step.statistics));
  }

  dispose(): void {
    this.#plans.dispose();
    for (const tensor of Object.values(this.#step)) destroyTensor(tensor);
  }
}
