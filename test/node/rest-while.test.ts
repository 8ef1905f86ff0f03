import { expect, test } from 'vitest';
import { createRest, restWhile } from '../../src/node/rest-while.ts';

/** Time that passes only while the thread sleeps, or by `perTurn` in each turn of the event loop. */
function fakeClock(perTurn: number) {
  const clock = { time: 0, turns: 0, slept: [] as number[] };
  const rest = createRest({
    now: () => clock.time,
    sleep: (milliseconds) => {
      clock.slept.push(milliseconds);
      clock.time += milliseconds;
    },
    nextTurn: (turn) => {
      setImmediate(() => {
        clock.turns += 1;
        clock.time += perTurn;
        turn();
      });
    },
  });
  return { clock, rest };
}

/** A promise that is settled by the first turn in which `until` is true, as Dawn's are. */
function pendingUntil<T>(until: () => boolean, settle: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const poll = () => {
      if (!until()) setImmediate(poll);
      else
        try {
          resolve(settle());
        } catch (error) {
          reject(error);
        }
    };
    setImmediate(poll);
  });
}

test('a long wait takes few turns, and ends late by no more than a small share of it', async () => {
  const { clock, rest } = fakeClock(0.01);
  const value = await rest(
    pendingUntil(
      () => clock.time >= 100,
      () => 7,
    ),
  );
  expect(value).toBe(7);
  expect(clock.turns).toBeLessThan(500); // 10,000 without sleeping
  expect(clock.time).toBeLessThan(100 + 2);
  expect(Math.max(...clock.slept)).toBe(1);
});

test('a short wait is not slept through', async () => {
  const { clock, rest } = fakeClock(0.01);
  await rest(
    pendingUntil(
      () => clock.time >= 1,
      () => undefined,
    ),
  );
  expect(clock.slept).toEqual([]);
});

test('sleeps go by the oldest wait, and turns end with the last one', async () => {
  const { clock, rest } = fakeClock(0.5);
  // As a training does: the next step is submitted before the last one is done, so something is always pending.
  const step = (from: number) =>
    rest(
      pendingUntil(
        () => clock.time >= from + 4,
        () => undefined,
      ),
    );
  let [first, second] = [step(0), step(2)];
  for (let index = 2; index < 50; index++) {
    await first;
    [first, second] = [second, step(2 * index)];
  }
  await Promise.all([first, second]);
  expect(Math.max(...clock.slept)).toBeLessThan(0.5);
  await new Promise((resolve) => setImmediate(resolve));
  const { turns } = clock;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(clock.turns).toBe(turns);
});

test('a rejection is handed on, and ends the wait too', async () => {
  const { clock, rest } = fakeClock(1);
  const failing = rest(
    pendingUntil(
      () => clock.time >= 5,
      () => {
        throw new RangeError('gone');
      },
    ),
  );
  await expect(failing).rejects.toThrow(new RangeError('gone'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { turns } = clock;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(clock.turns).toBe(turns);
});

test('the real one sleeps: a tenth of a second is some hundreds of turns, not tens of thousands', async () => {
  let turns = 0;
  let over = false;
  const count = () => {
    turns += 1;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  await restWhile(new Promise((resolve) => setTimeout(resolve, 100)));
  over = true;
  expect(turns).toBeLessThan(2000);
});
