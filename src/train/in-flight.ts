/** Bounds how many submits the device may be behind, so that a fast host neither queues up memory nor a long wait. */
export class InFlight {
  readonly #queue: GPUQueue;
  readonly #limit: number;
  readonly #pending: Promise<unknown>[] = [];

  constructor(queue: GPUQueue, limit: number) {
    this.#queue = queue;
    this.#limit = limit;
  }

  /** Call after a submit: waits until fewer than the limit are unfinished. */
  async next(): Promise<void> {
    const done = this.#queue.onSubmittedWorkDone();
    done.catch(() => undefined); // told to whoever waits for it below; nobody may, and then it is no crash
    this.#pending.push(done);
    while (this.#pending.length >= this.#limit) await this.#pending.shift();
  }
}
