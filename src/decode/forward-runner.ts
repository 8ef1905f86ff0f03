/**
 * Any forward pass over sources whose results the host wants to see: probabilities, tags, context vectors, the values of
 * every step. Recorded once for each shape of batch; what is named comes back by its name.
 */
import type { SourceBatch } from '../data/batches.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { createSourceTensors, shapeName, writeSources } from '../nn/batch-tensors.ts';
import type { Network, SourceTensors } from '../nn/network.ts';
import { recordCopy } from '../ops/copy.ts';
import { destroyTensor, persistentTensor, readIds, readTensor } from '../scheduler/persistent.ts';
import { Plan, submit } from '../scheduler/plan.ts';
import { PlanCache } from '../scheduler/plan-cache.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Serial } from '../scheduler/serial.ts';
import { Tape } from '../scheduler/tape.ts';
import type { Shape, Tensor } from '../scheduler/tensor.ts';

export interface ForwardResult {
  readonly data: Float32Array | Uint32Array;
  readonly shape: Shape;
}

/** Records the pass; what it returns is what the host gets. Dropout is off, so nothing is drawn from `random`. */
export type RecordForward<Name extends string> = (
  tape: Tape,
  sources: SourceTensors,
  random: Tensor,
) => Readonly<Partial<Record<Name, Tensor | undefined>>>;

const cachedShapes = 16;

export class ForwardRunner<Name extends string> {
  readonly #gpu: Gpu;
  readonly #network: Network;
  readonly #pool: ScratchPool;
  readonly #record: RecordForward<Name>;
  readonly #sessions = new PlanCache<ForwardSession>(cachedShapes);
  readonly #serial = new Serial();

  constructor(gpu: Gpu, network: Network, pool: ScratchPool, record: RecordForward<Name>) {
    this.#gpu = gpu;
    this.#network = network;
    this.#pool = pool;
    this.#record = record;
  }

  /** The named results of a batch. Calls made at once are served one after another. */
  run(batch: SourceBatch): Promise<Partial<Record<Name, ForwardResult>>> {
    return this.#serial.run(async () => {
      const { B, S, C } = batch;
      const shape = { B, S, ...(C !== undefined && { C }) };
      const session = await this.#sessions.get(shapeName(shape), () =>
        ForwardSession.create(this.#gpu, this.#network, this.#pool, shape, this.#record),
      );
      writeSources(this.#gpu, session.sources, batch);
      submit(this.#gpu, 'forward', [session.plan]);
      const read = [...session.kept].map(async ([name, tensor]) => {
        const data = await (tensor.dtype === 'u32' ? readIds : readTensor)(this.#gpu, tensor);
        return [name, { data, shape: tensor.shape }] as const;
      });
      return Object.fromEntries(await Promise.all(read)) as Partial<Record<Name, ForwardResult>>;
    });
  }

  dispose(): void {
    this.#sessions.dispose();
  }
}

class ForwardSession {
  readonly plan: Plan;
  readonly sources: SourceTensors;
  readonly kept: ReadonlyMap<string, Tensor>;

  private constructor(plan: Plan, sources: SourceTensors, kept: ReadonlyMap<string, Tensor>) {
    this.plan = plan;
    this.sources = sources;
    this.kept = kept;
  }

  static async create(
    gpu: Gpu,
    network: Network,
    pool: ScratchPool,
    shape: { readonly B: number; readonly S: number; readonly C?: number },
    record: RecordForward<string>,
  ): Promise<ForwardSession> {
    const sources = createSourceTensors(gpu, network, shape);
    const random = persistentTensor(gpu, 'forward random', [4], 'u32');
    const kept = new Map<string, Tensor>();
    const dispose = () => [...Object.values(sources), random, ...kept.values()].forEach(destroyTensor);
    const tape = new Tape({ ...gpu.traits, training: false });
    try {
      for (const [name, tensor] of Object.entries(record(tape, sources, random))) {
        if (!tensor) continue;
        const copy = persistentTensor(gpu, `kept ${name}`, tensor.shape, tensor.dtype);
        kept.set(name, copy);
        recordCopy(tape, tensor, copy);
      }
      const plan = await Plan.build(gpu, pool, `forward ${shapeName(shape)}`, tape, { dispose });
      return new ForwardSession(plan, sources, kept);
    } catch (error) {
      dispose();
      throw error;
    }
  }
}
