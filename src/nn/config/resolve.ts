/**
 * Checks a plain object against a `Section` and fills in its defaults. Problems are collected, not thrown, so
 * that a caller who knows the text's lines can add them and show all problems at once.
 */
import { ConfigError } from '../../errors.ts';
import { nearest } from './nearest.ts';
import type { AnyKey, AnySection, Section } from './spec.ts';
import { asAnySection, isDerived, isSection } from './spec.ts';

export interface Problem {
  /** From the configuration's root: `['model', 'encoder', 'hidden_size']`. */
  readonly path: readonly string[];
  /** Whether the key itself is at fault or what it says; a missing key has neither. */
  readonly at: 'key' | 'value' | 'missing';
  readonly message: string;
}

/** Says more about an unknown key than this section's own names can, or undefined. */
export type ExplainUnknown = (path: readonly string[]) => string | undefined;

/**
 * The section with every default filled in, keys in the order of the specification. What is wrong is added to
 * `problems`; where anything was, the result is not to be used.
 *
 * @param given what the user wrote: an object, or undefined for all defaults
 * @param path where the section lies, for the messages
 */
export function resolveSection<T>(
  typed: Section<T>,
  given: unknown,
  path: readonly string[],
  problems: Problem[],
  explainUnknown?: ExplainUnknown,
): T {
  const before = problems.length;
  const laterDefaults: (() => void)[] = [];
  const root = fill(asAnySection(typed), given, path, { problems, laterDefaults, explainUnknown });
  if (problems.length === before) for (const derive of laterDefaults) derive();
  return root as T;
}

/** Throws a `ConfigError` that lists the problems, if there are any. */
export function throwProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ConfigError(problems.map(({ message }) => message).join('\n'));
}

export function pathText(path: readonly string[]): string {
  return `\`${path.map(shortened).join('.')}\``;
}

interface Filling {
  readonly problems: Problem[];
  readonly laterDefaults: (() => void)[];
  readonly explainUnknown: ExplainUnknown | undefined;
}

function fill(
  spec: AnySection,
  given: unknown,
  path: readonly string[],
  filling: Filling,
  outer?: object,
): object {
  const result: Record<string, unknown> = {};
  const scope = spec.isScope === true || outer === undefined ? result : outer;
  let entries: Record<string, unknown> = {};
  if (isPlainObject(given)) entries = given;
  else if (given !== undefined && given !== null) {
    const message = `${pathText(path)} is ${valueText(given)}, but must be a section with keys: ${Object.keys(spec.keys).join(', ')}.`;
    filling.problems.push({ path, at: 'value', message });
  }

  for (const key of Object.keys(entries)) {
    if (Object.hasOwn(spec.keys, key)) continue;
    const here = [...path, key];
    const message = filling.explainUnknown?.(here) ?? unknownKeyMessage(spec, here);
    filling.problems.push({ path: here, at: 'key', message });
  }

  for (const [key, entry] of Object.entries(spec.keys)) {
    const here = [...path, key];
    const value = Object.hasOwn(entries, key) ? entries[key] : undefined;
    if (isSection(entry)) result[key] = fill(entry, value, here, filling, scope);
    else result[key] = fillKey(entry, value, here, filling, { parent: result, key, scope });
  }
  return result;
}

function fillKey(
  spec: AnyKey,
  value: unknown,
  path: readonly string[],
  { problems, laterDefaults }: Filling,
  { parent, key, scope }: { parent: Record<string, unknown>; key: string; scope: object },
): unknown {
  if (value !== undefined) {
    if (spec.accepts(value)) return structuredClone(value);
    problems.push({ path, at: 'value', message: badValueMessage(spec, value, path) });
    return undefined;
  }
  if (!('default' in spec)) {
    const message = `${pathText(path)} is missing: it must be ${spec.allowed}. ${spec.doc}`;
    problems.push({ path, at: 'missing', message });
    return undefined;
  }
  const standard = spec.default;
  if (!isDerived(standard)) return structuredClone(standard);
  laterDefaults.push(() => {
    parent[key] = standard.derive(scope as never);
  });
  return undefined;
}

function unknownKeyMessage(spec: AnySection, path: readonly string[]): string {
  const known = Object.keys(spec.keys);
  const meant = nearest(path.at(-1)!, known);
  const unknown = `Unknown key ${pathText(path)}`;
  if (meant !== undefined) return `${unknown}: did you mean ${pathText([...path.slice(0, -1), meant])}?`;
  const where = path.length > 1 ? pathText(path.slice(0, -1)) : 'The configuration';
  return `${unknown}. ${where} has the keys: ${known.join(', ')}.`;
}

function badValueMessage(spec: AnyKey, value: unknown, path: readonly string[]): string {
  const is = value === null ? 'has no value (null)' : `is ${valueText(value)}`;
  return `${pathText(path)} ${is}, but must be ${spec.allowed}.${valueHint(spec, value)}`;
}

function valueHint(spec: AnyKey, value: unknown): string {
  if (typeof value === 'string') {
    const elsewhere = spec.elsewhere;
    if (elsewhere && Object.hasOwn(elsewhere, value.toLowerCase()))
      return ` ${elsewhere[value.toLowerCase()]}`;
    const meant = spec.choices && nearest(value, spec.choices);
    if (meant !== undefined) return ` Did you mean ${meant}?`;
    if (spec.allowed === 'true or false' && /^(yes|no|on|off)$/i.test(value)) {
      return ` Write ${/^(yes|on)$/i.test(value) ? 'true' : 'false'}.`;
    }
    if (value.trim() !== '' && spec.accepts(Number(value))) return ' Write it without quotes.';
  } else if ((typeof value === 'number' || typeof value === 'boolean') && spec.accepts(String(value))) {
    return ` Put it in quotes: "${value}".`;
  }
  return '';
}

/** How a value is shown in a message: JSON, and never a page of it. */
export function valueText(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (value instanceof Date) return `the date ${value.toISOString()}`;
  try {
    return shortened(JSON.stringify(value) ?? String(value));
  } catch {
    return 'a value that contains itself';
  }
}

function shortened(words: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: such characters must not reach a terminal
  const printable = words.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '�');
  return printable.length > 80 ? `${printable.slice(0, 77)}…` : printable;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
