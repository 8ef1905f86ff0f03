import { expect, test } from 'vitest';
import { type Contestant, measure } from '../../src/bench/measure.ts';

/** Somebody whose clock says what the test wants, and who writes down each run. */
function runner(name: string, secondsOf: (repeats: number) => number, log: string[]): Contestant {
  return {
    name,
    clock: 'wall',
    async run(repeats) {
      log.push(name);
      return secondsOf(repeats);
    },
  };
}

const options = { wallSeconds: 0.02, budgetSeconds: 0.2, minTurns: 5, maxTurns: 25 };

test('a turn by wall clock lasts as long as it should; the figures are of one repeat', async () => {
  const [found] = await measure([runner('a', (repeats) => 1e-4 * repeats, [])], options);
  expect(found!.repeats).toBe(200);
  expect(found!.seconds.median).toBeCloseTo(1e-4, 9);
  expect(found!.seconds.count).toBe(10); // as many turns as the budget has room for
});

test('a round trip that each run pays is spread over the repeats', async () => {
  const [found] = await measure([runner('a', (repeats) => 5e-3 + 1e-5 * repeats, [])], options);
  expect(found!.repeats * 1e-5 + 5e-3).toBeGreaterThanOrEqual(0.02);
});

test('contestants take turns, and who is first in a round changes', async () => {
  const log: string[] = [];
  const slow = runner('slow', (repeats) => repeats, log);
  const fast = runner('fast', (repeats) => 0.05 * repeats, log);
  const found = await measure([slow, fast], options);
  expect(found.map(({ seconds }) => seconds.count)).toEqual([5, 5]); // the slower one decides
  expect(log.slice(-10)).toEqual([
    ...['slow', 'fast', 'fast', 'slow', 'slow', 'fast', 'fast', 'slow', 'slow', 'fast'],
  ]);
});

test('a clock that stands still does not go on for ever', async () => {
  const [found] = await measure([runner('a', () => 0, [])], options);
  expect(found!.repeats).toBe(4000);
  expect(found!.seconds.median).toBe(0);
});

test('where nobody is left to measure, nothing is', async () => {
  expect(await measure([], options)).toEqual([]);
});
