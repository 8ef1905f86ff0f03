/**
 * One bucket of training or evaluation: the recorded plan of a batch shape and the tensors that a batch is written
 * into. Recorded once, then run for every batch of the shape.
 */
import type { Batch } from '../data/batches.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { PairTensors, Seq2SeqNetwork, StepTensors } from '../nn/seq2seq.ts';
import { destroyTensor, persistentTensor, writeTensor } from '../scheduler/persistent.ts';
import { Plan } from '../scheduler/plan.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';

export interface BatchShape {
  readonly B: number;
  readonly S: number;
  readonly T: number;
}

export interface StepPlanOptions {
  /** False: the loss alone, without dropout and gradients. */
  readonly training: boolean;
  readonly labelSmoothing: number;
}

export class StepPlan {
  readonly plan: Plan;
  readonly #inputs: PairTensors;

  private constructor(plan: Plan, inputs: PairTensors) {
    this.plan = plan;
    this.#inputs = inputs;
  }

  static async record(
    gpu: Gpu,
    pool: ScratchPool,
    network: Seq2SeqNetwork,
    { B, S, T }: BatchShape,
    step: StepTensors,
    { training, labelSmoothing }: StepPlanOptions,
  ): Promise<StepPlan> {
    const inputs: PairTensors = {
      source: persistentTensor(gpu, 'source', [S, B], 'u32'),
      sourceLengths: persistentTensor(gpu, 'source lengths', [B], 'u32'),
      targetInput: persistentTensor(gpu, 'target input', [T, B], 'u32'),
      targetOutput: persistentTensor(gpu, 'target output', [T, B], 'u32'),
    };
    const dispose = () => Object.values(inputs).forEach(destroyTensor);
    const tape = new Tape({ software: gpu.software, subgroups: gpu.subgroups, training });
    const name = `${training ? 'train' : 'evaluate'} B${B} S${S} T${T}`;
    try {
      network.recordLoss(tape, inputs, step, labelSmoothing);
      return new StepPlan(await Plan.build(gpu, pool, name, tape, { dispose }), inputs);
    } catch (error) {
      dispose();
      throw error;
    }
  }

  write(gpu: Gpu, batch: Batch): void {
    writeTensor(gpu, this.#inputs.source, batch.source);
    writeTensor(gpu, this.#inputs.sourceLengths, batch.sourceLengths);
    writeTensor(gpu, this.#inputs.targetInput, batch.targetInput);
    writeTensor(gpu, this.#inputs.targetOutput, batch.targetOutput);
  }
}
