/**
 * The scratch memory that all plans of one model share: plans run one after another, so a slot of one may be a slot
 * of the next. A buffer is destroyed when the last plan that holds it is disposed.
 */
import type { Gpu } from '../gpu/gpu.ts';

interface Entry {
  readonly buffer: GPUBuffer;
  holders: number;
}

export class ScratchPool {
  readonly #gpu: Gpu;
  #entries: Entry[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  get bytes(): number {
    return this.#entries.reduce((sum, { buffer }) => sum + buffer.size, 0);
  }

  /** A distinct buffer for each size, sizes descending: the smallest pooled one that is large enough, or a new one. */
  acquire(sizes: readonly number[]): GPUBuffer[] {
    const taken = new Set<Entry>();
    return sizes.map((bytes) => {
      const fitting = this.#entries.filter((entry) => !taken.has(entry) && entry.buffer.size >= bytes);
      let entry = fitting.sort((a, b) => a.buffer.size - b.buffer.size)[0];
      if (!entry) {
        const label = `scratch/${this.#entries.length}`;
        entry = { buffer: this.#gpu.createBuffer(label, bytes), holders: 0 };
        this.#entries.push(entry);
      }
      taken.add(entry);
      entry.holders += 1;
      return entry.buffer;
    });
  }

  release(buffers: readonly GPUBuffer[]): void {
    for (const entry of this.#entries) {
      if (!buffers.includes(entry.buffer)) continue;
      entry.holders -= 1;
      if (entry.holders === 0) entry.buffer.destroy();
    }
    this.#entries = this.#entries.filter(({ holders }) => holders > 0);
  }
}
