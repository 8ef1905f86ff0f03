/** `openGpu` for Node: chooses an adapter (see `adapters.ts`), opens a device on it through Dawn, and wraps it. */
import type { AdapterReport } from '../gpu/adapter-report.ts';
import { reportAdapter } from '../gpu/adapter-report.ts';
import { Gpu } from '../gpu/gpu.ts';
import { adoptDevice, type OpenGpuOptions as CommonOptions } from '../gpu/open-browser.ts';
import { messageOf, requestDevice } from '../gpu/request-device.ts';
import type { Tuning } from '../gpu/tuning.ts';
import { fasterThan, type Missing, nothingOpened } from './adapter-advice.ts';
import { type Machine, searchAdapters } from './adapters.ts';
import { loadDawn } from './dawn.ts';
import { restWhile } from './rest-while.ts';
import { installedSwiftShader } from './swiftshader.ts';
import { cachedTuning } from './tuning-cache.ts';
import { driverManifests, ensureVulkanLoader } from './vulkan-loader.ts';

export type OpenGpuOptions = Omit<CommonOptions, 'tune'> & {
  /**
   * Which adapter: `auto` (a GPU, else the system's software Vulkan, else SwiftShader from npm), `hardware`, `system`
   * or `lavapipe` (the system's software Vulkan), `swiftshader`, or a part of an adapter's name. Where it is not
   * given, the environment variable COUPLET_ADAPTER counts, then `auto`.
   */
  adapter?: string;
  /**
   * Dawn without the checks that browsers cannot do without (`fastToggles`): commands are not validated and a shader's
   * index is not kept inside its buffer, so a bug in a shader of your own may crash the process or read what it must
   * not. Results are the same. Default: false.
   */
  fast?: boolean;
  /**
   * How kernels that come in variants are chosen: `rule` (the default) goes by what is known of such devices; `probe` times
   * them once, for some tenths of a second, and keeps the result in the cache folder; `auto` probes GPUs alone, since the
   * rule is right for CPUs that play one; a `Tuning` is the result of an earlier probe.
   */
  tune?: 'rule' | 'probe' | 'auto' | Tuning;
  /** Dawn's toggles for this device, such as `skip_validation`; `-name` turns one off. */
  dawnFeatures?: readonly string[];
};

/** What `fast` sets: Dawn's names, `-` for those that are turned off. */
export const fastToggles: readonly string[] = [
  'skip_validation',
  'disable_robustness',
  'disable_workgroup_init',
  'vulkan_enable_f16_on_nvidia',
  '-timestamp_quantization',
];

/**
 * Opens a device. Rejects with AdapterError where the package `webgpu` is not installed or nothing can be opened,
 * saying what was tried, why each failed and what to install.
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const gpu = options.device
    ? adoptDevice(options.device, restWhile)
    : await openOn(await thisMachine(), wantedAdapter(options.adapter), options);
  const { tune = 'rule' } = options;
  if (typeof tune === 'object') gpu.tuning = tune;
  else if (tune === 'probe' || (tune === 'auto' && !gpu.software)) gpu.tuning = await cachedTuning(gpu);
  return gpu;
}

/** The option, else the environment variable, else `auto`; case does not matter anywhere. */
export function wantedAdapter(option?: string): string {
  return option?.trim().toLowerCase() || process.env.COUPLET_ADAPTER?.trim().toLowerCase() || 'auto';
}

export async function thisMachine(): Promise<Machine> {
  return {
    platform: process.platform,
    arch: process.arch,
    dawn: await loadDawn(),
    ensureVulkanLoader,
    driverManifests,
    swiftShader: installedSwiftShader,
  };
}

/** The first adapter of the search that opens. */
export async function openOn(machine: Machine, wanted: string, options: OpenGpuOptions = {}): Promise<Gpu> {
  const tried: Missing[] = [];
  const passedOver: string[] = [];
  const search = searchAdapters(machine, wanted, {
    toggles: [...(options.fast ? fastToggles : []), ...(options.dawnFeatures ?? [])],
    ...(options.powerPreference ? { powerPreference: options.powerPreference } : {}),
  });
  for await (const result of search) {
    if ('problem' in result) {
      tried.push(result);
      continue;
    }
    const { adapter, offered, source } = result;
    try {
      const device = await requestDevice(adapter, offered.name, options);
      const advice = [...passedOver, ...fasterThan(machine, wanted, offered)];
      const report: AdapterReport = reportAdapter(adapter.info, device, source, { ...offered, advice });
      return new Gpu(device, report, true, restWhile);
    } catch (error) {
      const problem = messageOf(error);
      tried.push({ looked: offered.name, problem });
      if (offered.kind === 'hardware') passedOver.push(`find out why the GPU was passed over (${problem})`);
    }
  }
  throw nothingOpened(machine, wanted, tried);
}
