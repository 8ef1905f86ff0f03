/**
 * Waiting for the device without keeping a core busy. While one of Dawn's promises is pending, the package `webgpu` asks
 * after it in every turn of the event loop, a hundred thousand times a second. That is a core less for the shaders where the
 * CPU plays the GPU, and a warm laptop elsewhere. So as long as something is pending the thread sleeps for a moment in each
 * turn: the longer the wait has been, the longer, and never for more than a small share of it.
 */

/** Of the time waited so far: how long the next sleep may be. */
const share = 1 / 32;
/** Milliseconds. Shorter sleeps are not worth their wake-up; longer ones would make the process feel stiff. */
const [shortest, longest] = [0.05, 1];

export interface RestingClock {
  /** Milliseconds. */
  now(): number;
  /** Blocks the thread. */
  sleep(milliseconds: number): void;
  /** Runs `turn` in the next turn of the event loop, after what is due in it. */
  nextTurn(turn: () => void): void;
}

/** Makes a `restWhile` of its own: it hands on a promise and sees to the thread's rest until the promise is settled. */
export function createRest(clock: RestingClock): <T>(pending: Promise<T>) => Promise<T> {
  /** When each wait began, the oldest first. */
  const waits = new Map<symbol, number>();
  let turning = false;

  function turn(): void {
    const oldest = waits.values().next().value;
    if (oldest === undefined) {
      turning = false;
      return;
    }
    const rest = Math.min((clock.now() - oldest) * share, longest);
    if (rest >= shortest) clock.sleep(rest);
    clock.nextTurn(turn);
  }

  return async (pending) => {
    const wait = Symbol();
    waits.set(wait, clock.now());
    if (!turning) {
      turning = true;
      clock.nextTurn(turn);
    }
    try {
      return await pending;
    } finally {
      waits.delete(wait);
    }
  };
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Hands on a promise of a device's, and lets the thread rest in between until it is settled. All that Couplet waits for goes
 * through it; a program that also waits for the device itself (`queue.onSubmittedWorkDone()`, `buffer.mapAsync()`) may wrap
 * those promises in it.
 */
export const restWhile = createRest({
  now: () => performance.now(),
  sleep: (milliseconds) => void Atomics.wait(cell, 0, 0, milliseconds), // nobody wakes it
  nextTurn: (turn) => void setImmediate(turn),
});
