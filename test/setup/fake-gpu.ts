/** Adapters, devices and a Dawn that exist nowhere, for choosing among hardware that a test machine lacks. */
import { portableLimits } from '../../src/gpu/request-device.ts';
import type { Machine } from '../../src/node/adapters.ts';
import { Dawn } from '../../src/node/dawn.ts';

export type FakeAdapter = {
  /** What Dawn lists; `info.device` is its normalised form. */
  name: string;
  vendor?: string;
  software?: boolean;
  /** Only seen when the environment names this Vulkan manifest; the others only when it names none. */
  manifest?: string;
  limits?: Record<string, number>;
  features?: string[];
  /** Why no device opens. */
  broken?: string;
};

export function fakeAdapter(fake: FakeAdapter): GPUAdapter {
  const limits = { ...portableLimits, ...fake.limits };
  const info = {
    vendor: fake.vendor ?? 'acme',
    architecture: '',
    device: fake.name.replaceAll(/[^A-Za-z0-9]+/g, '-').toLowerCase(),
    description: `${fake.name} driver 1.2`,
    isFallbackAdapter: fake.software ?? false,
  };
  const requestDevice = async (descriptor: GPUDeviceDescriptor) => {
    if (fake.broken) throw new Error(`${fake.broken}\n    at SomeFile.cpp:12`);
    return fakeDevice({ ...limits, ...descriptor.requiredLimits }, descriptor.requiredFeatures ?? [], info);
  };
  return { info, limits, features: new Set(fake.features), requestDevice } as unknown as GPUAdapter;
}

export type FakeDevice = GPUDevice & { destroyed: boolean };

export function fakeDevice(limits: object, features: Iterable<string>, adapterInfo: object): FakeDevice {
  const device = {
    limits,
    features: new Set(features),
    adapterInfo,
    destroyed: false,
    lost: new Promise(() => {}),
    addEventListener: () => {},
    removeEventListener: () => {},
    destroy: () => {
      device.destroyed = true;
    },
  };
  return device as unknown as FakeDevice;
}

/** A Dawn over these adapters, in this order, that behaves as the package does where that matters to the search. */
export function fakeDawn(adapters: readonly FakeAdapter[]): { dawn: Dawn; created: string[][] } {
  const created: string[][] = [];
  const create = (flags: string[]) => {
    created.push(flags);
    return {
      requestAdapter: async () => {
        const manifest = process.env.VK_ICD_FILENAMES;
        const visible = adapters.filter((adapter) => adapter.manifest === manifest);
        const name = flags.find((flag) => flag.startsWith('adapter='))?.slice('adapter='.length) ?? '';
        const first = visible.find((adapter) => adapter.name.includes(name));
        if (first) return fakeAdapter(first);
        if (visible.length === 0) return null;
        const lines = visible.map((adapter) => ` * backend: 'vulkan', name: '${adapter.name}'`);
        throw new Error(['no suitable backends found', 'Available adapters:', ...lines].join('\n'));
      },
    } as unknown as GPU;
  };
  return { dawn: new Dawn(create), created };
}

/** A Linux machine with these adapters; one with a manifest is what npm brings. */
export function fakeMachine(adapters: readonly FakeAdapter[], changes: Partial<Machine> = {}): Machine {
  const manifest = adapters.find((adapter) => adapter.manifest !== undefined)?.manifest;
  return {
    platform: 'linux',
    arch: 'x64',
    dawn: fakeDawn(adapters).dawn,
    ensureVulkanLoader: () => 'system',
    driverManifests: () => ['/usr/share/vulkan/icd.d/some.json'],
    swiftShader: async () => {
      if (manifest === undefined) throw new Error('@sparticuz/chromium is not installed');
      return { version: '0', manifest, loader: '/cache/libvulkan.so.1' };
    },
    ...changes,
  };
}
