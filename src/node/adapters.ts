/**
 * The choice among a machine's adapters in Node: a GPU, else a software Vulkan of the system that Dawn accepts, else
 * SwiftShader out of npm. A search yields what it finds in order of preference, and what it looked for in vain with the
 * reason, so that an opener can go on to the next adapter and an error can tell the whole story.
 */
import { isMainThread } from 'node:worker_threads';
import { type AdapterReport, type AdapterSource, reportAdapter } from '../gpu/adapter-report.ts';
import { messageOf } from '../gpu/request-device.ts';
import type { Missing, System } from './adapter-advice.ts';
import type { AdapterRequest, Dawn } from './dawn.ts';
import type { SwiftShader } from './swiftshader.ts';
import type { VulkanLoader } from './vulkan-loader.ts';

/** What the search asks of the machine; tests give it others. */
export type Machine = System & {
  dawn: Dawn;
  /** Which Vulkan loader is in the process now; `bundled` is the path of one to use where the system has none. */
  ensureVulkanLoader(bundled?: string): VulkanLoader | undefined;
  /** The manifests of the Vulkan drivers that are installed. */
  driverManifests(): string[];
  /** Throws AdapterError where it is not to be had. */
  swiftShader(): Promise<SwiftShader>;
};

export type Found = { source: AdapterSource; adapter: GPUAdapter; offered: AdapterReport };
export type Search = AsyncGenerator<Found | Missing, void>;

type SearchOptions = Pick<AdapterRequest, 'toggles' | 'powerPreference'>;

/** `wanted`, in lower case, is `auto`, `hardware`, `system` or `lavapipe`, `swiftshader`, or a part of a name. */
export function searchAdapters(machine: Machine, wanted: string, options: SearchOptions = {}): Search {
  switch (wanted) {
    case 'auto':
      return searchAuto(machine, options);
    case 'hardware':
      return searchHardware(machine, options);
    case 'lavapipe':
    case 'system':
      return searchSystemSoftware(machine, options);
    case 'swiftshader':
      return searchSwiftShader(machine, options);
    default:
      return searchByName(machine, wanted, options);
  }
}

async function* searchAuto(machine: Machine, options: SearchOptions): Search {
  const best = await bestOfSystem(machine, options);
  yield best;
  if ('adapter' in best && best.source === 'hardware') {
    // It did not open, or nobody would be asking. Dawn's order ends with the software adapters.
    yield* searchSystemSoftware(machine, options);
  }
  yield await bundledSwiftShader(machine, options);
}

async function* searchHardware(machine: Machine, options: SearchOptions): Search {
  const best = await bestOfSystem(machine, options);
  const isSoftware = 'adapter' in best && best.source !== 'hardware';
  const problem = isSoftware ? `the system's best adapter is ${best.offered.name}, which is software` : '';
  yield isSoftware ? { looked: 'a GPU', problem } : best;
}

async function* searchSystemSoftware(machine: Machine, options: SearchOptions): Search {
  const looked = "the system's software Vulkan";
  const problem = await systemProblem(machine);
  if (problem !== undefined) return yield { looked, problem };
  try {
    // By far the fastest of them, hence first.
    const lavapipe = await machine.dawn.adapter({ ...options, name: 'llvmpipe' });
    if (lavapipe) return yield found(machine, lavapipe, 'system-software');
    for (const { name } of await machine.dawn.list()) {
      const adapter = await machine.dawn.adapter({ ...options, name });
      const candidate = adapter && found(machine, adapter, 'system-software');
      if (candidate?.offered.kind === 'software') return yield candidate;
    }
    yield { looked, problem: 'none that Dawn accepts (of Mesa, lavapipe 25 or newer)' };
  } catch (error) {
    yield { looked, problem: messageOf(error) };
  }
}

async function* searchSwiftShader(machine: Machine, options: SearchOptions): Search {
  const bundled = await bundledSwiftShader(machine, options);
  yield bundled;
  if ('adapter' in bundled || (await systemProblem(machine)) !== undefined) return;
  const installed = await machine.dawn.adapter({ ...options, name: 'SwiftShader' }).catch(() => undefined);
  if (installed) yield found(machine, installed, 'swiftshader');
}

async function* searchByName(machine: Machine, wanted: string, options: SearchOptions): Search {
  const names = new Set<string>();
  for await (const entry of listings(machine)) {
    if ('problem' in entry) {
      yield entry;
      continue;
    }
    names.add(entry.name);
    if (!entry.name.toLowerCase().includes(wanted)) continue;
    yield* openListing(machine, entry, options);
  }
  const known = names.size === 0 ? 'there are none at all' : `there are: ${[...names].join(', ')}`;
  yield { looked: `an adapter with "${wanted}" in its name`, problem: known };
}

/** Every adapter, for the doctor: those of the system in Dawn's order, then npm's SwiftShader. */
export async function* everyAdapter(machine: Machine): Search {
  for await (const entry of listings(machine)) {
    if ('problem' in entry) yield entry;
    else yield* openListing(machine, entry, {});
  }
}

