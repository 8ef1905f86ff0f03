/**
 * What may change when a run goes on. A resumed run ends bit-equal to one that never stopped; so whatever decides
 * what an update computes stays as it was, and only where the data lies, how long training lasts, and what is
 * reported, validated and kept may be set anew.
 */
import { ConfigError } from '../../errors.ts';
import type { Config } from './types.ts';

/** Keys, or sections of them, that may be changed. */
export const resumableKeys: readonly string[] = [
  'name',
  'data.train',
  'data.dev',
  'data.test',
  'data.src.voc_file',
  'data.trg.voc_file',
  'training.epochs',
  'training.updates',
  'training.max_in_flight',
  'training.validation_freq',
  'training.validation_unit',
  'training.early_stopping_patience',
  'training.logging_freq',
  'training.print_valid_sents',
  'training.model_dir',
  'training.overwrite',
  'training.save_freq',
  'training.keep_best_ckpts',
  'training.keep_last_ckpts',
  'testing',
];

export interface Change {
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The keys that two configurations give different values. */
export function changedKeys(before: Config, after: Config): Change[] {
  return [...differences('', before, after)];
}

/** Throws ConfigError naming every key that differs and may not. `run` is where the run lies. */
export function checkResumable(before: Config, after: Config, run: string): void {
  const refused = changedKeys(before, after).filter(({ key }) => !mayChange(key));
  if (refused.length === 0) return;
  const words = refused.map(
    ({ key, before, after }) => `${key} (${show(before)} so far, now ${show(after)})`,
  );
  throw new ConfigError(
    `${run}: a run goes on as it began, so these keys cannot change: ${words.join(', ')}. Take the change back, or ` +
      `start another run from these weights: training.load_model: ${run}`,
  );
}

function mayChange(key: string): boolean {
  return resumableKeys.some((allowed) => key === allowed || key.startsWith(`${allowed}.`));
}

function* differences(path: string, before: unknown, after: unknown): Generator<Change> {
  if (isSection(before) && isSection(after)) {
    for (const key of Object.keys(after)) {
      yield* differences(path === '' ? key : `${path}.${key}`, before[key], after[key]);
    }
  } else if (JSON.stringify(before) !== JSON.stringify(after)) yield { key: path, before, after };
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'absent';
}
