/**
 * Sizes by name, for all benches alike. `paper`: what the papers trained (Luong et al. 2015; a large vocabulary);
 * `browser`: what a page trains; `odd`: small primes and neighbours of tiles, where edges are.
 */
import { UsageError } from '../errors.ts';
import { nearest } from '../nn/config/nearest.ts';

/** The letters of ARCHITECTURE.md. */
export interface Dimensions {
  readonly B: number;
  readonly S: number;
  readonly T: number;
  readonly E: number;
  readonly H: number;
  readonly V: number;
}

export interface SizeSet {
  readonly name: string;
  readonly dimensions: Dimensions;
  /** Sides of square matrices to multiply. */
  readonly squares: readonly number[];
  /** What the command line put in place of the name's own; whole steps, whose sizes have names too, take these. */
  readonly replaced?: Partial<Dimensions>;
}

export const namedSizes = {
  paper: { B: 128, S: 50, T: 50, E: 1000, H: 1000, V: 50_000 },
  browser: { B: 64, S: 20, T: 20, E: 256, H: 256, V: 8000 },
  odd: { B: 13, S: 7, T: 5, E: 33, H: 35, V: 301 },
} as const satisfies Readonly<Record<string, Dimensions>>;

/** Sides of square matrices, beside the dimensions. */
const squares = { paper: [2048, 4096], browser: [512, 1024], odd: [67] } as const;

type SizeName = keyof typeof namedSizes;
const names = Object.keys(namedSizes) as SizeName[];
const letters = Object.keys(namedSizes.paper) as (keyof Dimensions)[];

/** The papers' sizes run for minutes where a CPU plays the GPU. */
export function standardSizes(software: boolean): readonly SizeName[] {
  return software ? ['browser', 'odd'] : names;
}

/**
 * What `--sizes` says: names, and letters with values that replace those of every name before and after them
 * (`paper,odd`, `browser,H=512`, `B=32,H=128`: these over `browser`).
 *
 * @throws UsageError, naming the word that is not understood
 */
export function parseSizes(text: string | undefined, software: boolean): SizeSet[] {
  const words = text === undefined ? [] : text.split(',').map((word) => word.trim());
  const overrides: Partial<Record<keyof Dimensions, number>> = {};
  const chosen: SizeName[] = [];
  for (const word of words) {
    const [left = '', right] = word.split('=');
    if (right === undefined) chosen.push(nameOf(left));
    else overrides[letterOf(left, word)] = numberOf(right, word);
  }
  const overridden = Object.keys(overrides).length > 0;
  const used = chosen.length > 0 ? chosen : overridden ? (['browser'] as const) : standardSizes(software);
  return [...new Set(used)].map((name) => ({
    name: overridden ? `${name}*` : name,
    dimensions: { ...namedSizes[name], ...overrides },
    squares: overrides.H === undefined ? squares[name] : [overrides.H],
    replaced: overrides,
  }));
}

function nameOf(word: string): SizeName {
  const found = names.find((name) => name === word);
  if (found) return found;
  const meant = nearest(word, names);
  const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
  throw new UsageError(`--sizes: there are no sizes '${word}'${hint}; ${grammar()}`);
}

function letterOf(word: string, whole: string): keyof Dimensions {
  const found = letters.find((letter) => letter === word.toUpperCase());
  if (found) return found;
  throw new UsageError(`--sizes: '${whole}' names no dimension; ${grammar()}`);
}

function numberOf(text: string, whole: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 2 ** 24) return value;
  throw new UsageError(`--sizes: '${whole}' should be a whole number from 1 to ${2 ** 24}`);
}

function grammar(): string {
  return `names are ${names.join(', ')}, dimensions ${letters.join(', ')} (as in paper,H=1024)`;
}
