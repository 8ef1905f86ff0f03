/** A device whose buffers are noted as they are made. */
import { Gpu } from '../../src/gpu/gpu.ts';

/** The same device; the sizes of its buffers are noted. */
export function watched(gpu: Gpu): { gpu: Gpu; sizes: number[] } {
  const sizes: number[] = [];
  const device = new Proxy(gpu.device, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, args);
        if (name === 'createBuffer') sizes.push((result as GPUBuffer).size);
        return result;
      };
    },
  });
  return { gpu: new Gpu(device, gpu.report, false), sizes };
}
