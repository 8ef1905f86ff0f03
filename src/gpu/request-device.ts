/**
 * Opens a device on an adapter with as much as the adapter offers of what Couplet can use, and no more: every
 * limit asked for beyond an adapter's own makes `requestDevice` fail, every one not asked for stays at WebGPU's
 * default. Features are used only where present; nothing on the default path needs one.
 */
import { AdapterError } from '../errors.ts';

/**
 * What every kernel's default path may assume: WebGPU's default limits, of the ones that Couplet runs into.
 * https://www.w3.org/TR/webgpu/#limits
 */
export const portableLimits = {
  maxBindGroups: 4,
  maxBindingsPerBindGroup: 1000,
  maxStorageBuffersPerShaderStage: 8,
  maxUniformBuffersPerShaderStage: 12,
  maxUniformBufferBindingSize: 64 * 1024,
  maxStorageBufferBindingSize: 128 * 1024 * 1024,
  maxBufferSize: 256 * 1024 * 1024,
  maxComputeWorkgroupStorageSize: 16 * 1024,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
} as const;

/** Offsets of bindings are multiples of this everywhere, so that one memory layout serves every adapter. */
const portableAlignments = ['minStorageBufferOffsetAlignment', 'minUniformBufferOffsetAlignment'] as const;
const portableAlignment = 256;

/** Limits of which more is better for us. `maxImmediateSize` is not offered everywhere yet. */
const raisedLimits = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
  'maxImmediateSize',
] as const;

const usedFeatures = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
  'chromium-experimental-timestamp-query-inside-passes',
] as const;

export type DeviceOptions = {
  /** Only what every WebGPU device has: default limits, no optional feature. Shows what would fail elsewhere. */
  portable?: boolean;
};

/**
 * The limits to ask an adapter for. Throws AdapterError where one lies below what every kernel assumes, naming
 * each such limit, what is offered and what is needed.
 */
export function negotiateLimits(
  offered: object,
  name: string,
  options: DeviceOptions = {},
): Record<string, number> {
  const offer = (limit: string): number | undefined => {
    const value = (offered as Record<string, unknown>)[limit];
    return typeof value === 'number' ? value : undefined;
  };
  const short: string[] = [];
  for (const [limit, needed] of Object.entries(portableLimits)) {
    const value = offer(limit);
    // A limit that an old browser does not report is at its default.
    if (value !== undefined && value < needed)
      short.push(`${limit} is ${value}, at least ${needed} is needed`);
  }
  for (const limit of portableAlignments) {
    const value = offer(limit);
    if (value !== undefined && value > portableAlignment) {
      short.push(`${limit} is ${value}, at most ${portableAlignment} can be used`);
    }
  }
  if (short.length > 0) throw new AdapterError(`${name} is too limited to run Couplet: ${short.join('; ')}`);

  const asked: Record<string, number> = {};
  if (options.portable) return asked;
  for (const limit of raisedLimits) {
    const value = offer(limit);
    if (value !== undefined && value > 0) asked[limit] = value;
  }
  return asked;
}

/** The features to ask an adapter for: those that Couplet can use and that are there. */
export function negotiateFeatures(offered: Iterable<string>, options: DeviceOptions = {}): GPUFeatureName[] {
  if (options.portable) return [];
  const present = new Set(offered);
  return usedFeatures.filter((feature) => present.has(feature)) as string[] as GPUFeatureName[];
}

/** Opens a device with the negotiated limits and features. `name` is the adapter's, for messages. */
export async function requestDevice(
  adapter: GPUAdapter,
  name: string,
  options: DeviceOptions = {},
): Promise<GPUDevice> {
  const requiredLimits = negotiateLimits(adapter.limits, name, options);
  const requiredFeatures = negotiateFeatures(adapter.features, options);
  try {
    return await adapter.requestDevice({ label: 'couplet', requiredLimits, requiredFeatures });
  } catch (cause) {
    throw new AdapterError(`${name} did not open a device: ${messageOf(cause)}`, { cause });
  }
}

/** The first line of what went wrong: Dawn appends its own C++ stack. */
export function messageOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split('\n')[0]?.trim() || 'no reason given';
}
