/** Benches on one device that is open already: what a page runs. */
import { UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { nearest } from '../nn/config/nearest.ts';
import type { Bench } from './bench.ts';
import type { MeasureOptions } from './measure.ts';
import { measureRoofline } from './measure-roofline.ts';
import { benches } from './registry.ts';
import type { BenchRow, Roofline } from './report.ts';
import { type BenchProgress, runBenches } from './run.ts';
import { parseSizes } from './sizes.ts';

export interface BenchOptions {
  /** Which benches; all where absent. */
  readonly names?: readonly string[];
  /** As `--sizes`: `browser`, `odd,H=512`. Default: what suits the device. */
  readonly sizes?: string;
  readonly measure?: MeasureOptions;
  /** Before each case. */
  readonly onStart?: (progress: BenchProgress) => void;
  /** After each case: its rows. */
  readonly onRows?: (rows: readonly BenchRow[]) => void;
}

export interface BenchResult {
  readonly roofline: Roofline;
  readonly rows: readonly BenchRow[];
}

interface ChosenBenches {
  readonly chosen: readonly Bench[];
  /** As `BenchContext.parts`. */
  readonly parts: readonly string[];
}

/** The names of all benches, in the order in which they run. */
export const benchNames: readonly string[] = benches.map(({ name }) => name);

/** @throws UsageError where a name or a size is not known */
export async function bench(gpu: Gpu, options: BenchOptions = {}): Promise<BenchResult> {
  const { chosen, parts } = chooseBenches(options.names ?? []);
  const sizes = parseSizes(options.sizes, gpu.software);
  const measure = options.measure ?? {};
  const roofline = await measureRoofline(gpu, measure);
  const subjects = [{ name: 'couplet', gpu, roofline }];
  const rows = await runBenches(
    chosen,
    { subjects, peers: [], sizes, measure, parts },
    {
      ...(options.onStart && { starts: options.onStart }),
      ...(options.onRows && { ends: options.onRows }),
    },
  );
  return { roofline, rows };
}

/**
 * In the registry's order; all standard ones where none is named. Parts that are named (`tiny` of `train`) choose their
 * bench, which then runs these alone.
 *
 * @throws UsageError for a name that no bench and no part has
 */
export function chooseBenches(names: readonly string[]): ChosenBenches {
  const known = benches.flatMap(({ name, parts = [] }) => [name, ...parts]);
  for (const name of names) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const hint = meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`;
    throw new UsageError(`there is no benchmark '${name}': ${hint}; see couplet bench --help`);
  }
  if (names.length === 0) return { chosen: benches.filter(({ onRequest }) => !onRequest), parts: [] };
  return {
    chosen: benches.filter(({ name, parts = [] }) => [name, ...parts].some((one) => names.includes(one))),
    parts: benches.flatMap(({ parts = [] }) => parts.filter((part) => names.includes(part))),
  };
}
