/** One task's model from its first update to its disposal: trains, stops, goes on and answers. */
import { type FitReport, type FitResult, type Gpu, Seq2Seq, type Translation } from 'couplet';
import type { Task } from './tasks.ts';

/** Updates of each further round, once the configured ones are done. */
const moreUpdates = 500;

export class Training {
  readonly task: Task;
  readonly #model: Seq2Seq;
  #stop: AbortController | undefined;
  #done = false;
  #updates = 0;

  constructor(gpu: Gpu, task: Task) {
    this.task = task;
    this.#model = Seq2Seq.fromPairs(gpu, task.pairs, task.config);
  }

  get running(): boolean {
    return this.#stop !== undefined;
  }

  get updates(): number {
    return this.#updates;
  }

  /** Trains until `stop` is called or the round is over; goes on where the last round ended. */
  async run(onReport: (report: FitReport) => void): Promise<FitResult> {
    this.#stop = new AbortController();
    try {
      const fit = this.#model.fit(this.task.pairs, {
        dev: this.task.heldOut,
        signal: this.#stop.signal,
        logEvery: 5,
        ...(this.#done && { updates: moreUpdates }),
      });
      for await (const report of fit) {
        this.#updates = report.update;
        onReport(report);
      }
      const result = await fit;
      this.#done ||= result.reason !== 'aborted';
      return result;
    } finally {
      this.#stop = undefined;
    }
  }

  /** Ends training after the update at hand. */
  stop(): void {
    this.#stop?.abort();
  }

  async ask(text: string): Promise<Translation> {
    const [answer] = await this.#model.predict([text], { alignments: true });
    return answer!;
  }

  dispose(): void {
    this.stop();
    this.#model.dispose();
  }
}
