/** The attention scores by name. A new one needs its file, if need be its shader, and a line here. */
import { concat } from './concat.ts';
import { dot } from './dot.ts';
import { general } from './general.ts';
import type { Score } from './score.ts';

export const scores = { dot, general, concat } as const satisfies Readonly<Record<string, Score>>;

export type AttentionScore = keyof typeof scores;
