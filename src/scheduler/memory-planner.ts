/**
 * Gives every scratch storage of a dispatch list a slot, so that storages whose lifetimes do not meet share memory.
 * A slot is a whole GPUBuffer: WebGPU forbids reading one range of a buffer and writing another in one dispatch.
 * Greedy by size, largest first, as in Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net
 * Inference" (arXiv 2001.03288).
 */
import type { Dispatch } from './tape.ts';
import type { ScratchStorage } from './tensor.ts';

export interface Lifetime {
  readonly storage: ScratchStorage;
  /** Index of the first and the last dispatch that touches it. */
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  /** Slot sizes in bytes, largest first. */
  readonly slots: readonly number[];
  readonly slotOf: ReadonlyMap<ScratchStorage, number>;
  /** What no planner can go below: the most bytes alive at once. */
  readonly lowerBound: number;
}

export function lifetimes(dispatches: readonly Dispatch[]): Lifetime[] {
  const spans = new Map<ScratchStorage, { first: number; last: number }>();
  for (const [index, dispatch] of dispatches.entries()) {
    for (const { tensor } of dispatch.bindings) {
      if (tensor.storage.kind !== 'scratch') continue;
      const span = spans.get(tensor.storage);
      if (span) span.last = index;
      else spans.set(tensor.storage, { first: index, last: index });
    }
  }
  return [...spans].map(([storage, span]) => ({ storage, ...span }));
}

export function planMemory(dispatches: readonly Dispatch[]): MemoryPlan {
  const alive = lifetimes(dispatches);
  const bySize = alive.toSorted((a, b) => b.storage.bytes - a.storage.bytes || a.first - b.first);
  const slots: { bytes: number; users: Lifetime[] }[] = [];
  const slotOf = new Map<ScratchStorage, number>();
  for (const life of bySize) {
    let index = slots.findIndex(({ users }) =>
      users.every((user) => user.last < life.first || life.last < user.first),
    );
    if (index < 0) index = slots.push({ bytes: life.storage.bytes, users: [] }) - 1;
    slots[index]!.users.push(life);
    slotOf.set(life.storage, index);
  }
  return { slots: slots.map(({ bytes }) => bytes), slotOf, lowerBound: mostAlive(alive, dispatches.length) };
}

function mostAlive(alive: readonly Lifetime[], count: number): number {
  const change = new Float64Array(count + 1);
  for (const { storage, first, last } of alive) {
    change[first]! += storage.bytes;
    change[last + 1]! -= storage.bytes;
  }
  let now = 0;
  let most = 0;
  for (const delta of change) {
    now += delta;
    most = Math.max(most, now);
  }
  return most;
}
