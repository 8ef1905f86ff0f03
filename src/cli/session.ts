/** What the subcommands share: opening the device with a word about it, and stopping in good order. */
import { describeAdapter } from '../gpu/adapter-report.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { openGpu } from '../node/open-gpu.ts';

export interface AdapterOption {
  readonly adapter?: unknown;
}

/** Opens the device and says on standard error which one it is. */
export async function openDevice({ adapter }: AdapterOption): Promise<Gpu> {
  const gpu = await openGpu(adapter === undefined ? {} : { adapter: String(adapter) });
  say(describeAdapter(gpu.report));
  return gpu;
}

/** A line for people, on standard error; standard output is for results. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Values of an option that may be repeated, as strings (the parser makes numbers of some). */
export function list(option: unknown): string[] {
  if (option === undefined) return [];
  return (Array.isArray(option) ? option : [option]).map(String);
}

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Aborts its signal at the first SIGINT or SIGTERM, so that work at hand is finished and saved; a second one ends the
 * process at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  #received: keyof typeof signalNumbers | undefined;
  readonly #listener = (name: NodeJS.Signals): void => {
    if (this.#received) process.exit(this.exitCode);
    this.#received = name as keyof typeof signalNumbers;
    say(`\n${name}: finishing the step and saving (once more to stop at once)`);
    this.#controller.abort();
  };

  constructor() {
    for (const name of Object.keys(signalNumbers)) process.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 after a signal, as shells expect; 0 without. */
  get exitCode(): number {
    return this.#received ? 128 + signalNumbers[this.#received] : 0;
  }

  dispose(): void {
    for (const name of Object.keys(signalNumbers)) process.off(name, this.#listener);
  }
}
