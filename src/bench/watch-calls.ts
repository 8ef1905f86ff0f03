/**
 * What is really asked of WebGPU: the methods of the device, its queue, command encoders, compute passes and buffers are
 * wrapped where they are defined, on their prototypes, so that no call goes unseen.
 */

/** Called instead of a method, by `GPUDevice.createBuffer` and the like; `proceed` is the method itself. */
type Around = (name: string, proceed: () => unknown, self: object, args: readonly unknown[]) => unknown;

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
  const stop = wrapCalls(device, (name, proceed) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return proceed();
  });
  return {
    counts,
    count: (name) => counts.get(name) ?? 0,
    made: () =>
      [...counts.keys()].filter((name) => /^GPUDevice\.create/.test(name) && !perSubmit.includes(name)),
    reset: () => counts.clear(),
    stop,
  };
}

/** Bytes of the buffers that were made on this device since, and of those that are there still. */
export interface ByteWatch {
  readonly bytes: number;
  readonly peakBytes: number;
  stop(): void;
}

export function watchBytes(device: GPUDevice): ByteWatch {
  const sizes = new WeakMap<object, number>();
  const watch = { bytes: 0, peakBytes: 0 };
  const stop = wrapCalls(
    device,
    (name, proceed, self) => {
      if (name === 'GPUBuffer.destroy') {
        watch.bytes -= sizes.get(self) ?? 0;
        sizes.delete(self);
        return proceed();
      }
      const made = proceed();
      if (self === device) {
        const { size } = made as GPUBuffer;
        sizes.set(made as GPUBuffer, size);
        watch.bytes += size;
        watch.peakBytes = Math.max(watch.peakBytes, watch.bytes);
      }
      return made;
    },
    ['GPUDevice.createBuffer', 'GPUBuffer.destroy'],
  );
  return Object.assign(watch, { stop });
}

/** Milliseconds from the making of a command encoder to the end of the submit that it goes into, a value a submit. */
export function timeEncoding(device: GPUDevice): { readonly times: readonly number[]; stop(): void } {
  const times: number[] = [];
  let started = 0;
  const stop = wrapCalls(
    device,
    (name, proceed) => {
      if (name === 'GPUDevice.createCommandEncoder') started = performance.now();
      const result = proceed();
      if (name === 'GPUQueue.submit') times.push(performance.now() - started);
      return result;
    },
    ['GPUDevice.createCommandEncoder', 'GPUQueue.submit'],
  );
  return { times, stop };
}

/** Wraps all methods, or those of the names in `only`; returns what puts the real ones back. */
function wrapCalls(device: GPUDevice, around: Around, only?: readonly string[]): () => void {
  const undo = prototypes(device).flatMap((prototype) => wrapMethods(prototype, around, only));
  return () => {
    for (const restore of undo) restore();
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

function wrapMethods(prototype: object, around: Around, only?: readonly string[]): (() => void)[] {
  const owner = prototype.constructor.name;
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, descriptor]) => {
    const method: unknown = descriptor.value;
    const key = `${owner}.${name}`;
    if (name === 'constructor' || typeof method !== 'function') return [];
    if (only && !only.includes(key)) return [];
    Object.defineProperty(prototype, name, {
      ...descriptor,
      value(this: object, ...args: unknown[]) {
        return around(key, () => Reflect.apply(method, this, args), this, args);
      },
    });
    return [() => Object.defineProperty(prototype, name, descriptor)];
  });
}
