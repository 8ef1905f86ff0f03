/**
 * Makes sure a Vulkan loader is in the process before Dawn asks for one (Linux only). Dawn opens `libvulkan.so.1`
 * by that bare name, so any library of that name already in the process serves it: the system's, or where there is
 * none, the one that comes with SwiftShader. The latter finds the system's drivers as well, which is what a
 * container with an NVIDIA driver and no loader needs.
 */
import { constants } from 'node:os';

const noDelete = 0x1000; // RTLD_NODELETE in glibc and musl: Node closes what is no add-on, and it must stay

let loaded: 'system' | 'bundled' | undefined;

/** Which loader is in the process, loading one where that is possible: the system's, else `bundled` (a path). */
export function ensureVulkanLoader(bundled: string | undefined): 'system' | 'bundled' | undefined {
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
