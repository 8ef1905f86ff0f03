/**
 * Counts every call of the real WebGPU API: the methods of the device, its queue, command encoders, compute passes and
 * buffers are wrapped where they are defined, on their prototypes, so that no call of the code under test goes unseen.
 */

export interface CallCounter {
  /** Calls since the last `reset`, by `GPUDevice.createBuffer` and the like. */
  readonly counts: ReadonlyMap<string, number>;
  count(name: string): number;
  /** Names of the methods that made an object, other than command encoders and what lives in them. */
  made(): string[];
  reset(): void;
  /** Puts the real methods back. */
  stop(): void;
}

/** A command encoder and its pass live for one submit: WebGPU has no way to use them again. */
const perSubmit = ['GPUDevice.createCommandEncoder'];

export function countCalls(device: GPUDevice): CallCounter {
  const counts = new Map<string, number>();
  const restore = prototypes(device).flatMap((prototype) => wrapMethods(prototype, counts));
  return {
    counts,
    count: (name) => counts.get(name) ?? 0,
    made: () =>
      [...counts.keys()].filter((name) => /^GPUDevice\.create/.test(name) && !perSubmit.includes(name)),
    reset: () => counts.clear(),
    stop: () => {
      for (const undo of restore) undo();
    },
  };
}

function prototypes(device: GPUDevice): object[] {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.end();
  encoder.finish();
  const buffer = device.createBuffer({ size: 4, usage: 0x0008 }); // COPY_DST
  buffer.destroy();
  return [device, device.queue, encoder, pass, buffer].map((object) => Object.getPrototypeOf(object));
}

function wrapMethods(prototype: object, counts: Map<string, number>): (() => void)[] {
  const owner = prototype.constructor.name;
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, descriptor]) => {
    const method: unknown = descriptor.value;
    if (name === 'constructor' || typeof method !== 'function') return [];
    const key = `${owner}.${name}`;
    Object.defineProperty(prototype, name, {
      ...descriptor,
      value(this: unknown, ...args: unknown[]) {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        return Reflect.apply(method, this, args);
      },
    });
    return [() => Object.defineProperty(prototype, name, descriptor)];
  });
}
