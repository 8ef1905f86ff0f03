import { expect, test } from 'vitest';
import { InFlight } from '../../src/train/in-flight.ts';

/** A device whose work is done when the test says so. */
function slowDevice() {
  const pending: (() => void)[] = [];
  const finished = () =>
    new Promise<undefined>((resolve) => {
      pending.push(() => resolve(undefined));
    });
  return { gpu: { finished }, pending };
}

const turns = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

test.each([1, 2, 3])('at most %i steps are unfinished when the next one is made', async (limit) => {
  const { gpu, pending } = slowDevice();
  const inFlight = new InFlight(gpu, limit);
  let submitted = 0;
  let finished = 0;
  let most = 0;
  const host = (async () => {
    for (; submitted < 12; ) {
      submitted += 1;
      most = Math.max(most, submitted - finished);
      await inFlight.next();
    }
  })();
  while (finished < 12) {
    await turns();
    finished += 1;
    pending.shift()!();
  }
  await host;
  expect(most).toBe(limit);
});

test('work that fails while nobody waits for it is told to the next one who does, and crashes nothing', async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', listener);
  try {
    const failure = new Error('the device is gone');
    const inFlight = new InFlight({ finished: () => Promise.reject(failure) }, 2);
    await inFlight.next();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(unhandled).toEqual([]);
    await expect(inFlight.next()).rejects.toBe(failure);
  } finally {
    process.off('unhandledRejection', listener);
  }
});
