/**
 * What was measured about this machine's devices, kept in the cache folder: a file for each adapter, driver, backend and
 * version of Couplet. A file that is missing or damaged is measured anew.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Gpu } from '../gpu/gpu.ts';
import { parseTuning, type Tuning } from '../gpu/tuning.ts';
import { probeMatmul } from '../ops/matmul-probe.ts';
import { makeFolder, sha256, writeFileAtomic } from './atomic-files.ts';
import { cacheFolder } from './cache-folder.ts';
import { coupletVersion } from './find-package.ts';

/** The device's tuning from the cache, else from a probe, which the cache then keeps if it can. */
export async function cachedTuning(gpu: Gpu, folder = cacheFolder()): Promise<Tuning> {
  const { name, description, backend = '', features } = gpu.report;
  const device = { couplet: coupletVersion(), name, driver: description, backend, features };
  const path = join(folder, 'tuning', `${sha256(JSON.stringify(device)).slice(0, 16)}.json`);
  const known = await readTuning(path);
  if (known) return known;
  const tuning = await probeMatmul(gpu);
  try {
    await makeFolder(join(folder, 'tuning'));
    await writeFileAtomic(path, `${JSON.stringify({ device, tuning }, null, 2)}\n`);
  } catch {
    // A cache that cannot be written costs the next start a probe.
  }
  return tuning;
}

async function readTuning(path: string): Promise<Tuning | undefined> {
  try {
    return parseTuning((JSON.parse(await readFile(path, 'utf8')) as { tuning?: unknown }).tuning);
  } catch {
    return undefined;
  }
}
