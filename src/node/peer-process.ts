/** A program that answers lines of JSON with lines of JSON, as `bench/peers/protocol.mjs` has it. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ProcessSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What is kept of what it says on standard error, for the message when it fails. */
const keptErrors = 2000;

export class PeerProcess {
  /** Its first line: who it is. */
  readonly hello: Readonly<Record<string, unknown>>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #next: () => Promise<Record<string, unknown>>;

  private constructor(
    child: ChildProcessWithoutNullStreams,
    next: () => Promise<Record<string, unknown>>,
    hello: Record<string, unknown>,
  ) {
    this.#child = child;
    this.#next = next;
    this.hello = hello;
  }

  /** Rejects with the end of what it said on standard error, where it ends before it says who it is. */
  static async start({ command, args, cwd, env }: ProcessSpec): Promise<PeerProcess> {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env } });
    let errors = '';
    let failure = '';
    child.on('error', ({ message }) => {
      failure = message;
    });
    child.stdin.on('error', () => {}); // it went away: `next` says so
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-keptErrors);
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${command} ${args.join(' ')} ended: ${failure || errors.trim()}`);
      return JSON.parse(value) as Record<string, unknown>;
    };
    return new PeerProcess(child, next, await next());
  }

  /** Rejects with what the peer says where it fails. */
  async ask(request: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await this.#next();
    if (typeof answer.error === 'string') throw new Error(answer.error);
    return answer;
  }

  /** Ends it. */
  dispose(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }
}
