/** What a training step is before it is run: its dispatches, its memory, and how long recording it takes the host. */
import type { AdapterReport } from '../gpu/adapter-report.ts';
import { dryGpu } from '../gpu/dry-gpu.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Configuration } from './configurations.ts';
import { createTrainingStep } from './training-step.ts';

export interface DryTraining {
  /** Bytes of all buffers of the training: parameters, gradients, moments, scratch, batch. */
  readonly bytes: number;
  /** Milliseconds to record the plan of one more shape of batch; the fastest of some. */
  readonly recordingMs: number;
  readonly dispatches: number;
}

/** What GPUs bind, where software adapters stop at 128 MiB. */
const gpuLimits = { maxBufferSize: 2 ** 31, maxStorageBufferBindingSize: 2 ** 31 - 4 } as GPUSupportedLimits;
const recordings = 5;

/** @param as of which kind the adapter is taken to be (it decides about kernels), with room for models of any size */
export async function dryTraining(
  gpu: Gpu,
  configuration: Configuration,
  as?: AdapterReport['kind'],
): Promise<DryTraining> {
  const { report, device } = gpu;
  const dry = as
    ? dryGpu({ report: { ...report, kind: as }, limits: gpuLimits })
    : dryGpu({ report, limits: device.limits });
  const step = await createTrainingStep(dry.gpu, configuration);
  try {
    const { B, S, T } = configuration.sizes;
    await step.engine.prepare([{ B, S, T }]);
    const bytes = dry.count.peakBytes;
    const dispatches = await step.engine.dispatchCount({ B, S, T });
    let recordingMs = Number.POSITIVE_INFINITY;
    for (let longer = 1; longer <= recordings; longer++) {
      const start = performance.now();
      await step.engine.prepare([{ B, S: S + longer, T }]);
      recordingMs = Math.min(recordingMs, performance.now() - start);
    }
    return { bytes, recordingMs, dispatches };
  } finally {
    step.dispose();
  }
}
