/** Runs the built command line in processes of its own, on small tasks that train in a second or two. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finished } from './child-process.ts';
import { hashIds } from './hash-numbers.ts';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface CliOptions {
  readonly cwd: string;
  /** Standard input, which ends with it. */
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
  /** Hears standard error as it grows, to send signals at the right moment. */
  readonly onStderr?: (soFar: string, child: ChildProcess) => void;
}

/** Starts `couplet …`; one that does not end in time is killed, which shows as a signal. */
export function startCouplet(
  args: readonly string[],
  { cwd, env }: Pick<CliOptions, 'cwd' | 'env'>,
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...process.env, COUPLET_ADAPTER: process.env.COUPLET_ADAPTER ?? 'swiftshader', ...env },
    timeout: 90_000,
    killSignal: 'SIGKILL',
  });
}

/** Runs `couplet …` to its own end. */
export function couplet(args: readonly string[], options: CliOptions): Promise<Finished> {
  const child = startCouplet(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onStderr?.(stderr, child);
  });
  child.stdin.on('error', () => {}); // the process may end before it has read everything
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

export const alphabet = 'abcdefgh';

/** Words of one to three letters (so that all batches have one shape), with their letters in capitals: one pair a line. */
export function writePairs(file: string, seed: number, count: number): void {
  const numbers = hashIds(seed, count * 4, 0, 1 << 20);
  const lines = Array.from({ length: count }, (_, line) => {
    const [length, ...letters] = numbers.subarray(line * 4, line * 4 + 4);
    const word = letters.slice(0, 1 + (length! % 3)).map((number) => alphabet[number % alphabet.length]!);
    return `${word.join('')}\t${word.join(' ').toUpperCase()}\n`;
  });
  writeFileSync(file, lines.join(''));
}

/**
 * `train.tsv`, `dev.tsv`, `test.tsv` and `task.yaml` for a model that learns in three epochs of 13 updates; it names no
 * test data.
 */
export function writeTask(folder: string): void {
  writePairs(join(folder, 'train.tsv'), 1, 208);
  writePairs(join(folder, 'dev.tsv'), 2, 20);
  writePairs(join(folder, 'test.tsv'), 3, 20);
  writeFileSync(
    join(folder, 'task.yaml'),
    `data: { train: train.tsv, dev: dev.tsv, src: { level: char } }
model:
  encoder: { embeddings: { embedding_dim: 12, dropout: 0.1 }, hidden_size: 8 }
training: { epochs: 3, batch_size: 16, logging_freq: 4, learning_rate: 0.02, print_valid_sents: [0] }
testing: { eval_metrics: [wer, per] }
`,
  );
}

export function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** The records of a run's training log. */
export function readLog(run: string): Record<string, unknown>[] {
  const lines = readFileSync(join(run, 'log.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
