/** How much of a device's memory a training would take, without taking any. */
import { dryGpu } from '../gpu/dry-gpu.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { BatchShape } from '../nn/batch-tensors.ts';
import type { Config } from '../train/config/types.ts';
import type { TrainingData } from './load-data.ts';
import { prepareNewTraining } from './training-run.ts';

/** Bytes on the device, once every shape of batch has been met. */
export interface MemoryEstimate {
  readonly total: number;
  readonly parameters: number;
  readonly gradients: number;
  /** Of the optimiser. */
  readonly moments: number;
  /** What the steps compute, shared by all plans. */
  readonly scratch: number;
  /** Batches, uniforms and the rest. */
  readonly others: number;
  readonly largestBatch: BatchShape;
}

/** Validation and decoding, which come after a training's first epoch, share the scratch memory and are not counted. */
export async function estimateTraining(
  gpu: Gpu,
  config: Config,
  data: TrainingData,
): Promise<MemoryEstimate> {
  const { gpu: dry, count } = dryGpu({ report: gpu.report, limits: gpu.device.limits });
  const { model, trainer } = await prepareNewTraining(dry, config, data);
  await trainer.prepareEpoch();
  const { segments } = model.network.parameters;
  const parameters = segments.reduce((sum, { values }) => sum + 4 * values.size, 0);
  const moments = trainer.engine.momentNames.length * parameters;
  const scratch = await trainer.prepare();
  return {
    total: count.bytes,
    parameters,
    gradients: parameters,
    moments,
    scratch,
    others: count.bytes - 2 * parameters - moments - scratch,
    largestBatch: trainer.largestBatch,
  };
}
