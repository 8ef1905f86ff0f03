/** The same device, said to have smaller limits: as on another machine, without one. */
import { Gpu } from '../../src/gpu/gpu.ts';

export function limitedGpu(gpu: Gpu, limits: Partial<Record<keyof GPUSupportedLimits, number>>): Gpu {
  const device = new Proxy(gpu.device, {
    get(target, name) {
      if (name === 'limits') {
        return new Proxy(target.limits, {
          get: (real, limit) => (limits as Record<PropertyKey, number>)[limit] ?? Reflect.get(real, limit),
        });
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return new Gpu(device, gpu.report, false);
}
