/** The planner against brute force, on random lists of dispatches. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { shaderInfo } from '../../src/gpu/shader.ts';
import { lifetimes, planMemory } from '../../src/scheduler/memory-planner.ts';
import type { Dispatch } from '../../src/scheduler/tape.ts';
import { type ScratchStorage, type Storage, Tensor } from '../../src/scheduler/tensor.ts';

const scratch = (label: string, bytes: number): ScratchStorage => ({ kind: 'scratch', label, bytes });

function dispatchOf(storages: readonly Storage[]): Dispatch {
  return {
    shader: shaderInfo('copy'),
    entry: 'main',
    bindings: storages.map((storage, binding) => ({
      name: `b${binding}`,
      binding,
      access: binding === 0 ? 'read_write' : 'read',
      element: 'u32',
      tensor: new Tensor([1], 'f32', storage),
    })),
    params: undefined,
    workgroups: [1, 1, 1],
    constants: {},
  };
}

/** Up to 40 dispatches of 1 to 5 tensors out of up to 20, some of them in buffers of their own. */
function randomDispatches(seed: number): Dispatch[] {
  const random = new Random(seed);
  const storages = Array.from({ length: 1 + random.below(20) }, (_, index): Storage => {
    const bytes = 4 * (1 + random.below(index % 3 === 0 ? 1000 : 5));
    if (random.below(5) > 0) return scratch(`s${index}`, bytes);
    return { kind: 'buffer', label: `p${index}`, bytes, buffer: {} as GPUBuffer, offset: 0 };
  });
  return Array.from({ length: 1 + random.below(40) }, () => {
    // Mostly neighbours in the list, so that many lifetimes are short.
    const near = random.below(storages.length);
    const used = Array.from({ length: 1 + random.below(5) }, () => {
      const index = random.below(6) === 0 ? random.below(storages.length) : near + random.below(3);
      return storages[index % storages.length]!;
    });
    return dispatchOf([...new Set(used)]);
  });
}

const isScratch = (storage: Storage): storage is ScratchStorage => storage.kind === 'scratch';
const scratchOf = (dispatch: Dispatch) =>
  dispatch.bindings.map(({ tensor }) => tensor.storage).filter(isScratch);

/** The storages that are alive while dispatch `at` runs: touched at or before it, and at or after it. */
function aliveAt(dispatches: readonly Dispatch[], at: number): Set<ScratchStorage> {
  const later = new Set(dispatches.slice(at).flatMap(scratchOf));
  return new Set(
    dispatches
      .slice(0, at + 1)
      .flatMap(scratchOf)
      .filter((storage) => later.has(storage)),
  );
}

describe('random lists of dispatches', () => {
  test.each(Array.from({ length: 200 }, (_, seed) => seed))('%i', (seed) => {
    const dispatches = randomDispatches(seed);
    const { slots, slotOf, lowerBound } = planMemory(dispatches);
    expect(new Set(slotOf.keys())).toEqual(new Set(dispatches.flatMap(scratchOf)));
    let most = 0;
    for (const at of dispatches.keys()) {
      const alive = [...aliveAt(dispatches, at)];
      const used = alive.map((storage) => slotOf.get(storage)!);
      expect(new Set(used).size, `slots shared at dispatch ${at}`).toBe(used.length);
      most = Math.max(
        most,
        alive.reduce((sum, { bytes }) => sum + bytes, 0),
      );
    }
    for (const [storage, slot] of slotOf) expect(slots[slot]).toBeGreaterThanOrEqual(storage.bytes);
    expect(lowerBound).toBe(most);
    expect(slots.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThanOrEqual(lowerBound);
    // What `ScratchPool.acquire` counts on.
    expect(slots).toEqual(slots.toSorted((a, b) => b - a));
  });
});

test('a chain needs two slots, whatever its length', () => {
  const links = Array.from({ length: 10 }, (_, index) => scratch(`x${index}`, 100));
  const chain = links.slice(1).map((link, index) => dispatchOf([link, links[index]!]));
  expect(planMemory(chain)).toMatchObject({ slots: [100, 100], lowerBound: 200 });
});

test('a small tensor takes the slot of a large one that has ended', () => {
  const [large, small] = [scratch('large', 400), scratch('small', 8)];
  const plan = planMemory([dispatchOf([large]), dispatchOf([small])]);
  expect(plan).toMatchObject({ slots: [400], lowerBound: 400 });
});

test('lifetimes span from the first to the last dispatch that touches a storage', () => {
  const [a, b] = [scratch('a', 4), scratch('b', 4)];
  const found = lifetimes([dispatchOf([a]), dispatchOf([b, a]), dispatchOf([b]), dispatchOf([a])]);
  expect(found).toEqual([
    { storage: a, first: 0, last: 3 },
    { storage: b, first: 1, last: 2 },
  ]);
});

test('nothing needs nothing', () => {
  expect(planMemory([])).toEqual({ slots: [], slotOf: new Map(), lowerBound: 0 });
});
