/**
 * What a benchmark is: a name, and cases that each measure one piece of work by every contestant. `registry.ts` lists
 * those that run anywhere; `run.ts` runs them.
 */
import type { Gpu } from '../gpu/gpu.ts';
import type { Configuration } from './configurations.ts';
import type { Contestant, MeasureOptions } from './measure.ts';
import type { BenchRow, Roofline, Sizes } from './report.ts';
import type { SizeSet } from './sizes.ts';

/** Couplet on a device: the contestant that every case has. */
export interface Subject {
  /** `couplet`, or `couplet --fast` for the same adapter without Dawn's checks. */
  readonly name: string;
  readonly gpu: Gpu;
  readonly roofline: Roofline;
  /** Opens the same adapter once more: what a start takes is measured with it. */
  open?(): Promise<Gpu>;
}

/** A piece of work as a peer is asked whether it can do it. */
export interface PeerTask {
  readonly bench: string;
  readonly title: string;
  readonly sizes: Sizes;
  readonly training?: TrainingTask;
}

/** A whole training step: Adam without clipping on the mean loss of a token, the same batch at every step. */
export interface TrainingTask {
  readonly configuration: Configuration;
  /** Values by name, as PyTorch calls and shapes them. */
  readonly weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;
  /** Ids [S or T, B] */
  readonly batch: Readonly<Record<'source' | 'targetInput' | 'targetOutput', ArrayLike<number>>>;
  readonly learningRate: number;
  /** How many first losses the contestant shall say. */
  readonly losses: number;
}

/** A peer at a piece of work. */
export interface PeerContestant extends Contestant {
  /** Of training: the mean losses of the first steps. */
  readonly losses?: readonly number[];
  /** How far they may be off ours, relatively. */
  readonly lossTolerance: number;
  /** What else its row says: `dispatches`, where it counts them. */
  figures?(): Promise<Readonly<Record<string, number>>>;
}

/** Another library. */
export interface Peer {
  /** With its version. */
  readonly name: string;
  /** The same work, ready to run; undefined where the peer has no part in it. The caller disposes the contestant. */
  contestant(task: PeerTask): Promise<PeerContestant | undefined>;
  dispose(): void;
}

export interface BenchContext {
  /** At least one. */
  readonly subjects: readonly Subject[];
  readonly peers: readonly Peer[];
  readonly sizes: readonly SizeSet[];
  readonly measure: MeasureOptions;
  /** CPU seconds that this process has used so far, where that can be known. */
  cpuSeconds?(): number;
  /** Named cases: where there are any, benches with such parts run these alone. */
  readonly parts?: readonly string[];
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
  /** Names of cases that may be asked for on the command line. */
  readonly parts?: readonly string[];
  /** Its cases in order. Cheap: nothing is made before a case runs. */
  cases(context: BenchContext): readonly BenchCase[];
}
