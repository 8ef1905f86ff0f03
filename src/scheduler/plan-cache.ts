/** A bounded cache of plans: the least recently used one is disposed when a new one needs its place. */
import type { Plan } from './plan.ts';

export class PlanCache<P extends { readonly plan: Plan }> {
  readonly #capacity: number;
  readonly #entries = new Map<string, Promise<P>>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The plan of `key`, recorded by `record` if it is not there. */
  async get(key: string, record: () => Promise<P>): Promise<P> {
    const known = this.#entries.get(key);
    // A Map keeps insertion order: taking an entry out and putting it back makes it the most recent.
    this.#entries.delete(key);
    const entry = known ?? record();
    this.#entries.set(key, entry);
    if (!known) {
      entry.catch(() => this.#entries.delete(key));
      await this.#evict();
    }
    return entry;
  }

  async #evict(): Promise<void> {
    while (this.#entries.size > this.#capacity) {
      const [oldest, entry] = this.#entries.entries().next().value!;
      this.#entries.delete(oldest);
      (await entry).plan.dispose();
    }
  }

  async dispose(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) (await entry).plan.dispose();
  }
}
