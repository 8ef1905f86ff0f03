/**
 * Makes sure a Vulkan loader is in the process before Dawn asks for one (Linux only). Dawn opens `libvulkan.so.1`
 * by that bare name, so any library of that name already in the process serves it: the system's, or where there is
 * none, the one that comes with SwiftShader. The latter finds the system's drivers as well, which is what a
 * container with an NVIDIA driver and no loader needs.
 */
import { readdirSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';

const noDelete = 0x1000; // RTLD_NODELETE in glibc and musl: Node closes what is no add-on, and it must stay

export type VulkanLoader = 'system' | 'bundled';

let loaded: VulkanLoader | undefined;

/** Which loader is in the process, loading one where that is possible: the system's, else `bundled` (a path). */
export function ensureVulkanLoader(bundled?: string): VulkanLoader | undefined {
  loaded ??= loadLibrary('libvulkan.so.1') ? 'system' : undefined;
  if (!loaded && bundled && loadLibrary(bundled)) loaded = 'bundled';
  return loaded;
}

/** Loads a shared library that is no Node add-on. `process.dlopen` then throws, but only after loading it. */
function loadLibrary(path: string): boolean {
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | noDelete);
  } catch (error) {
    return error instanceof Error && error.message.includes('did not self-register');
  }
  return true;
}

/**
 * The manifests of the Vulkan drivers that are installed, in the folders where Khronos's loader looks, or the ones that
 * the environment names. A loader of a distribution's own may know further folders.
 */
export function driverManifests(environment: NodeJS.ProcessEnv = process.env): string[] {
  const named = environment.VK_DRIVER_FILES || environment.VK_ICD_FILENAMES;
  if (named) return named.split(':').filter(Boolean);
  const home = homedir();
  const folders = [
    environment.XDG_CONFIG_HOME || join(home, '.config'),
    ...(environment.XDG_CONFIG_DIRS || '/etc/xdg').split(':'),
    '/usr/local/etc',
    '/etc',
    environment.XDG_DATA_HOME || join(home, '.local/share'),
    ...(environment.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(':'),
    '/run/opengl-driver/share', // NixOS
  ];
  const manifests = folders.filter(Boolean).flatMap((folder) => jsonFiles(join(folder, 'vulkan', 'icd.d')));
  const added = environment.VK_ADD_DRIVER_FILES?.split(':').filter(Boolean) ?? [];
  return [...new Set([...added, ...manifests])];
}

function jsonFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(folder, name));
  } catch {
    return []; // most of these folders do not exist
  }
}
