/** Recorded plans as a contestant: repeats go into one pass of one submit, timed by the device's own clock where it has one. */
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../scheduler/plan.ts';
import type { Contestant } from './measure.ts';

const queryUsage = 0x0200 | 0x0004; // QUERY_RESOLVE | COPY_SRC

/** The plans stay the caller's. `options.wall`: what the host sees, its encoding and the round trip included. */
export function deviceContestant(
  name: string,
  gpu: Gpu,
  plans: readonly Plan[],
  options: { readonly wall?: boolean; readonly cpuSeconds?: () => number } = {},
): Contestant {
  const cpu = options.cpuSeconds && { cpuSeconds: options.cpuSeconds };
  const encode = (encoder: GPUCommandEncoder, repeats: number, writes?: GPUComputePassTimestampWrites) => {
    const pass = encoder.beginComputePass({ label: name, ...(writes && { timestampWrites: writes }) });
    for (let repeat = 0; repeat < repeats; repeat++) for (const plan of plans) plan.encode(pass);
    pass.end();
  };
  if (options.wall || !gpu.device.features.has('timestamp-query')) {
    return {
      name,
      clock: 'wall',
      ...cpu,
      async run(repeats) {
        const start = performance.now();
        const encoder = gpu.device.createCommandEncoder({ label: name });
        encode(encoder, repeats);
        gpu.device.queue.submit([encoder.finish()]);
        await gpu.finished();
        gpu.check();
        return (performance.now() - start) / 1000;
      },
    };
  }
  const queries = gpu.device.createQuerySet({ label: name, type: 'timestamp', count: 2 });
  const resolved = gpu.device.createBuffer({ label: `${name}/timestamps`, size: 16, usage: queryUsage });
  return {
    name,
    clock: 'timestamps',
    ...cpu,
    async run(repeats) {
      const encoder = gpu.device.createCommandEncoder({ label: name });
      encode(encoder, repeats, {
        querySet: queries,
        beginningOfPassWriteIndex: 0,
        endOfPassWriteIndex: 1,
      });
      encoder.resolveQuerySet(queries, 0, 2, resolved, 0);
      gpu.device.queue.submit([encoder.finish()]);
      const [begin, end] = new BigUint64Array(await gpu.read(resolved, 0, 16));
      return Number(end! - begin!) / 1e9;
    },
    dispose() {
      queries.destroy();
      resolved.destroy();
    },
  };
}
