/**
 * What a run's numbers depend on besides its configuration: the training text, and the adapter that computes. It is
 * kept beside every checkpoint, so that going on with other text is refused, and with another adapter is told.
 */
import { createHash } from 'node:crypto';
import type { ParallelText } from '../data/parallel.ts';
import { DataError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { parseTuning, type Tuning } from '../gpu/tuning.ts';
import { coupletVersion } from './find-package.ts';

export const originName = 'origin.json';

export interface RunOrigin {
  readonly couplet: string;
  readonly adapter: { readonly name: string; readonly driver: string; readonly backend: string };
  /** What was measured on the device and chose its kernels; null where rules chose them. */
  readonly tuning: Tuning | null;
  readonly train: { readonly pairs: number; readonly sha256: string };
}

export function originOf(gpu: Gpu, train: ParallelText): RunOrigin {
  return {
    couplet: coupletVersion(),
    adapter: adapterOf(gpu),
    tuning: gpu.tuning ?? null,
    train: { pairs: train.source.length, sha256: sumOf(train) },
  };
}

function adapterOf({ report }: Gpu): RunOrigin['adapter'] {
  const { name, description, backend = '' } = report;
  return { name, driver: description, backend };
}

/**
 * Has the kernels chosen as they were when the run of `before` stopped, if this is the device that it ran on: the cache may
 * have been emptied, and another choice may alter bits.
 */
export function adoptTuning(gpu: Gpu, before: Uint8Array): void {
  const old = readOrigin(before);
  if (adapterWords(old.adapter) === adapterWords(adapterOf(gpu))) gpu.tuning = parseTuning(old.tuning);
}

function readOrigin(bytes: Uint8Array): RunOrigin {
  return JSON.parse(new TextDecoder().decode(bytes)) as RunOrigin;
}

function adapterWords({ name, driver, backend }: RunOrigin['adapter']): string {
  return [name, backend, driver].join(', ');
}

export function formatOrigin(origin: RunOrigin): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(origin, null, 2)}\n`);
}

/**
 * What to tell somebody who goes on with a run of `before` under `now`.
 * @throws DataError where the training text is another one
 */
export function compareOrigins(before: Uint8Array, now: RunOrigin, train: ParallelText): string[] {
  const old = readOrigin(before);
  if (old.train.sha256 !== now.train.sha256) {
    throw new DataError(
      `${train.name}: the training text is not what the run began with (${old.train.pairs} pairs then, ` +
        `${now.train.pairs} now): bring it back, or start another run from these weights (training.load_model)`,
    );
  }
  const notes: string[] = [];
  const [then, here] = [adapterWords(old.adapter), adapterWords(now.adapter)];
  if (then !== here) {
    notes.push(`the run was trained on ${then} so far; on ${here} results differ in the last digits`);
  }
  if (old.couplet !== now.couplet) {
    notes.push(`the run was made by Couplet ${old.couplet}; results of ${now.couplet} may differ`);
  }
  return notes;
}

function sumOf({ source, target }: ParallelText): string {
  const hash = createHash('sha256');
  for (const [index, line] of source.entries()) hash.update(`${line}\t${target[index]}\n`);
  return hash.digest('hex');
}
