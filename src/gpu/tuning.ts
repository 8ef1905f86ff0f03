/**
 * What was found out about a device by timing it: plain data that survives `JSON.stringify`, so that it can be kept with a
 * run. `ops/matmul-probe.ts` makes it, `ops/matmul-plan.ts` goes by it; where there is none, rules decide.
 */
export interface Tuning {
  /** By class of matrix products (`matmulClass`), the name of the fastest variant. A class that is missing goes by rule. */
  readonly kernels: Readonly<Record<string, string>>;
  /**
   * How many workgroups a product for a weight's gradient should have at least: one with fewer is split along its sum. 0:
   * none is. Of all that is tuned this alone changes bits.
   */
  readonly splitWorkgroups: number;
}

/** A tuning from data of unknown origin (a cache, a run folder), or undefined where it is none. */
export function parseTuning(data: unknown): Tuning | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { kernels, splitWorkgroups } = data as Record<string, unknown>;
  if (typeof kernels !== 'object' || kernels === null) return undefined;
  const entries = Object.entries(kernels);
  if (!entries.every(([, variant]) => typeof variant === 'string')) return undefined;
  if (!Number.isSafeInteger(splitWorkgroups) || (splitWorkgroups as number) < 0) return undefined;
  return { kernels: Object.fromEntries(entries), splitWorkgroups: splitWorkgroups as number };
}
