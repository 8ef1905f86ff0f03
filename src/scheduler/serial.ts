/**
 * Runs asynchronous tasks one after another, in the order they were asked for. For what keeps a computation's state on
 * the device while it waits for it: two callers at once would mix theirs.
 */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined); // a failed task is its caller's business, not the next one's
    return result;
  }
}
