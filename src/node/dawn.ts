/**
 * Dawn, Chromium's WebGPU, as the npm package `webgpu` binds it to Node. It is loaded only when a device is
 * wanted. What `create()` returns must outlive every device made from it (once it is collected the process crashes
 * at random), so each one is kept for ever, and used again: there are few, since the same toggles and drivers share one.
 */
import { AdapterError } from '../errors.ts';
import { messageOf } from '../gpu/request-device.ts';

export const dawnInstall = 'npm install webgpu';

/** What the package `webgpu` exports, as far as it is used. */
export type WebGpuPackage = { create(flags: string[]): GPU };

export type Listed = { name: string; backend: string };

export type AdapterRequest = {
  /** Part of the name that `list` gives; any adapter where it is missing. */
  name?: string;
  /** A Vulkan driver's manifest to use instead of the system's drivers. */
  manifest?: string;
  /** Dawn's toggles: `a` enables, `-a` disables. */
  toggles?: readonly string[];
  powerPreference?: GPUPowerPreference;
};

/** On the global object, since a development server may reload this module while devices live on. */
const keepAlive = Symbol.for('couplet.dawn-instances');
const keeper = globalThis as { [keepAlive]?: Set<GPU> };
keeper[keepAlive] ??= new Set();
const alive = keeper[keepAlive];

export class Dawn {
  readonly #create: WebGpuPackage['create'];
  readonly #instances = new Map<string, GPU>();

  constructor(create: WebGpuPackage['create']) {
    this.#create = create;
  }

  /** The best adapter that fits, best first being Dawn's order (discrete, integrated, CPU). None: undefined. */
  async adapter(request: AdapterRequest): Promise<GPUAdapter | undefined> {
    const flags = toggleFlags(request.toggles ?? []);
    if (request.name !== undefined) flags.push(`adapter=${request.name}`);
    try {
      const powerPreference = request.powerPreference ?? 'high-performance';
      return (await this.#request(flags, request.manifest, { powerPreference })) ?? undefined;
    } catch (error) {
      // Asked for a name that none has, Dawn rejects.
      if (parseListing(error) !== undefined) return undefined;
      throw error;
    }
  }

  /** Every adapter that Dawn accepts. Asked for a name that none can have, it answers with a list of them all. */
  async list(manifest?: string): Promise<Listed[]> {
    try {
      await this.#request(['adapter=\u0001'], manifest, {});
    } catch (error) {
      const listing = parseListing(error);
      if (listing) return listing;
      throw error;
    }
    return [];
  }

  #request(flags: string[], manifest: string | undefined, options: GPURequestAdapterOptions) {
    const key = JSON.stringify([manifest ?? '', ...flags]);
    return withDriver(manifest, () => {
      const gpu = this.#instances.get(key) ?? this.#create(flags);
      this.#instances.set(key, gpu);
      alive.add(gpu);
      return gpu.requestAdapter(options);
    });
  }
}

let shared: Promise<Dawn> | undefined;

/** Dawn, loaded once. Throws AdapterError, with what to do, where `webgpu` is not installed or does not load. */
export function loadDawn(): Promise<Dawn> {
  shared ??= openDawn(() => import('webgpu') as Promise<WebGpuPackage>).catch((error: unknown) => {
    shared = undefined;
    throw error;
  });
  return shared;
}

export async function openDawn(load: () => Promise<WebGpuPackage>): Promise<Dawn> {
  try {
    const { create } = await load();
    return new Dawn(create);
  } catch (cause) {
    throw new AdapterError(loadFailure(cause), { cause });
  }
}

function loadFailure(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const message = messageOf(cause);
  if (code === 'ERR_MODULE_NOT_FOUND' && /package 'webgpu'/.test(message)) {
    return `in Node, Couplet runs on the package webgpu (Dawn), which is not installed: run "${dawnInstall}"`;
  }
  const platform = `${process.platform} ${process.arch}`;
  return (
    `the package webgpu (Dawn) does not load on this ${platform} system: ${message}. It is built for Linux (x64 and ` +
    `arm64, with a C++ library as new as Debian 12's), macOS and Windows; "${dawnInstall}@latest" may help`
  );
}

function toggleFlags(toggles: readonly string[]): string[] {
  const enabled = toggles.filter((toggle) => !toggle.startsWith('-'));
  const disabled = toggles.filter((toggle) => toggle.startsWith('-')).map((toggle) => toggle.slice(1));
  const flags: string[] = [];
  if (enabled.length > 0) flags.push(`enable-dawn-features=${enabled.join(',')}`);
  if (disabled.length > 0) flags.push(`disable-dawn-features=${disabled.join(',')}`);
  return flags;
}

/** The lines ` * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)'` of Dawn's refusal; undefined in others. */
function parseListing(error: unknown): Listed[] | undefined {
  const message = error instanceof Error ? error.message : String(error);
  const start = message.indexOf('Available adapters:');
  if (start < 0) return undefined;
  return [...message.slice(start).matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm)].map((match) => ({
    backend: match[1]!,
    name: match[2]!,
  }));
}

/** The variables that tell a Vulkan loader which drivers to use; all must agree for one driver to be chosen. */
const driverVariables = [
  'VK_DRIVER_FILES',
  'VK_ICD_FILENAMES',
  'VK_ADD_DRIVER_FILES',
  'VK_LOADER_DRIVERS_SELECT',
  'VK_LOADER_DRIVERS_DISABLE',
];

/**
 * Runs `action` with the Vulkan loader pointed at one driver. Dawn makes its Vulkan instance, and the loader reads
 * the environment, before `requestAdapter` returns its promise: so the change never outlives this call.
 */
function withDriver<T>(manifest: string | undefined, action: () => T): T {
  if (manifest === undefined) return action();
  const before = driverVariables.map((name) => [name, process.env[name]] as const);
  for (const name of driverVariables) delete process.env[name];
  process.env.VK_DRIVER_FILES = manifest;
  process.env.VK_ICD_FILENAMES = manifest; // what loaders before 1.3.207 read
  try {
    return action();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
