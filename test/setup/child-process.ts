/**
 * Runs TypeScript in Node processes of their own, for what only a whole process shows: that it exits by itself and with
 * which code, that several can start at once, what a missing library does. The script is bundled first (Node 20 reads
 * no TypeScript) and may import anything from `src/`.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));

const made: string[] = [];

/** Bundles a script of `test/` and gives the path of the JavaScript, from which `webgpu` resolves as from `src/`. */
export async function bundleScript(script: URL): Promise<string> {
  const entry = fileURLToPath(script);
  const bundles = `${root}node_modules/.couplet-test`;
  mkdirSync(bundles, { recursive: true });
  const outDir = mkdtempSync(`${bundles}/`);
  made.push(outDir);
  await build({
    root,
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: entry,
      outDir,
      emptyOutDir: true,
      minify: false,
      rollupOptions: { output: { entryFileNames: 'script.js' } },
    },
  });
  return `${outDir}/script.js`;
}

/** For `afterAll`. */
export function removeBundles(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
}

export type Finished = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

export type RunOptions = { flags?: string[]; env?: NodeJS.ProcessEnv; args?: string[] };

/** Runs a bundled script to its own end. `env` is added to this process's; undefined values take a variable away. */
export function runScript(script: string, options: RunOptions = {}): Promise<Finished> {
  const env = { ...process.env, ...options.env };
  const child = spawn(process.execPath, [...(options.flags ?? []), script, ...(options.args ?? [])], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL', // shows as a `signal`, and no process outlives the tests
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
