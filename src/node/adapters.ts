/**
 * The choice among a machine's adapters in Node: a GPU, else a software Vulkan of the system that Dawn accepts, else
 * SwiftShader out of npm. A search yields what it finds in order of preference, and what it looked for in vain with the
 * reason, so that an opener can go on to the next adapter and an error can tell the whole story.
 */
import { isMainThread } from 'node:worker_threads';
import { AdapterError } from '../errors.ts';
import { type AdapterReport, type AdapterSource, reportAdapter } from '../gpu/adapter-report.ts';
import { messageOf } from '../gpu/request-device.ts';
import type { AdapterRequest, Dawn } from './dawn.ts';
import { type SwiftShader, swiftShaderInstall, swiftShaderPackage } from './swiftshader.ts';

/** What the search asks of the machine; tests give it others. */
export type Machine = {
  platform: NodeJS.Platform;
  arch: string;
  dawn: Dawn;
  /** Whether a Vulkan loader could be brought into the process; `bundled` is the one to use where there is none. */
  ensureVulkanLoader(bundled: string | undefined): boolean;
  /** Throws AdapterError where it is not to be had. */
  swiftShader(): Promise<SwiftShader>;
};

export type Found = { source: AdapterSource; adapter: GPUAdapter; offered: AdapterReport };
export type Missing = { looked: string; problem: string };
export type Search = AsyncGenerator<Found | Missing, void>;

type SearchOptions = Pick<AdapterRequest, 'toggles' | 'powerPreference'>;

