/** The documentation says what the keys say, and the tables of names point at keys that exist. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { AnyKey, AnySection } from '../../../src/nn/config/spec.ts';
import { asAnySection, isDerived, isSection } from '../../../src/nn/config/spec.ts';
import { foreignNames } from '../../../src/train/config/foreign-names.ts';
import { parseConfig } from '../../../src/train/config/parse.ts';
import { renderConfigurationDocs } from '../../../src/train/config/render-docs.ts';
import { rootSection } from '../../../src/train/config/root.ts';
import { allPaths } from '../../../src/train/config/unknown-keys.ts';

const root = asAnySection(rootSection('x'));
const docs = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');

test('docs/configuration.md is fresh (node scripts/generate-config-docs.mjs)', () => {
  expect(docs).toBe(renderConfigurationDocs());
});

test('its example parses', () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(docs)![1]!;
  expect(parseConfig(example).model).toMatchObject({ decoder: { hidden_size: 128 } });
});

test('every key that another toolkit’s name leads to exists, and no such name is a key at the top', () => {
  const known = new Set([...allPaths(root)].map((path) => path.join('.')));
  for (const [name, { here }] of foreignNames) {
    expect(known.has(name)).toBe(false);
    for (const key of here) expect(known, `${name} → ${key}`).toContain(key);
  }
});

function* keysOf(section: AnySection, path: string[] = []): Generator<[string, AnyKey]> {
  for (const [name, entry] of Object.entries(section.keys)) {
    if (isSection(entry)) yield* keysOf(entry, [...path, name]);
    else yield [[...path, name].join('.'), entry];
  }
}

test.each([...keysOf(root)])('%s is documented, and its default is allowed', (_path, key) => {
  expect(key.doc).toMatch(/^[A-Z].*[.)]$/);
  if ('default' in key && !isDerived(key.default)) expect(key.accepts(key.default)).toBe(true);
  for (const word of key.choices ?? []) expect(key.allowed).toContain(word);
});
