/**
 * Measures everything there is to measure on a machine, into one folder:
 *
 *     node bench/everything.mjs FOLDER [--sizes SIZES] [--adapter NAME] [--train NAME,…]
 *
 * The doctor's report, every kernel (at the papers' sizes on a GPU), whole training steps and decoding, kernels and
 * steps beside the peers (PyTorch with CUDA where there is one), cost curves. It needs `dist/` and the `node_modules` of
 * this folder's package and of `bench/peers`, and no network: built once, the checkout can be carried to a machine without.
 * A part that fails is noted, and the next one runs; the exit code is then 1. `--sizes` and `--train` make it shorter.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'dist', 'cli.js');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sizes: { type: 'string' }, adapter: { type: 'string' }, train: { type: 'string' } },
});
const [folder] = positionals;
if (folder === undefined || !existsSync(cli)) {
  console.error('usage: node bench/everything.mjs FOLDER [--sizes SIZES] [--adapter NAME] [--train NAME,…]');
  if (!existsSync(cli)) console.error('there is no dist/: run npm ci first');
  process.exit(2);
}
const out = resolve(folder);
mkdirSync(out, { recursive: true });

const sizes = values.sizes === undefined ? [] : ['--sizes', values.sizes];
const steps = values.train === undefined ? ['train'] : values.train.split(',');
const { benchNames } = await import('../dist/bench.js');
const others = ['train', 'decode', 'curves'];
const kernels = benchNames.filter((name) => !others.includes(name));
/** Longest last, so that what came before is there if time runs out. */
const parts = {
  doctor: ['doctor'],
  'steps-peers': ['bench', ...steps, '--peers', ...sizes],
  'kernels-peers': ['bench', 'matmul', 'softmax', 'lstm', '--peers', ...sizes],
  decode: ['bench', 'decode', '--fast', ...sizes],
  kernels: ['bench', '--fast', ...kernels, ...sizes],
  curves: ['bench', 'curves', ...sizes],
};

const summary = [];
for (const [name, args] of Object.entries(parts)) {
  const isBench = args[0] === 'bench';
  const all = [
    ...args,
    ...(isBench ? ['--json', join(out, `${name}.json`)] : []),
    ...(values.adapter === undefined ? [] : ['--adapter', values.adapter]),
  ];
  const started = performance.now();
  const { status, stdout } = spawnSync(process.execPath, [cli, ...all], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  writeFileSync(join(out, `${name}.txt`), stdout);
  const line = `${name}: exit code ${status}, ${((performance.now() - started) / 1000).toFixed(0)} s: couplet ${all.join(' ')}`;
  summary.push(line);
  console.error(line);
  writeFileSync(join(out, 'summary.txt'), `${summary.join('\n')}\n`);
  if (status !== 0) process.exitCode = 1;
}
