import type { Gpu } from '../gpu/gpu.ts';

/** Bounds how many submits the device may be behind, so that a fast host neither queues up memory nor a long wait. */
export class InFlight {
  readonly #gpu: Pick<Gpu, 'finished'>;
  readonly #limit: number;
  readonly #pending: Promise<unknown>[] = [];

  constructor(gpu: Pick<Gpu, 'finished'>, limit: number) {
    this.#gpu = gpu;
    this.#limit = limit;
  }

  /** Call after a submit: waits until fewer than the limit are unfinished. */
  async next(): Promise<void> {
    const done = this.#gpu.finished();
    done.catch(() => undefined); // told to whoever waits for it below; nobody may, and then it is no crash
    this.#pending.push(done);
    while (this.#pending.length >= this.#limit) await this.#pending.shift();
  }
}
