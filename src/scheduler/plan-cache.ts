/** A bounded cache of plans: the least recently used one is disposed when a new one needs its place. */
import { DisposedError } from '../errors.ts';
import type { Plan } from './plan.ts';

interface Entry<P> {
  readonly recorded: Promise<P>;
  /** Undefined while it is being recorded. */
  plan: Plan | undefined;
  dropped: boolean;
}

export class PlanCache<P extends { readonly plan: Plan }> {
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry<P>>();
  #disposed = false;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The plan of `key`, recorded by `record` if it is not there. */
  async get(key: string, record: () => Promise<P>): Promise<P> {
    if (this.#disposed) throw new DisposedError('the plans were disposed');
    const known = this.#entries.get(key);
    // A Map keeps insertion order: taking an entry out and putting it back makes it the most recent.
    this.#entries.delete(key);
    const entry = known ?? this.#record(key, record);
    this.#entries.set(key, entry);
    while (this.#entries.size > this.#capacity) {
      const [oldest, old] = this.#entries.entries().next().value!;
      this.#entries.delete(oldest);
      drop(old);
    }
    const recorded = await entry.recorded;
    if (this.#disposed) throw new DisposedError('the plans were disposed');
    return recorded;
  }

  #record(key: string, record: () => Promise<P>): Entry<P> {
    const entry: Entry<P> = { recorded: record(), plan: undefined, dropped: false };
    entry.recorded.then(
      ({ plan }) => {
        entry.plan = plan;
        if (entry.dropped) plan.dispose();
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry;
  }

  /** Disposes every plan, one that is being recorded as soon as it is. Nothing can be got afterwards. */
  dispose(): void {
    this.#disposed = true;
    for (const entry of this.#entries.values()) drop(entry);
    this.#entries.clear();
  }
}

function drop<P>(entry: Entry<P>): void {
  entry.dropped = true;
  entry.plan?.dispose();
}
