/**
 * The manifest of a checkpoint: which files it has, with their sizes and SHA-256, and how good it was. It is written
 * last and carries a sum of itself, so a checkpoint with a sound manifest is complete, and damage is named.
 */
import { CheckpointError } from '../errors.ts';
import { sha256 } from './atomic-files.ts';

export const MANIFEST_NAME = 'manifest.json';
/** The file of a checkpoint that holds its weights; the best checkpoint's is the run's model. */
export const MODEL_NAME = 'model.safetensors';

export interface CheckpointInfo {
  /** Updates done. */
  readonly step: number;
  /** What the early stopping metric was, or null if nothing was validated. */
  readonly score: number | null;
  /** Which scores are better. */
  readonly better: 'lower' | 'higher';
}

export interface Manifest extends CheckpointInfo {
  readonly files: ReadonlyMap<string, { readonly bytes: number; readonly sha256: string }>;
}

/** File names that are no path and mean the same on every system. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(name) && !name.endsWith('.') && name !== MANIFEST_NAME;
}

export function makeManifest(info: CheckpointInfo, files: ReadonlyMap<string, Uint8Array>): Manifest {
  const entries = [...files].map(
    ([name, bytes]) => [name, { bytes: bytes.length, sha256: sha256(bytes) }] as const,
  );
  const score = info.score !== null && Number.isFinite(info.score) ? info.score : null;
  return { step: info.step, score, better: info.better, files: new Map(entries) };
}

export function formatManifest({ step, score, better, files }: Manifest): string {
  const body = {
    format: 'couplet-checkpoint',
    version: 1,
    step,
    score,
    better,
    files: Object.fromEntries(files),
  };
  return `${JSON.stringify({ ...body, sha256: sha256(JSON.stringify(body)) }, null, 2)}\n`;
}

/** @throws CheckpointError naming `file` if it is not, bit for bit in what it says, a manifest written here */
export function parseManifest(text: string, file: string): Manifest {
  const damaged = () => new CheckpointError(`${file} is damaged.`);
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw damaged();
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged();
  const { sha256: sum, ...body } = parsed;
  if (sum !== sha256(JSON.stringify(body))) throw damaged();
  if (body.format !== 'couplet-checkpoint' || body.version !== 1) {
    throw new CheckpointError(`${file} is of a newer version of Couplet than this one.`);
  }
  // The sum says that what follows was written by formatManifest, or by somebody with intent: names are
  // checked all the same, since they become paths.
  const { step, score, better, files } = body as unknown as CheckpointInfo & {
    files: Record<string, FileSum>;
  };
  const entries = Object.entries(files ?? {});
  if (!Number.isSafeInteger(step) || !entries.every(([name]) => isPlainName(name))) throw damaged();
  return {
    step,
    score: score ?? null,
    better: better === 'higher' ? 'higher' : 'lower',
    files: new Map(entries),
  };
}

type FileSum = { bytes: number; sha256: string };

/** Best first: by score, and of equal ones the earlier. Those without a score come last, the latest first. */
export function compareBest(a: CheckpointInfo, b: CheckpointInfo): number {
  if (a.score === null || b.score === null) {
    if (a.score === b.score) return b.step - a.step;
    return a.score === null ? 1 : -1;
  }
  const byScore = a.better === 'lower' ? a.score - b.score : b.score - a.score;
  return byScore || a.step - b.step;
}
