/**
 * The software GPU that npm brings: SwiftShader, Google's Vulkan on the CPU, lies compressed in
 * `@sparticuz/chromium` (Linux x64). It is unpacked once into the cache folder; any number of processes may start
 * at the same moment, since each unpacks into a folder of its own and renaming that into place is atomic.
 */
import { chmod, mkdir, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { AdapterError } from '../errors.ts';
import { messageOf } from '../gpu/request-device.ts';
import { cacheFolder } from './cache-folder.ts';
import { findPackage } from './find-package.ts';
import { readTar } from './tar.ts';

export const swiftShaderPackage = '@sparticuz/chromium';
/** The newest release that runs on Node 20. */
export const swiftShaderInstall = `npm install --save-dev ${swiftShaderPackage}@147`;

export type SwiftShader = {
  /** Of the package it came in. */
  version: string;
  /** The manifest that tells a Vulkan loader where the driver is. */
  manifest: string;
  /** A Vulkan loader (`libvulkan.so.1`), for systems that have none. */
  loader: string;
};

const manifestFile = 'vk_swiftshader_icd.json';
const loaderFile = 'libvulkan.so.1';
const files = [manifestFile, 'libvk_swiftshader.so', loaderFile];

/** Finds the package and unpacks it where that has not been done. Throws AdapterError saying what is missing. */
export async function installedSwiftShader(): Promise<SwiftShader> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new AdapterError(
      `npm carries SwiftShader for Linux x64 only, not for ${process.platform} ${process.arch}`,
    );
  }
  const found = findPackage(swiftShaderPackage);
  if (!found) throw new AdapterError(`${swiftShaderPackage} is not installed`);
  const archive = join(found.folder, 'bin', 'swiftshader.tar.br');
  return await unpackSwiftShader(archive, found.version, cacheFolder());
}

/** Makes `<cache>/swiftshader-<version>` from the archive unless it is there, and says what is in it. */
export async function unpackSwiftShader(
  archive: string,
  version: string,
  cache: string,
): Promise<SwiftShader> {
  const folder = join(cache, `swiftshader-${version}`);
  const unpacked = { version, manifest: join(folder, manifestFile), loader: join(folder, loaderFile) };
  if (await isComplete(folder)) return unpacked;
  try {
    await mkdir(cache, { recursive: true });
    const temporary = await mkdtemp(`${folder}.tmp-`);
    try {
      await unpackInto(temporary, archive);
      await chmod(temporary, 0o755); // mkdtemp's folders are private, a shared cache is not
      await putInPlace(temporary, folder);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  } catch (cause) {
    throw new AdapterError(
      `SwiftShader could not be unpacked from ${archive} to ${folder}: ${messageOf(cause)}. ` +
        'COUPLET_CACHE names another folder to use',
      { cause },
    );
  }
  return unpacked;
}

async function unpackInto(folder: string, archive: string): Promise<void> {
  const contents = readTar(await promisify(brotliDecompress)(await readFile(archive)));
  for (const name of files) {
    const content = [...contents].find(([path]) => basename(path) === name)?.[1];
    if (!content) throw new Error(`the archive lacks ${name}`);
    const file = await open(join(folder, name), 'wx', 0o644);
    try {
      await file.writeFile(content);
      await file.sync(); // or a power cut could leave the folder in place with empty files
    } finally {
      await file.close();
    }
  }
}

/** Renames one folder to another; where another process was faster, its folder stays. */
async function putInPlace(temporary: string, folder: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await rename(temporary, folder);
    } catch (error) {
      if (await isComplete(folder)) return;
      if (attempt === 3) throw error;
      // Something incomplete is in the way (a cleaner of old files was here): move it aside whole, then delete it.
      const aside = await mkdtemp(`${folder}.old-`);
      await rename(folder, join(aside, 'folder')).catch(() => {}); // another process may do the same
      await rm(aside, { recursive: true, force: true });
    }
  }
}

async function isComplete(folder: string): Promise<boolean> {
  for (const name of files) {
    const size = await stat(join(folder, name)).then(
      (found) => found.size,
      () => 0,
    );
    if (size === 0) return false;
  }
  return true;
}
