/** What a test needs to know of a scratch pool: its buffers, to fill them with what no plan may rely on. */
import type { Gpu } from '../../src/gpu/gpu.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';

/** NaN as f32, an id far out of range as u32. */
const poison = 0x7fc0_0bad;

export interface ObservedPool {
  readonly pool: ScratchPool;
  /** Every buffer handed out so far. */
  readonly buffers: ReadonlySet<GPUBuffer>;
  /** Queues poison for all of them: plans submitted later find it, plans submitted before do not. */
  poison(): void;
}

export function observedPool(gpu: Gpu): ObservedPool {
  const pool = new ScratchPool(gpu);
  const buffers = new Set<GPUBuffer>();
  const acquire = pool.acquire.bind(pool);
  pool.acquire = (sizes) => {
    const acquired = acquire(sizes);
    for (const buffer of acquired) buffers.add(buffer);
    return acquired;
  };
  return {
    pool,
    buffers,
    poison() {
      for (const buffer of buffers) gpu.write(buffer, 0, new Uint32Array(buffer.size / 4).fill(poison));
    },
  };
}
