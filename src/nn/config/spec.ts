/**
 * The keys of a configuration as data: what each means, its default and what it may be. One `Section` serves
 * the validator, its messages and the generated docs/configuration.md alike, so they cannot disagree.
 */

/** A default that depends on other keys of the same scope, with the words that say how. */
export interface Derived<T> {
  readonly derive: (scope: never) => T;
  readonly words: string;
}

export interface KeySpec<T> {
  readonly doc: string;
  /** Absent: the key is required. */
  readonly default?: T | Derived<T>;
  /** What the value may be, to follow "must be": `a whole number ≥ 1`. */
  readonly allowed: string;
  readonly accepts: (value: unknown) => boolean;
  /** The words a misspelt value is compared with. */
  readonly choices?: readonly string[];
  /** What other tools call a choice, by their word. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

type Leaf = string | number | boolean | null | readonly unknown[];

export type Entry<V> = [V] extends [Leaf] ? KeySpec<V> : Section<V>;

export interface Section<T> {
  readonly doc: string;
  /** What is derived in this section and those below it sees this section. The outermost one always is a scope. */
  readonly isScope?: boolean;
  readonly keys: { readonly [K in keyof T]-?: Entry<T[K]> };
}

/** Any section or key, for code that walks the tree without knowing its type. */
export type AnyKey = KeySpec<unknown>;
export interface AnySection {
  readonly doc: string;
  readonly isScope?: boolean;
  readonly keys: Readonly<Record<string, AnyKey | AnySection>>;
}

export type DeepPartial<T> = T extends Leaf ? T : { [K in keyof T]?: DeepPartial<T[K]> };

interface Common<T> {
  readonly doc: string;
  readonly default?: T | Derived<T>;
}

interface Range {
  readonly min?: number;
  readonly max?: number;
  /** An exclusive lower or upper bound. */
  readonly above?: number;
  readonly below?: number;
}

/** A default worked out from other keys of the scope; `words` say how, for the documentation. */
export function derived<S, T>(words: string, derive: (scope: S) => T): Derived<T> {
  return { words, derive };
}

/** A section whose derived defaults see it, wherever it lies. */
export function scope<T>(doc: string, keys: Section<T>['keys']): Section<T> {
  return { doc, keys, isScope: true };
}

export function isSection(entry: AnyKey | AnySection): entry is AnySection {
  return 'keys' in entry;
}

export function isDerived(value: unknown): value is Derived<unknown> {
  return typeof value === 'object' && value !== null && 'derive' in value;
}

export function section<T>(doc: string, keys: Section<T>['keys']): Section<T> {
  return { doc, keys };
}

/** The tree of a typed section, for walking. */
export function asAnySection<T>(typed: Section<T>): AnySection {
  return typed as unknown as AnySection;
}

export function integer(options: Common<number> & Range): KeySpec<number> {
  return {
    ...meaning(options),
    allowed: `a whole number${rangeWords(options)}`,
    accepts: (value) => Number.isSafeInteger(value) && inRange(value as number, options),
  };
}

export function number(options: Common<number> & Range): KeySpec<number> {
  return {
    ...meaning(options),
    allowed: `a number${rangeWords(options)}`,
    accepts: (value) => Number.isFinite(value) && inRange(value as number, options),
  };
}

/** A share of something, as of units to drop: 0 (the default) turns it off, 1 would leave nothing. */
export function fraction(doc: string): KeySpec<number> {
  return number({ default: 0, min: 0, below: 1, doc });
}

export function flag(options: Common<boolean>): KeySpec<boolean> {
  return { ...meaning(options), allowed: 'true or false', accepts: (value) => typeof value === 'boolean' };
}

export function text(options: Common<string> & { matches?: RegExp; allowed?: string }): KeySpec<string> {
  const { matches = /./, allowed = 'text' } = options;
  return {
    ...meaning(options),
    allowed,
    accepts: (value) => typeof value === 'string' && matches.test(value),
  };
}

export function choice<const T extends string>(
  choices: readonly T[],
  options: Common<T> & { elsewhere?: Readonly<Record<string, string>> },
): KeySpec<T> {
  return {
    ...meaning(options),
    ...(options.elsewhere && { elsewhere: options.elsewhere }),
    allowed: choices.length === 1 ? choices[0]! : `one of ${choices.join(', ')}`,
    accepts: (value) => (choices as readonly unknown[]).includes(value),
    choices,
  };
}

/** The same key, which may also be null; `words` say what null means. */
export function orNull<T>(
  key: KeySpec<T>,
  words: string,
  ...defaultValue: [] | [T | null | Derived<T | null>]
): KeySpec<T | null> {
  return {
    ...key,
    ...(defaultValue.length === 1 && { default: defaultValue[0] }),
    allowed: `${key.allowed}, or null (${words})`,
    accepts: (value) => value === null || key.accepts(value),
  };
}

/** A list whose items are each as `item` says; its default is the list's own. */
export function listOf<T>(
  item: KeySpec<T>,
  options: Common<T[]> & { length?: number; distinct?: boolean },
): KeySpec<T[]> {
  const { length, distinct = false } = options;
  const count = length === undefined ? '' : ` of ${length}`;
  return {
    ...meaning(options),
    ...(item.choices && { choices: item.choices }),
    allowed: `a list${count}${distinct ? ' without repeats' : ''}, each ${item.allowed}`,
    accepts: (value) =>
      Array.isArray(value) &&
      (length === undefined || value.length === length) &&
      (!distinct || new Set(value).size === value.length) &&
      value.every((one) => item.accepts(one)),
  };
}

/** Two numbers, as `adam_betas`. */
export function pairOf(item: KeySpec<number>, options: Common<[number, number]>): KeySpec<[number, number]> {
  return listOf(item, { ...(options as Common<number[]>), length: 2 }) as KeySpec<[number, number]>;
}

function meaning<T>(options: Common<T>): Common<T> {
  return 'default' in options ? { doc: options.doc, default: options.default! } : { doc: options.doc };
}

function inRange(value: number, { min, max, above, below }: Range): boolean {
  return (
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below)
  );
}

function rangeWords({ min, max, above, below }: Range): string {
  const parts = [
    min !== undefined && `≥ ${min}`,
    above !== undefined && `> ${above}`,
    max !== undefined && `≤ ${max}`,
    below !== undefined && `< ${below}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? '' : ` ${parts.join(' and ')}`;
}
