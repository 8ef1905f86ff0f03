/**
 * Vitest's global setup: `dist/` as `npm run build` makes it, made anew where a source is younger. Test runs may start
 * side by side: one builds, the others wait, and the new folder takes the old one's place in one step.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const sources = [
  'src',
  'shaders',
  'scripts',
  'package.json',
  'vite.config.ts',
  'tsconfig.json',
  'tsconfig.build.json',
];
const workshop = join(root, 'node_modules/.couplet-test');
const abandonedAfter = 120_000;

export default async function setup(): Promise<void> {
  const lock = join(workshop, 'build.lock');
  mkdirSync(workshop, { recursive: true });
  while (isStale()) {
    try {
      mkdirSync(lock);
    } catch {
      if (age(lock) > abandonedAfter) rmSync(lock, { recursive: true, force: true });
      await setTimeout(200);
      continue;
    }
    try {
      if (isStale()) await buildDist();
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
}

function isStale(): boolean {
  const built = ['dist/types/index.d.ts', 'dist/index.js', 'dist/node.js', 'dist/cli.js'].map((file) =>
    existsSync(join(root, file)) ? statSync(join(root, file)).mtimeMs : 0,
  );
  return Math.max(...sources.map((path) => youngest(join(root, path)))) > Math.min(...built);
}

/** When anything below was last changed; a folder's own time tells of removals. What is generated is no source. */
function youngest(path: string): number {
  const entry = statSync(path);
  if (!entry.isDirectory()) return entry.mtimeMs;
  const below = readdirSync(path).filter((name) => name !== 'generated');
  const own = below.length > 0 && path.endsWith('src') ? 0 : entry.mtimeMs; // `generated` comes and goes in src
  return Math.max(own, ...below.map((name) => youngest(join(path, name))));
}

async function buildDist(): Promise<void> {
  const fresh = join(workshop, `dist-${process.pid}`);
  const old = `${fresh}-old`;
  await run(process.execPath, [join(root, 'scripts/generate-shaders.mjs')]);
  // Declarations come out of sources with type errors too, which are `npm run types`'s business.
  const declarations = run(process.execPath, [
    join(root, 'node_modules/typescript/lib/tsc.js'),
    ...['-p', join(root, 'tsconfig.build.json'), '--outDir', join(fresh, 'types')],
  ]).catch(() => {});
  await build({ root, logLevel: 'warn', build: { outDir: fresh, emptyOutDir: false } });
  await declarations;
  if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
  renameSync(fresh, join(root, 'dist'));
  rmSync(old, { recursive: true, force: true });
}

function age(path: string): number {
  return existsSync(path) ? Date.now() - statSync(path).mtimeMs : 0;
}
