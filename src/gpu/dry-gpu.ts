/**
 * A `Gpu` that makes nothing and counts what would be made: models are built and plans recorded on it exactly as on a
 * device, so its bytes are those that a training would take, to the byte. Nothing can be run or read on it.
 */
import type { AdapterReport } from './adapter-report.ts';
import { Gpu } from './gpu.ts';

/** What would exist, and what has ever been made. */
export interface DryCount {
  /** Bytes of the buffers that would exist now. */
  bytes: number;
  /** The most that ever would have existed at once. */
  peakBytes: number;
  buffers: number;
  bindGroups: number;
  /** Different kernels. */
  pipelines: number;
}

export interface DryDevice {
  readonly report: AdapterReport;
  readonly limits: GPUSupportedLimits;
}

/** `like`: the adapter whose limits and kind (which decides about kernels) count. */
export function dryGpu(like: DryDevice): { readonly gpu: Gpu; readonly count: Readonly<DryCount> } {
  const count: DryCount = { bytes: 0, peakBytes: 0, buffers: 0, bindGroups: 0, pipelines: 0 };
  const device = {
    limits: like.limits,
    features: new Set(like.report.features),
    lost: new Promise(() => {}),
    queue: { writeBuffer: () => {}, onSubmittedWorkDone: async () => {} },
    addEventListener: () => {},
    removeEventListener: () => {},
    pushErrorScope: () => {},
    popErrorScope: async () => null,
    createShaderModule: () => ({ getCompilationInfo: async () => ({ messages: [] }) }),
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createComputePipelineAsync: async () => {
      count.pipelines += 1;
      return {};
    },
    createBindGroup: () => {
      count.bindGroups += 1;
      return {};
    },
    createBuffer: ({ label, size, usage }: GPUBufferDescriptor) => {
      count.buffers += 1;
      count.bytes += size;
      count.peakBytes = Math.max(count.peakBytes, count.bytes);
      let exists = true;
      return {
        label,
        size,
        usage,
        getMappedRange: () => new ArrayBuffer(size),
        unmap: () => {},
        destroy: () => {
          if (exists) count.bytes -= size;
          exists = false;
        },
      };
    },
  };
  return { gpu: new Gpu(device as unknown as GPUDevice, like.report, false), count };
}
