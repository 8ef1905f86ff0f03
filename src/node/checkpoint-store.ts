/**
 * The checkpoints of a run: one folder per checkpoint, named by its step, made elsewhere and renamed into place
 * when it is complete and flushed. What is there is the truth; `index.json` only tells it to people and tools.
 */
import type { Dirent } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors.ts';
import {
  fileError,
  flushFolder,
  makeFolder,
  moveTo,
  readFileWhole,
  removeAll,
  removeFolderAtomic,
  removeUnfinished,
  sha256,
  unfinishedName,
  writeFileAtomic,
  writeFileFlushed,
} from './atomic-files.ts';
import type { CheckpointInfo, Manifest } from './checkpoint-manifest.ts';
import {
  compareBest,
  formatManifest,
  isPlainName,
  MANIFEST_NAME,
  MODEL_NAME,
  makeManifest,
  parseManifest,
} from './checkpoint-manifest.ts';

/** How many checkpoints stay: so many of the best and so many of the latest. */
export interface Keep {
  readonly best: number;
  readonly last: number;
}

export interface LoadedCheckpoint extends CheckpointInfo {
  /** The files' bytes by name, their sums checked. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What was found damaged and passed over on the way to this one. */
  readonly warnings: readonly string[];
}

const REPLACED = '.replaced-';