/** An adapter's full name; `manifest` where it is npm's driver and not one of the system's. */
type Listing = { name: string; backend: string; manifest?: string };

async function* listings(machine: Machine): AsyncGenerator<Listing | Missing, void> {
  const problem = await systemProblem(machine);
  if (problem === undefined) yield* listingsOf(machine, "the system's adapters");
  else yield { looked: "the system's adapters", problem };
  const bundled = await bundledDriver(machine);
  if ('problem' in bundled) yield bundled;
  else yield* listingsOf(machine, npmSwiftShader, bundled.manifest);
}

async function* listingsOf(
  machine: Machine,
  looked: string,
  manifest?: string,
): AsyncGenerator<Listing | Missing, void> {
  try {
    const listed = await machine.dawn.list(manifest);
    if (listed.length === 0) yield { looked, problem: 'none that Dawn accepts' };
    for (const entry of listed) yield manifest === undefined ? entry : { ...entry, manifest };
  } catch (error) {
    yield { looked, problem: messageOf(error) };
  }
}

async function* openListing(machine: Machine, entry: Listing, options: SearchOptions): Search {
  const { name, backend, manifest } = entry;
  try {
    const adapter = await machine.dawn.adapter({
      ...options,
      name,
      ...(manifest === undefined ? {} : { manifest }),
    });
    if (adapter) yield found(machine, adapter, manifest === undefined ? 'system' : 'swiftshader', backend);
  } catch (error) {
    yield { looked: name, problem: messageOf(error) };
  }
}

async function bestOfSystem(machine: Machine, options: SearchOptions): Promise<Found | Missing> {
  const looked = "a GPU or the system's software Vulkan";
  const problem = await systemProblem(machine);
  if (problem !== undefined) return { looked, problem };
  try {
    const adapter = await machine.dawn.adapter(options);
    if (!adapter) return { looked, problem: 'no driver that Dawn accepts' };
    const best = found(machine, adapter, 'system');
    if (best.offered.name !== 'SwiftShader') return best;
    // With SwiftShader and lavapipe both installed, Dawn may put the slower one first.
    const lavapipe = await machine.dawn.adapter({ ...options, name: 'llvmpipe' });
    return lavapipe ? found(machine, lavapipe, 'system') : best;
  } catch (error) {
    return { looked, problem: messageOf(error) };
  }
}

async function bundledSwiftShader(machine: Machine, options: SearchOptions): Promise<Found | Missing> {
  const driver = await bundledDriver(machine);
  if ('problem' in driver) return driver;
  try {
    const adapter = await machine.dawn.adapter({
      ...options,
      name: 'SwiftShader',
      manifest: driver.manifest,
    });
    if (adapter) return found(machine, adapter, 'swiftshader');
    const problem = `the Vulkan loader did not take its driver, ${driver.manifest}${workerHint()}`;
    return { looked: npmSwiftShader, problem };
  } catch (error) {
    return { looked: npmSwiftShader, problem: messageOf(error) };
  }
}

const npmSwiftShader = 'SwiftShader from npm';

/** npm's driver, unpacked, with a loader in the process that can load it. */
async function bundledDriver(machine: Machine): Promise<SwiftShader | Missing> {
  try {
    const driver = await machine.swiftShader();
    if (machine.ensureVulkanLoader(driver.loader)) return driver;
    return { looked: npmSwiftShader, problem: `${driver.loader} could not be loaded` };
  } catch (error) {
    return { looked: npmSwiftShader, problem: messageOf(error) };
  }
}

/** Only the main thread's `process.env` is what the Vulkan loader reads. */
function workerHint(): string {
  return isMainThread ? '' : ' (in a worker thread: start the worker with { env: SHARE_ENV })';
}

/** Why no system driver can be reached; undefined where one can, if need be through the loader from npm. */
async function systemProblem(machine: Machine): Promise<string | undefined> {
  if (machine.platform !== 'linux' || machine.ensureVulkanLoader() === 'system') return undefined;
  const noLoader = 'this system has no Vulkan loader (libvulkan.so.1)';
  // Without this, Dawn would complain on stderr in every run that only ever wanted SwiftShader.
  if (machine.driverManifests().length === 0) return `${noLoader} and no Vulkan driver`;
  const bundled = await machine.swiftShader().catch(() => undefined);
  return bundled && machine.ensureVulkanLoader(bundled.loader) ? undefined : noLoader;
}

function found(
  machine: Machine,
  adapter: GPUAdapter,
  from: AdapterSource | 'system',
  backend?: string,
): Found {
  const details = { backend: backend ?? defaultBackend(machine.platform) };
  const offered = reportAdapter(adapter.info, adapter, 'hardware', details);
  const source =
    from !== 'system' ? from : offered.kind === 'hardware' ? 'hardware' : ('system-software' as const);
  return { source, adapter, offered: { ...offered, source } };
}

function defaultBackend(platform: NodeJS.Platform): string {
  if (process.env.DAWNNODE_BACKEND) return process.env.DAWNNODE_BACKEND;
  return platform === 'darwin' ? 'metal' : platform === 'win32' ? 'd3d12' : 'vulkan';
}
