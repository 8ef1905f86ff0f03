/**
 * One bucket of training or evaluation: the recorded plan of a batch shape and the tensors that a batch is written
 * into. Recorded once, then run for every batch of the shape.
 */
import type { Batch } from '../data/batches.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type BatchShape, createBatchTensors, shapeName, writeSources } from '../nn/batch-tensors.ts';
import type { BatchTensors, LossOptions, Network, StepTensors } from '../nn/network.ts';
import { recordLossScale } from '../optim/loss-scale.ts';
import { destroyTensor, writeTensor } from '../scheduler/persistent.ts';
import { Plan } from '../scheduler/plan.ts';
import type { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

export interface StepPlanOptions extends LossOptions {
  /** False: the loss alone, without dropout and gradients. */
  readonly training: boolean;
  /** Mixed precision: activations are stored as f16, and the loss is scaled by this; f32 [lossScaleSize], persistent. */
  readonly lossScale?: Tensor | undefined;
}

export class StepPlan {
  readonly plan: Plan;
  readonly #inputs: BatchTensors;

  private constructor(plan: Plan, inputs: BatchTensors) {
    this.plan = plan;
    this.#inputs = inputs;
  }

  static async record(
    gpu: Gpu,
    pool: ScratchPool,
    network: Network,
    shape: BatchShape,
    step: StepTensors,
    { training, lossScale, ...loss }: StepPlanOptions,
  ): Promise<StepPlan> {
    const inputs = createBatchTensors(gpu, network, shape);
    const dispose = () => Object.values(inputs).forEach(destroyTensor);
    const tape = new Tape({ ...gpu.traits, training, stored: lossScale ? 'f16' : 'f32' });
    const name = `${training ? 'train' : 'evaluate'} ${shapeName(shape)}`;
    try {
      const scale = lossScale ? recordLossScale(tape, step.scale, lossScale) : step.scale;
      network.recordLoss(tape, inputs, { ...step, scale }, loss);
      return new StepPlan(await Plan.build(gpu, pool, name, tape, { dispose }), inputs);
    } catch (error) {
      dispose();
      throw error;
    }
  }

  write(gpu: Gpu, batch: Batch): void {
    writeSources(gpu, this.#inputs, batch);
    writeTensor(gpu, this.#inputs.targetInput, batch.targetInput);
    writeTensor(gpu, this.#inputs.targetOutput, batch.targetOutput);
  }
}
