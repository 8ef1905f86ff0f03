/** docs/ops.md says what the descriptions say. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { renderOpsDocs } from '../../../scripts/render-ops-docs.ts';
import * as ops from '../../../src/ops.ts';

test('docs/ops.md is fresh (node scripts/generate-ops-docs.mjs)', () => {
  const docs = readFileSync(new URL('../../../docs/ops.md', import.meta.url), 'utf8');
  const descriptions = Object.values(ops).map(({ description }) => description);
  expect(docs).toBe(renderOpsDocs(descriptions));
  expect(descriptions.map(({ name }) => name).sort()).toEqual(Object.keys(ops).sort());
});
