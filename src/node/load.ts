/** `load` for Node: as in a browser, and from a run folder on disk. */
import { fileURLToPath } from 'node:url';
import type { Gpu } from '../gpu/gpu.ts';
import type { AnyModel } from '../models/kinds.ts';
import { load as loadAnywhere, type ModelSource } from '../models/load.ts';
import { loadRun } from './load-run.ts';

export interface LoadOptions {
  /** Hears of damaged checkpoints that were passed over on the way to a sound one. */
  readonly onWarning?: (message: string) => void;
}

/**
 * The model of a run folder (a path or a `file:` URL; its best checkpoint), of the files below an `http(s):` URL, or of
 * a `Map` of files.
 * @throws CheckpointError, ConfigError or DataError naming the file that is missing, damaged or of another model
 */
export async function load<M extends AnyModel = AnyModel>(
  gpu: Gpu,
  from: ModelSource,
  options: LoadOptions = {},
): Promise<M> {
  const path = localPath(from);
  if (path === undefined) return await loadAnywhere<M>(gpu, from);
  const { model, warnings } = await loadRun(gpu, path);
  for (const warning of warnings) options.onWarning?.(warning);
  return model as M;
}

function localPath(from: ModelSource): string | undefined {
  if (from instanceof URL) return from.protocol === 'file:' ? fileURLToPath(from) : undefined;
  if (typeof from !== 'string') return undefined;
  if (from.startsWith('file:')) return fileURLToPath(from);
  return /^(https?|data|blob):/i.test(from) ? undefined : from;
}
