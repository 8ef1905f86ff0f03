/** The tensors that all steps of an engine or an evaluation share. */
import type { Gpu } from '../gpu/gpu.ts';
import type { StepTensors } from '../nn/network.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import { persistentTensor } from '../scheduler/persistent.ts';

/** The caller destroys them. */
export function createStepTensors(gpu: Gpu, of: string): StepTensors {
  return {
    random: persistentTensor(gpu, `${of} random`, [4], 'u32'),
    scale: persistentTensor(gpu, `${of} loss scale`, [1]),
    statistics: persistentTensor(gpu, `${of} statistics`, [statisticsSize]),
    sampling: persistentTensor(gpu, `${of} sampling`, [1]),
  };
}
