/** Single keys set from outside the file: `--set training.batch_size=32`. */
import { parseDocument } from 'yaml';
import { ConfigError } from '../../errors.ts';

export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** As it was written. */
  readonly text: string;
}

/** Splits `section.key=value`; the value is read as YAML, so `[0.9, 0.98]`, `true` and `null` are what they seem. */
export function parseOverride(text: string): Override {
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(0, equals)).trim().split('.');
  if (equals < 0 || path.some((key) => key === '')) {
    throw new ConfigError(`--set ${text}: must read SECTION.KEY=VALUE, such as training.batch_size=32.`);
  }
  const document = parseDocument(text.slice(equals + 1), { prettyErrors: false, logLevel: 'error' });
  const [error] = document.errors;
  if (error) throw new ConfigError(`--set ${text}: the value is not YAML: ${error.message}`);
  return { path, value: document.toJS({ maxAliasCount: 0 }), text };
}

/** The same tree with one key set; the trees given are left alone. */
export function applyOverride(
  tree: Record<string, unknown>,
  { path, value, text }: Override,
): Record<string, unknown> {
  const [key, ...rest] = path as [string, ...string[]];
  const entries = new Map(Object.entries(tree));
  if (rest.length === 0) return Object.fromEntries(entries.set(key, value));
  const below = entries.get(key) ?? {};
  if (typeof below !== 'object' || Array.isArray(below)) {
    throw new ConfigError(`--set ${text}: \`${key}\` is not a section.`);
  }
  entries.set(key, applyOverride(below as Record<string, unknown>, { path: rest, value, text }));
  return Object.fromEntries(entries);
}
