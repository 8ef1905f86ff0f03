/**
 * The timing core: contestants do the same work in turns, so that whatever else the machine does is unfair to all alike,
 * and each turn repeats the work until it is long beside its clock's grain. It knows neither Node nor the device.
 */
import { type Spread, spreadOf } from './spread.ts';

/** `timestamps`: the device's own clock, from the first kernel's start to the last one's end. */
export type Clock = 'timestamps' | 'wall';

/** Somebody who can do the work that is measured: a recorded plan on a device, another library. */
export interface Contestant {
  /** Who it is, in the rows. */
  readonly name: string;
  readonly clock: Clock;
  /** Does the work `repeats` times in a row, waits until it is done, and resolves to the seconds of all of it. */
  run(repeats: number): Promise<number>;
  /** CPU seconds of all threads that it has used so far, where that can be known: of a software adapter its work. */
  cpuSeconds?(): number;
  dispose?(): void;
}

export interface MeasureOptions {
  /** A turn by wall clock lasts at least this long, where one repeat is shorter. */
  readonly wallSeconds?: number;
  /** The same by the device's timestamps, which have no round trip in them. */
  readonly timestampSeconds?: number;
  /** Of measuring, for each contestant; long work gets fewer turns. */
  readonly budgetSeconds?: number;
  readonly minTurns?: number;
  readonly maxTurns?: number;
}

export interface Measurement {
  readonly contestant: Contestant;
  /** Seconds of one repeat; one value a turn. */
  readonly seconds: Spread;
  /** CPU seconds of one repeat; one value a turn. */
  readonly cpuSeconds?: Spread;
  /** Repeats in a turn. */
  readonly repeats: number;
}

export const standardMeasure = {
  wallSeconds: 0.02,
  timestampSeconds: 0.01, // implementations round to 0.1 ms
  budgetSeconds: 0.6,
  minTurns: 5,
  maxTurns: 25,
} as const satisfies Required<MeasureOptions>;

/** Repeats of one turn are encoded into one submit: not so many that this takes longer than the work. */
const mostRepeats = 4000;

/** Measures all contestants, one turn each by rotation. Each has run once or twice before its first turn counts. */
export async function measure(
  contestants: readonly Contestant[],
  options: MeasureOptions = {},
): Promise<Measurement[]> {
  if (contestants.length === 0) return [];
  const settings = { ...standardMeasure, ...options };
  const entries: {
    contestant: Contestant;
    repeats: number;
    turns: number;
    times: number[];
    cpu: number[];
  }[] = [];
  for (const contestant of contestants) {
    const { repeats, seconds } = await calibrate(contestant, settings);
    entries.push({ contestant, repeats, turns: turnsFor(repeats * seconds, settings), times: [], cpu: [] });
  }
  // All take the same number of turns, so that the order of the rotation is fair to the end.
  const turns = Math.min(...entries.map((entry) => entry.turns));
  for (let turn = 0; turn < turns; turn++) {
    for (let place = 0; place < entries.length; place++) {
      const { contestant, repeats, times, cpu } = entries[(turn + place) % entries.length]!;
      const before = contestant.cpuSeconds?.();
      times.push((await contestant.run(repeats)) / repeats);
      if (before !== undefined) cpu.push((contestant.cpuSeconds!() - before) / repeats);
    }
  }
  return entries.map(({ contestant, repeats, times, cpu }) => ({
    contestant,
    repeats,
    seconds: spreadOf(times),
    ...(cpu.length > 0 && { cpuSeconds: spreadOf(cpu) }),
  }));
}

/** How often the work fits a turn. The first run compiles, allocates and fills caches: it does not count. */
async function calibrate(
  contestant: Contestant,
  { wallSeconds, timestampSeconds }: Required<MeasureOptions>,
): Promise<{ repeats: number; seconds: number }> {
  const wanted = contestant.clock === 'wall' ? wallSeconds : timestampSeconds;
  await contestant.run(1);
  let repeats = 1;
  let seconds = await contestant.run(1);
  // A single repeat is mostly the round trip: grow until the turn is long enough to be believed.
  while (repeats < mostRepeats && repeats * seconds < wanted) {
    const next = Math.ceil(Math.min(wanted / Math.max(seconds, 1e-9), 10 * repeats, mostRepeats));
    if (next <= repeats) break;
    repeats = next;
    seconds = (await contestant.run(repeats)) / repeats;
  }
  return { repeats, seconds };
}

function turnsFor(turnSeconds: number, settings: Required<MeasureOptions>): number {
  const { budgetSeconds, minTurns, maxTurns } = settings;
  return Math.max(minTurns, Math.min(maxTurns, Math.floor(budgetSeconds / Math.max(turnSeconds, 1e-9))));
}
