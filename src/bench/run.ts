/** Runs benches case by case and says how far it is; a case that throws becomes a row that says why. */
import { LimitsError } from '../errors.ts';
import type { Bench, BenchContext } from './bench.ts';
import type { BenchRow } from './report.ts';

export interface BenchProgress {
  readonly bench: Bench;
  /** What runs next. */
  readonly title: string;
  /** Cases done, and how many there are in all. */
  readonly done: number;
  readonly cases: number;
}

export interface BenchListener {
  starts?(progress: BenchProgress): void;
  ends?(rows: readonly BenchRow[]): void;
}

/** The rows of all cases in order. Rejects only where the device is lost. */
export async function runBenches(
  chosen: readonly Bench[],
  context: BenchContext,
  listener: BenchListener = {},
): Promise<BenchRow[]> {
  const work = chosen.flatMap((bench) => bench.cases(context).map((one) => ({ bench, one })));
  const rows: BenchRow[] = [];
  for (const [done, { bench, one }] of work.entries()) {
    listener.starts?.({ bench, title: one.title, done, cases: work.length });
    const found = await one.run().catch((error: unknown): BenchRow[] => {
      const message = error instanceof Error ? error.message : String(error);
      const { title, sizes } = one;
      const outcome = error instanceof LimitsError ? 'skipped' : 'failed';
      return context.subjects.map(({ name }) => {
        return { bench: bench.name, title, sizes, contestant: name, outcome, message };
      });
    });
    rows.push(...found);
    listener.ends?.(found);
    for (const { gpu } of context.subjects) gpu.check();
  }
  return rows;
}
