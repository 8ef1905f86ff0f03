import { describe, expect, test } from 'vitest';
import { DisposedError } from '../../src/errors.ts';
import type { Plan } from '../../src/scheduler/plan.ts';
import { PlanCache } from '../../src/scheduler/plan-cache.ts';

interface FakeEntry {
  readonly key: string;
  readonly plan: Plan;
}

/** A cache with a log of what was recorded and disposed. */
function createCache(capacity: number) {
  const log: string[] = [];
  const cache = new PlanCache<FakeEntry>(capacity);
  const make = (key: string): FakeEntry => {
    log.push(`record ${key}`);
    return { key, plan: { dispose: () => log.push(`dispose ${key}`) } as unknown as Plan };
  };
  const get = (key: string) => cache.get(key, async () => make(key));
  return { log, cache, get, make };
}

describe('the cache', () => {
  test('records a plan once and gives the same one again', async () => {
    const { log, get } = createCache(2);
    const first = await get('a');
    expect(await get('a')).toBe(first);
    expect(log).toEqual(['record a']);
  });

  test('two that ask at once share one recording', async () => {
    const { log, get } = createCache(2);
    const [first, second] = await Promise.all([get('a'), get('a')]);
    expect(second).toBe(first);
    expect(log).toEqual(['record a']);
  });

  test('drops the least recently used plan, not the oldest', async () => {
    const { log, cache, get } = createCache(2);
    for (const key of ['a', 'b', 'a', 'c', 'a']) await get(key);
    expect(log).toEqual(['record a', 'record b', 'record c', 'dispose b']);
    expect(cache.size).toBe(2);
    await get('b');
    expect(log.slice(4)).toEqual(['record b', 'dispose c']);
  });

  test('never holds more than its capacity', async () => {
    const { log, cache, get } = createCache(3);
    for (let i = 0; i < 50; i++) {
      await get(`${(i * 7) % 11}`);
      expect(cache.size).toBeLessThanOrEqual(3);
    }
    const count = (what: string) => log.filter((line) => line.startsWith(what)).length;
    expect(count('record') - count('dispose')).toBe(3);
  });

  test('does not keep a recording that failed', async () => {
    const { log, cache, get } = createCache(2);
    await expect(cache.get('a', () => Promise.reject(new Error('too large')))).rejects.toThrow('too large');
    expect(cache.size).toBe(0);
    expect((await get('a')).key).toBe('a');
    expect(log).toEqual(['record a']);
  });

  test('a failure of one plan is not the business of another', async () => {
    const { cache, get } = createCache(1);
    const failing = cache.get('a', () => Promise.reject(new Error('too large')));
    const other = get('b');
    await expect(failing).rejects.toThrow('too large');
    expect((await other).key).toBe('b');
  });

  test('disposes a plan that was dropped while it was being recorded', async () => {
    const { log, cache, get, make } = createCache(1);
    let finish = () => {};
    const slow = cache.get('slow', async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return make('slow');
    });
    await get('quick');
    finish();
    await slow;
    expect(log).toEqual(['record quick', 'record slow', 'dispose slow']);
  });

  test('disposed, holds nothing and gives nothing', async () => {
    const { log, cache, get } = createCache(3);
    await get('a');
    await get('b');
    cache.dispose();
    expect(log.slice(2).sort()).toEqual(['dispose a', 'dispose b']);
    expect(cache.size).toBe(0);
    await expect(get('a')).rejects.toThrow(DisposedError);
  });
});
