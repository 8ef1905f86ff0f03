/**
 * Bundles one of the programs here and runs it: `node bench/run.mjs NAME [ARGUMENT …]`. Node 20 runs no TypeScript by
 * itself; the bundle lies in `.cache/bench/`, where `node_modules` is found.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');
const [name, ...rest] = process.argv.slice(2);
const source = join(here, `${name}.ts`);
if (!name || !existsSync(source)) {
  console.error(
    'usage: node bench/run.mjs NAME [ARGUMENT …], where bench/NAME.ts is a program; see bench/README.md',
  );
  process.exit(2);
}
spawnSync(process.execPath, [join(root, 'scripts/generate-shaders.mjs')], { stdio: 'ignore' });
const outDir = join(root, '.cache/bench');
/** Files found relative to a module must be found from the bundle too. */
const ownUrls = {
  name: 'own-urls',
  transform: (code, id) => code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)),
};
await build({
  plugins: [ownUrls],
  configFile: false,
  root,
  logLevel: 'warn',
  build: {
    ssr: source,
    outDir,
    emptyOutDir: false,
    target: 'node20',
    rolldownOptions: { external: ['webgpu'] },
  },
});
const { status, signal } = spawnSync(process.execPath, [join(outDir, `${name}.js`), ...rest], {
  stdio: 'inherit',
});
process.exit(signal ? 1 : status);
