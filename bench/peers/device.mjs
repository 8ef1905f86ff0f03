/**
 * The adapter that Couplet would open, for a peer to open its device on: found as Couplet finds it (COUPLET_ADAPTER counts),
 * with all its limits, and with the same Dawn toggles where COUPLET_FAST is set. Peers look for WebGPU where a page does, in
 * `navigator.gpu` and the global constants; both are put there. They wait as Couplet does, with the thread at rest: left to
 * itself, Dawn's binding would take a core from a software adapter (`src/node/rest-while.ts`).
 */
import { createRequire } from 'node:module';
import { openGpu, restWhile } from '../../dist/node.js';

/** Dawn's instance behind a device must stay referenced for as long as the device lives; `openGpu` sees to it. */
const gpu = await openGpu({ fast: process.env.COUPLET_FAST === '1' });

export const device = gpu.device;
export const report = gpu.report;
export const adapter = {
  features: device.features,
  limits: device.limits,
  info: device.adapterInfo,
  requestDevice: async () => device,
};

const { globals } = createRequire(new URL('../../package.json', import.meta.url))('webgpu');
Object.assign(globalThis, globals);
for (const [prototype, name] of [
  [globals.GPUBuffer.prototype, 'mapAsync'],
  [globals.GPUQueue.prototype, 'onSubmittedWorkDone'],
]) {
  const wait = prototype[name];
  prototype[name] = function (...args) {
    return restWhile(Reflect.apply(wait, this, args));
  };
}
// Node 20 has no `navigator`, Node 22 has one without `gpu`; neither is replaced where it is there.
if (!globalThis.navigator) {
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent: 'Node' },
    configurable: true,
    writable: true,
  });
}
Object.defineProperty(globalThis.navigator, 'gpu', {
  value: { requestAdapter: async () => adapter, getPreferredCanvasFormat: () => 'bgra8unorm' },
  configurable: true,
});

/** The WebGPU calls that `run` makes: the methods are wrapped on their prototypes, so that none goes unseen. */
export async function countCalls(run) {
  const counts = {};
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.end();
  encoder.finish();
  const undo = [device, device.queue, encoder, pass].flatMap((object) => {
    const prototype = Object.getPrototypeOf(object);
    return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, descriptor]) => {
      if (name === 'constructor' || typeof descriptor.value !== 'function') return [];
      Object.defineProperty(prototype, name, {
        ...descriptor,
        value(...args) {
          counts[name] = (counts[name] ?? 0) + 1;
          return Reflect.apply(descriptor.value, this, args);
        },
      });
      return [() => Object.defineProperty(prototype, name, descriptor)];
    });
  });
  try {
    await run();
  } finally {
    for (const one of undo) one();
  }
  const total = (names) => names.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  const made = Object.keys(counts).filter((name) => /^create/.test(name) && name !== 'createCommandEncoder');
  return {
    dispatches: total(['dispatchWorkgroups', 'dispatchWorkgroupsIndirect']),
    submits: total(['submit']),
    'objects made': total(made),
  };
}
