/**
 * Finds an installed package's folder and version without loading it. Node's own resolution cannot: packages
 * with an `exports` map mostly hide their package.json.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type InstalledPackage = { folder: string; version: string };

const here = dirname(fileURLToPath(import.meta.url));

/** Looks in every `node_modules` above each of `starts`: this file's folder, then the current one. */
export function findPackage(
  name: string,
  starts: readonly string[] = [here, process.cwd()],
): InstalledPackage | undefined {
  for (const start of starts) {
    for (const folder of foldersAbove(start)) {
      const found = readPackage(join(folder, 'node_modules', name), name);
      if (found) return found;
    }
  }
  return undefined;
}

/** The version of the Couplet that this file belongs to. */
export function coupletVersion(): string {
  return ownPackage()?.version ?? 'unknown';
}

/** The Couplet that this file belongs to, in a checkout or installed. */
export function ownPackage(): InstalledPackage | undefined {
  for (const folder of foldersAbove(here)) {
    const found = readPackage(folder, 'couplet');
    if (found) return found;
  }
  return undefined;
}

function* foldersAbove(start: string): Generator<string> {
  for (let folder = start; ; folder = dirname(folder)) {
    yield folder;
    if (dirname(folder) === folder) return;
  }
}

function readPackage(folder: string, name: string): InstalledPackage | undefined {
  const manifest = join(folder, 'package.json');
  if (!existsSync(manifest)) return undefined;
  const { name: found, version } = JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, unknown>;
  return found === name && typeof version === 'string' ? { folder, version } : undefined;
}
