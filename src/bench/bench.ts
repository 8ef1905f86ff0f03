/**
 * What a benchmark is: a name, and cases that each measure one piece of work by every contestant. `registry.ts` lists
 * those that run anywhere; `run.ts` runs them.
 */
import type { Gpu } from '../gpu/gpu.ts';
import type { Contestant, MeasureOptions } from './measure.ts';
import type { BenchRow, Roofline, Sizes } from './report.ts';
import type { SizeSet } from './sizes.ts';

/** Couplet on a device: the contestant that every case has. */
export interface Subject {
  /** `couplet`, or `couplet --fast` for the same adapter without Dawn's checks. */
  readonly name: string;
  readonly gpu: Gpu;
  readonly roofline: Roofline;
}

/** A piece of work as a peer is asked whether it can do it. */
export interface PeerTask {
  readonly bench: string;
  readonly title: string;
  readonly sizes: Sizes;
}

/** Another library. */
export interface Peer {
  /** With its version. */
  readonly name: string;
  /** The same work, ready to run; undefined where the peer has no part in it. The caller disposes the contestant. */
  contestant(task: PeerTask): Promise<Contestant | undefined>;
  dispose(): void;
}

export interface BenchContext {
  /** At least one. */
  readonly subjects: readonly Subject[];
  readonly peers: readonly Peer[];
  readonly sizes: readonly SizeSet[];
  readonly measure: MeasureOptions;
}

/** One piece of work: a row for each contestant. */
export interface BenchCase {
  readonly title: string;
  readonly sizes: Sizes;
  run(): Promise<BenchRow[]>;
}

export interface Bench {
  /** On the command line. */
  readonly name: string;
  readonly summary: string;
  /** Runs only where it is named: too long for a run of everything. */
  readonly onRequest?: true;
  /** Its cases in order. Cheap: nothing is made before a case runs. */
  cases(context: BenchContext): readonly BenchCase[];
}
