/** What a benchmark run comes to, as plain data: `couplet bench --json` writes a report, a table is made of its rows. */
import type { AdapterReport } from '../gpu/adapter-report.ts';
import type { Comparison } from './compare.ts';
import type { Clock } from './measure.ts';
import type { Spread } from './spread.ts';

/**
 * `wrong`: the results were not what they should be, so nothing was timed. `failed`: it did not run. `skipped`: it cannot
 * run here, or would take too long; the message says why.
 */
export type Outcome = 'ok' | 'wrong' | 'failed' | 'skipped';

/** The letters of ARCHITECTURE.md, and M, N, K of a product. */
export type Sizes = Readonly<Record<string, number>>;

/** One contestant at one piece of work. */
export interface BenchRow {
  /** Name of the bench, as on the command line: `matmul`, `train`. */
  readonly bench: string;
  /** What was done, without sizes: `matmul NT`, `lstm step, backward`, `small`. */
  readonly title: string;
  readonly sizes: Sizes;
  /** Who did it: `couplet`, `couplet --fast`, a peer. */
  readonly contestant: string;
  readonly outcome: Outcome;
  readonly message?: string;
  /** Largest error of the check before the timing, relative to the tensor's scale. */
  readonly error?: number;
  readonly clock?: Clock;
  /** Of one repeat. */
  readonly seconds?: Spread;
  /** CPU time of all threads of whoever did it: on a software adapter the work itself, however busy the machine is. */
  readonly cpuSeconds?: Spread;
  readonly repeats?: number;
  /** Floating-point operations of one repeat, by formula. */
  readonly flops?: number;
  /** Bytes that one repeat must read and write at least: each operand once. */
  readonly bytes?: number;
  readonly flopsPerSecond?: number;
  readonly bytesPerSecond?: number;
  /** Of the speed that the device's roofline allows at this arithmetic intensity: 1 is all of it. */
  readonly rooflineShare?: number;
  /** Anything else, a column each: `dispatches`, `tokens/s`. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** What a device can do at most, measured by kernels that do nothing else. */
export interface Roofline {
  readonly flopsPerSecond: number;
  /** Read and written bytes together. */
  readonly bytesPerSecond: number;
}

/** One look at the device: without and with `--fast` are two. */
export interface BenchedDevice {
  /** As `BenchRow.contestant`. */
  readonly contestant: string;
  readonly adapter: AdapterReport;
  readonly roofline: Roofline;
}

export interface BenchReport {
  readonly format: 'couplet-bench/1';
  /** ISO 8601. */
  readonly date: string;
  readonly command: string;
  /** `couplet`, `node`, `webgpu`, peers: whatever decides about speed. */
  readonly versions: Readonly<Record<string, string>>;
  readonly devices: readonly BenchedDevice[];
  /** Of the whole run. */
  readonly seconds: number;
  readonly rows: readonly BenchRow[];
  /** Couplet beside each peer, where there were any. */
  readonly comparisons?: readonly Comparison[];
}