export class CheckpointStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The steps of the checkpoints that are there, sound or not, in ascending order. */
  async steps(): Promise<number[]> {
    const names = await namesIn(this.folder);
    return names
      .filter((entry) => entry.isDirectory() && /^[0-9]{1,15}$/.test(entry.name))
      .map((entry) => Number(entry.name))
      .sort((a, b) => a - b);
  }

  /** The manifests that are sound, in ascending order of steps, and what was wrong with the others. */
  async manifests(): Promise<{ manifests: Manifest[]; problems: string[] }> {
    const manifests: Manifest[] = [];
    const problems: string[] = [];
    for (const step of await this.steps()) {
      try {
        manifests.push(await this.#readManifest(step));
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    return { manifests, problems };
  }

  /**
   * Adds a checkpoint. Until the last rename nothing that was there changes; a checkpoint of the same step is
   * replaced. One without a score takes over that of the same step if it holds the same weights, as when training
   * is stopped right after a validation. `prune` is left to the caller.
   */
  async write(info: CheckpointInfo, files: ReadonlyMap<string, Uint8Array>): Promise<Manifest> {
    for (const name of files.keys()) {
      if (!isPlainName(name))
        throw new CheckpointError(`${JSON.stringify(name)} cannot be a checkpoint's file.`);
    }
    if (!Number.isSafeInteger(info.step) || info.step < 0)
      throw new CheckpointError(`${info.step} is no step.`);
    const manifest = await this.#withKnownScore(makeManifest(info, files));
    const target = this.#pathOf(info.step);
    const unfinished = unfinishedName(target);
    const replaced = join(this.folder, `${REPLACED}${info.step}`);
    try {
      await makeFolder(this.folder);
      await mkdir(unfinished);
      for (const [name, bytes] of files) await writeFileFlushed(join(unfinished, name), bytes);
      await writeFileFlushed(join(unfinished, MANIFEST_NAME), formatManifest(manifest));
      await flushFolder(unfinished);
      // Between these two renames a crash leaves the old one under its other name: `repair` puts it back.
      if (await this.#has(info.step)) await moveTo(target, replaced);
      await moveTo(unfinished, target);
      await flushFolder(this.folder);
      await removeAll(replaced);
    } catch (cause) {
      await this.repair().catch(() => {});
      throw fileError('write the checkpoint', target, cause);
    }
    return manifest;
  }

  /** Finishes or takes back what a killed process had begun. Only while nobody else writes here. */
  async repair(): Promise<void> {
    await makeFolder(this.folder);
    for (const { name } of await namesIn(this.folder)) {
      if (!name.startsWith(REPLACED)) continue;
      const step = Number(name.slice(REPLACED.length));
      if (await this.#has(step)) await removeAll(join(this.folder, name));
      else await moveTo(join(this.folder, name), this.#pathOf(step));
    }
    await removeUnfinished(this.folder);
  }

  /** Renames the checkpoints after `step` to `damaged-STEP`, where nothing looks for them. */
  async setAsideAfter(step: number): Promise<void> {
    for (const later of await this.steps()) {
      if (later <= step) continue;
      const aside = join(this.folder, `damaged-${later}`);
      await removeAll(aside);
      await moveTo(this.#pathOf(later), aside);
    }
  }

  /** Deletes all but the best and the latest checkpoints, and writes the index. Damaged ones are left for people. */
  async prune(keep: Keep): Promise<void> {
    const { manifests } = await this.manifests();
    const best = [...manifests].sort(compareBest);
    const kept = new Set<Manifest>([
      ...best.slice(0, Math.max(1, keep.best)),
      ...manifests.slice(-Math.max(1, keep.last)),
    ]);
    const index = {
      latest: manifests.at(-1)?.step ?? null,
      best: best[0]?.step ?? null,
      checkpoints: manifests.filter((one) => kept.has(one)).map(({ step, score }) => ({ step, score })),
    };
    await writeFileAtomic(join(this.folder, 'index.json'), `${JSON.stringify(index, null, 2)}\n`);
    for (const manifest of manifests) {
      if (!kept.has(manifest)) await removeFolderAtomic(this.#pathOf(manifest.step));
    }
  }

  /**
   * The latest checkpoint, the best one, or that of a step, with all sums checked. In place of a damaged latest or
   * best one the next comes, and `warnings` say so; a step asked for by number has no stand-in.
   *
   * @throws CheckpointError if there is none, or none is sound
   */
  async load(which: 'latest' | 'best' | number): Promise<LoadedCheckpoint> {
    const steps = await this.steps();
    if (steps.length === 0) throw new CheckpointError(`${this.folder} holds no checkpoint yet.`);
    if (typeof which === 'number') {
      if (!steps.includes(which)) {
        throw new CheckpointError(`${this.folder} holds no checkpoint ${which}; it has ${steps.join(', ')}.`);
      }
      return { ...(await this.#read(await this.#readManifest(which))), warnings: [] };
    }
    const { manifests, problems: warnings } = await this.manifests();
    const order = which === 'latest' ? manifests.reverse() : manifests.sort(compareBest);
    for (const manifest of order) {
      try {
        const loaded = await this.#read(manifest);
        if (warnings.length > 0) warnings.push(`Checkpoint ${manifest.step} is used instead.`);
        return { ...loaded, warnings };
      } catch (error) {
        warnings.push((error as Error).message);
      }
    }
    throw new CheckpointError(`${this.folder} holds no sound checkpoint:\n${warnings.join('\n')}`);
  }

  async #readManifest(step: number): Promise<Manifest> {
    const file = join(this.#pathOf(step), MANIFEST_NAME);
    const manifest = parseManifest(new TextDecoder().decode(await readFileWhole(file)), file);
    if (manifest.step !== step)
      throw new CheckpointError(`${file} is of checkpoint ${manifest.step}, not of ${step}.`);
    return manifest;
  }

  async #read(manifest: Manifest): Promise<Omit<LoadedCheckpoint, 'warnings'>> {
    const files = new Map<string, Uint8Array>();
    for (const [name, expected] of manifest.files) {
      const file = join(this.#pathOf(manifest.step), name);
      const bytes = await readFileWhole(file);
      if (bytes.length !== expected.bytes) {
        throw new CheckpointError(
          `${file} is damaged: it has ${bytes.length} bytes instead of ${expected.bytes}.`,
        );
      }
      if (sha256(bytes) !== expected.sha256) {
        throw new CheckpointError(`${file} is damaged: its SHA-256 is not the one in its manifest.`);
      }
      files.set(name, bytes);
    }
    const { step, score, better } = manifest;
    return { step, score, better, files };
  }

  async #withKnownScore(manifest: Manifest): Promise<Manifest> {
    if (manifest.score !== null || !(await this.#has(manifest.step))) return manifest;
    const known = await this.#readManifest(manifest.step).catch(() => undefined);
    const sameWeights = known?.files.get(MODEL_NAME)?.sha256 === manifest.files.get(MODEL_NAME)?.sha256;
    return known && sameWeights ? { ...manifest, score: known.score, better: known.better } : manifest;
  }

  async #has(step: number): Promise<boolean> {
    return (await this.steps()).includes(step);
  }

  #pathOf(step: number): string {
    return join(this.folder, String(step));
  }
}

async function namesIn(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError('list', folder, cause);
  }
}
