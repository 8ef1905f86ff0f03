/** What the subcommands share: opening the device with a word about it, and stopping in good order. */
import { UsageError } from '../errors.ts';
import type { AdapterReport } from '../gpu/adapter-report.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { openGpu } from '../node/open-gpu.ts';

/** Opens the device and says on standard error which one it is. */
export async function openDevice(adapter: string | undefined, fast = false, tune?: string): Promise<Gpu> {
  const gpu = await openGpu({ fast, tune: tuneMode(tune), ...(adapter !== undefined && { adapter }) });
  for (const line of adapterLines(gpu.report)) say(line);
  return gpu;
}

function tuneMode(tune: string | undefined): 'rule' | 'probe' | 'auto' {
  if (tune === undefined || tune === 'auto') return 'auto';
  if (tune === 'rule' || tune === 'probe') return tune;
  throw new UsageError(`--tune is probe, rule or auto, not ${tune}`);
}

/** Which adapter runs; for a slow one also how to get a faster one, in short. */
export function adapterLines({ name, kind, backend, advice }: AdapterReport): string[] {
  const how = kind === 'hardware' ? 'GPU' : 'software, on the CPU';
  const line = `adapter: ${name} (${backend === undefined ? how : `${how}, ${backend}`})`;
  if (advice.length === 0) return [line];
  const brief = advice.map((phrase) => phrase.split(':', 1)[0]);
  return [line, `to go faster: ${brief.join('; or ')} (couplet doctor says how)`];
}

/** A line for people, on standard error; standard output is for results. */
export function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** Text from files and models for a terminal: what could move its cursor or hide text becomes a replacement. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type SignalName = keyof typeof signalNumbers;
const signalNames = Object.keys(signalNumbers) as SignalName[];

/**
 * Aborts its signal at the first SIGINT, SIGTERM or SIGHUP, so that work at hand is finished and saved; a second one
 * ends the process at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  #received: SignalName | undefined;
  readonly #listener = (name: NodeJS.Signals): void => {
    if (this.#received) process.exit(this.exitCode);
    this.#received = name as SignalName;
    say(`${name}: finishing the step and saving (once more to stop at once)`);
    this.#controller.abort();
  };

  constructor() {
    for (const name of signalNames) process.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 after SIGINT, 143 after SIGTERM, as shells expect; 0 without a signal. */
  get exitCode(): number {
    return this.#received ? 128 + signalNumbers[this.#received] : 0;
  }

  dispose(): void {
    for (const name of signalNames) process.off(name, this.#listener);
  }
}
