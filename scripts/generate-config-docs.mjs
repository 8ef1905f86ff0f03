// Writes docs/configuration.md from the keys in src/: node scripts/generate-config-docs.mjs
// With --check it writes nothing and exits 1 when the file is not what the keys say.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const file = join(root, 'docs/configuration.md');
const { module } = await runnerImport(join(root, 'src/train/config/render-docs.ts'), {
  root,
  configFile: false,
  logLevel: 'error',
});
const text = module.renderConfigurationDocs();

if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error('docs/configuration.md is stale: run node scripts/generate-config-docs.mjs');
  process.exitCode = 1;
}
