// Writes docs/ops.md from the descriptions in src/ops/functions: node scripts/generate-ops-docs.mjs
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const load = async (file) =>
  (await runnerImport(join(root, file), { root, configFile: false, logLevel: 'error' })).module;
const { renderOpsDocs } = await load('scripts/render-ops-docs.ts');
const ops = await load('src/ops.ts');
const descriptions = Object.values(ops).map((op) => op.description);
writeFileSync(join(root, 'docs/ops.md'), renderOpsDocs(descriptions));
