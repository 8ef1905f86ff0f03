/**
 * What an experiment is: one of the tutorial's claims about recurrent models, put to the test. It runs on any device,
 * tells how far it is, and gives back a table, its figures as plain data and its charts.
 */
import type { Pair } from '../data/parallel.ts';
import type { Gpu } from '../gpu/gpu.ts';

/** Words and their pronunciations: the real data that one of the experiments needs. */
export interface Pronunciations {
  readonly train: readonly Pair[];
  readonly dev: readonly Pair[];
  readonly test: readonly Pair[];
}

export interface ExperimentOptions {
  /** Of initial weights, random data and the order of batches. */
  readonly seed: number;
  /** Smaller and shorter, for a look within about a minute on a software adapter. */
  readonly quick: boolean;
  /** Hears a line for people now and then. */
  readonly progress: (line: string) => void;
  readonly pronunciations: () => Promise<Pronunciations>;
}

/** Plain data, as JSON holds it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface ExperimentResult {
  /** Lines for a terminal. */
  readonly table: readonly string[];
  /** What was run and everything that was measured. */
  readonly figures: { readonly [key: string]: Json };
  /** SVG by name. */
  readonly charts: ReadonlyMap<string, string>;
}

export interface Experiment {
  readonly name: string;
  /** The claim, in a line. */
  readonly summary: string;
  run(gpu: Gpu, options: ExperimentOptions): Promise<ExperimentResult>;
}