/** `wanted` is `auto`, `hardware`, `system` (or `lavapipe`), `swiftshader`, or a part of an adapter's name. */
export function searchAdapters(machine: Machine, wanted: string, options: SearchOptions = {}): Search {
  switch (wanted.trim().toLowerCase()) {
    case '':
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
      return searchByName(machine, wanted.trim(), options);
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
  if ('problem' in best || best.source === 'hardware') yield best;
  else
    yield {
      looked: 'a GPU',
      problem: `the system's best adapter is ${best.offered.name}, which is software`,
    };
}

async function* searchSystemSoftware(machine: Machine, options: SearchOptions): Search {
  const looked = "the system's software Vulkan";
  const problem = await loaderProblem(machine);
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
  if ('adapter' in bundled || (await loaderProblem(machine)) !== undefined) return;
  const installed = await machine.dawn.adapter({ ...options, name: 'SwiftShader' }).catch(() => undefined);
  if (installed) yield found(machine, installed, 'swiftshader');
}

async function* searchByName(machine: Machine, wanted: string, options: SearchOptions): Search {
  const names = new Set<string>();
  for (const place of await placesToList(machine)) {
    if ('problem' in place) {
      yield place;
      continue;
    }
    for (const { name } of await machine.dawn.list(place.manifest)) {
      names.add(name);
      if (!name.toLowerCase().includes(wanted.toLowerCase())) continue;
      const adapter = await machine.dawn.adapter({ ...options, name, ...place });
      if (adapter) yield found(machine, adapter, place.manifest === undefined ? 'system' : 'swiftshader');
    }
  }
  const known = names.size === 0 ? 'there are none at all' : `there are: ${[...names].join(', ')}`;
  yield { looked: `an adapter with "${wanted}" in its name`, problem: known };
}

/** Every adapter, for the doctor: those of the system in Dawn's order, then npm's SwiftShader. */
export async function* everyAdapter(machine: Machine): Search {
  for (const place of await placesToList(machine)) {
    if ('problem' in place) {
      yield place;
      continue;
    }
    for (const { name, backend } of await machine.dawn.list(place.manifest)) {
      const adapter = await machine.dawn.adapter({ name, ...place });
      if (adapter)
        yield found(machine, adapter, place.manifest === undefined ? 'system' : 'swiftshader', backend);
    }
  }
}

/** Where adapters are: the system's drivers (no manifest) and npm's. */
type Place = { manifest?: string };

async function placesToList(machine: Machine): Promise<(Place | Missing)[]> {
  const problem = await loaderProblem(machine);
  const system: Place | Missing = problem === undefined ? {} : { looked: "the system's adapters", problem };
  try {
    const { manifest } = await machine.swiftShader();
    return [system, { manifest }];
  } catch (error) {
    return [system, { looked: 'SwiftShader from npm', problem: messageOf(error) }];
  }
}

async function bestOfSystem(machine: Machine, options: SearchOptions): Promise<Found | Missing> {
  const looked = "a GPU or the system's software Vulkan";
  const problem = await loaderProblem(machine);
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
  const looked = 'SwiftShader from npm';
  try {
    const { manifest, loader } = await machine.swiftShader();
    if (!machine.ensureVulkanLoader(loader)) return { looked, problem: `${loader} could not be loaded` };
    const adapter = await machine.dawn.adapter({ ...options, name: 'SwiftShader', manifest });
    return adapter
      ? found(machine, adapter, 'swiftshader')
      : { looked, problem: `the Vulkan loader did not take its driver, ${manifest}${workerHint()}` };
  } catch (error) {
    return { looked, problem: messageOf(error) };
  }
}

/** Only the main thread's `process.env` is what the Vulkan loader reads. */
function workerHint(): string {
  return isMainThread ? '' : ' (in a worker thread: start the worker with { env: SHARE_ENV })';
}

/** Why no system driver can be reached; undefined where a loader is there, if need be the one from npm. */
async function loaderProblem(machine: Machine): Promise<string | undefined> {
  if (machine.platform !== 'linux' || machine.ensureVulkanLoader(undefined)) return undefined;
  const bundled = await machine.swiftShader().catch(() => undefined);
  if (bundled && machine.ensureVulkanLoader(bundled.loader)) return undefined;
  return 'this system has no Vulkan loader (libvulkan.so.1)';
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
  return { source, adapter, offered: { ...offered, source, advice: fasterThan(machine, offered) } };
}

function defaultBackend(platform: NodeJS.Platform): string {
  if (process.env.DAWNNODE_BACKEND) return process.env.DAWNNODE_BACKEND;
  return platform === 'darwin' ? 'metal' : platform === 'win32' ? 'd3d12' : 'vulkan';
}

const mesaInstall =
  'on Debian 12 add bookworm-backports to the apt sources and run "apt-get install -t bookworm-backports ' +
  'mesa-vulkan-drivers libvulkan1", on Debian 13 "apt-get install mesa-vulkan-drivers libvulkan1"';

/** Advice for the owner of a software adapter. */
function fasterThan(machine: Machine, { kind, name }: AdapterReport): string[] {
  if (kind === 'hardware') return [];
  if (machine.platform !== 'linux') return ['use a machine with a GPU, or update its driver.'];
  const gpu = 'use a machine with a GPU and its Vulkan driver, which is then chosen by itself.';
  if (name !== 'SwiftShader') return [gpu];
  return [gpu, `Without one, lavapipe (Mesa 25 or newer) is several times faster: ${mesaInstall}.`];
}

/** What a search that opened nothing says: what was tried, why each failed, and what to do. */
export function nothingOpened(machine: Machine, wanted: string, tried: readonly Missing[]): AdapterError {
  return new AdapterError(
    [
      `no WebGPU adapter could be opened (asked for "${wanted}"). Looked for`,
      ...tried.map(({ looked, problem }) => `  - ${looked}: ${problem}`),
      'What to do:',
      ...remedies(machine, wanted, tried).map((remedy) => `  - ${remedy}`),
    ].join('\n'),
  );
}

function remedies(machine: Machine, wanted: string, tried: readonly Missing[]): string[] {
  const kind = wanted.trim().toLowerCase();
  const some = '"couplet doctor" lists the adapters there are; "auto" takes the best of them';
  const isName = !['auto', 'hardware', 'system', 'lavapipe', 'swiftshader'].includes(kind);
  if (isName) return [some];
  if (machine.platform !== 'linux')
    return ["update the GPU's driver: on this system nothing else can be used", some];
  const problems = tried.map(({ problem }) => problem).join('\n');
  const steps: string[] = [];
  if (kind === 'auto' || kind === 'hardware') {
    steps.push('for a GPU: install its driver with Vulkan and, if that is missing, the package libvulkan1');
  }
  if (machine.arch === 'x64' && problems.includes(`${swiftShaderPackage} is not installed`)) {
    steps.push(`for a software adapter from npm: ${swiftShaderInstall}`);
  }
  if (kind !== 'hardware' && kind !== 'swiftshader')
    steps.push(`for a faster software adapter: ${mesaInstall}`);
  return kind === 'auto' ? steps : [...steps, some];
}
