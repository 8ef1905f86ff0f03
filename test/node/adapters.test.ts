import { describe, expect, test } from 'vitest';
import { AdapterError } from '../../src/errors.ts';
import { describeAdapter } from '../../src/gpu/adapter-report.ts';
import type { Machine } from '../../src/node/adapters.ts';
import { openOn } from '../../src/node/open-gpu.ts';
import { type FakeAdapter, fakeDawn, fakeMachine } from '../setup/fake-gpu.ts';

const gpu: FakeAdapter = { name: 'NVIDIA H200', vendor: 'nvidia' };
const lavapipe: FakeAdapter = { name: 'llvmpipe (LLVM 15.0.6, 256 bits)', vendor: 'mesa', software: true };
const swiftShader: FakeAdapter = { name: 'SwiftShader Device (Subzero)', vendor: 'google', software: true };
const npm: FakeAdapter = { ...swiftShader, manifest: '/cache/vk_swiftshader_icd.json' };

async function chosen(machine: Machine, wanted: string): Promise<string> {
  const { report } = await openOn(machine, wanted);
  return `${report.name} / ${report.source}`;
}

describe('the choice', () => {
  // Dawn puts GPUs before software, and SwiftShader before lavapipe.
  test.each([
    ['auto', [gpu, lavapipe, npm], 'NVIDIA H200 / hardware'],
    ['auto', [lavapipe, npm], 'lavapipe (llvmpipe) / system-software'],
    ['auto', [swiftShader, lavapipe, npm], 'lavapipe (llvmpipe) / system-software'],
    ['auto', [swiftShader], 'SwiftShader / system-software'],
    ['auto', [npm], 'SwiftShader / swiftshader'],
    ['hardware', [gpu, lavapipe, npm], 'NVIDIA H200 / hardware'],
    ['lavapipe', [gpu, lavapipe, npm], 'lavapipe (llvmpipe) / system-software'],
    ['system', [gpu, swiftShader, lavapipe], 'lavapipe (llvmpipe) / system-software'],
    ['system', [gpu, swiftShader], 'SwiftShader / system-software'],
    ['swiftshader', [gpu, lavapipe, npm], 'SwiftShader / swiftshader'],
    ['swiftshader', [gpu, swiftShader], 'SwiftShader / swiftshader'],
    ['h200', [gpu, lavapipe, npm], 'NVIDIA H200 / hardware'],
    ['llvm', [gpu, lavapipe, npm], 'lavapipe (llvmpipe) / system-software'],
    ['subzero', [gpu, lavapipe, npm], 'SwiftShader / swiftshader'],
  ])('%s of %o', async (wanted, adapters, expected) => {
    expect(await chosen(fakeMachine(adapters), wanted)).toBe(expected);
  });

  test('looks for nothing that costs time once a GPU is found', async () => {
    const { dawn, created } = fakeDawn([gpu, lavapipe, npm]);
    let unpacked = 0;
    const machine = fakeMachine([gpu], {
      dawn,
      swiftShader: async () => {
        unpacked += 1;
        throw new Error('not needed');
      },
    });
    expect(await chosen(machine, 'auto')).toBe('NVIDIA H200 / hardware');
    expect(created).toEqual([[]]);
    expect(unpacked).toBe(0);
  });

  test('goes on where an adapter does not open, and says so', async () => {
    const broken = { ...gpu, broken: 'out of device memory' };
    const { report } = await openOn(fakeMachine([broken, lavapipe, npm]), 'auto');
    expect(report.name).toBe('lavapipe (llvmpipe)');
    expect(describeAdapter(report)).toContain('NVIDIA H200 did not open a device: out of device memory');

    const weak = { ...lavapipe, limits: { maxBufferSize: 4096 } };
    expect(await chosen(fakeMachine([weak, npm]), 'auto')).toBe('SwiftShader / swiftshader');
  });

  test('never puts another adapter in the place of one that was asked for', async () => {
    const broken = { ...gpu, broken: 'out of device memory' };
    await expect(openOn(fakeMachine([broken, lavapipe, npm]), 'hardware')).rejects.toThrow(
      'out of device memory',
    );
    await expect(openOn(fakeMachine([lavapipe, npm]), 'hardware')).rejects.toThrow(
      "the system's best adapter is lavapipe (llvmpipe), which is software",
    );
    await expect(openOn(fakeMachine([gpu, npm]), 'lavapipe')).rejects.toThrow(AdapterError);
    await expect(openOn(fakeMachine([gpu, lavapipe]), 'swiftshader')).rejects.toThrow('is not installed');
  });
});

describe('without a Vulkan loader', () => {
  /** Only the loader that npm brings can be loaded. */
  const bundledOnly = () => {
    let loaded: 'bundled' | undefined;
    return (bundled?: string) => {
      if (bundled) loaded = 'bundled';
      return loaded;
    };
  };

  test("npm's finds the system's drivers", async () => {
    const machine = fakeMachine([gpu, npm], { ensureVulkanLoader: bundledOnly() });
    expect(await chosen(machine, 'auto')).toBe('NVIDIA H200 / hardware');
  });

  test('the system is not asked where it has no driver, since Dawn would complain', async () => {
    const { dawn, created } = fakeDawn([npm]);
    const machine = fakeMachine([npm], {
      dawn,
      ensureVulkanLoader: bundledOnly(),
      driverManifests: () => [],
    });
    expect(await chosen(machine, 'auto')).toBe('SwiftShader / swiftshader');
    expect(created).toEqual([['adapter=SwiftShader']]);
  });

  test('and without npm nothing can be opened', async () => {
    const machine = fakeMachine([gpu], { ensureVulkanLoader: () => undefined });
    await expect(openOn(machine, 'auto')).rejects.toThrow(
      'this system has no Vulkan loader (libvulkan.so.1)',
    );
  });
});

describe('where nothing opens', () => {
  const refusal = (machine: Machine, wanted = 'auto') =>
    openOn(machine, wanted).then(
      () => 'it opened',
      (error: unknown) => (error instanceof AdapterError ? error.message : `not an AdapterError: ${error}`),
    );

  test('on Linux x64 all that was tried and all that can be installed is told', async () => {
    expect(await refusal(fakeMachine([]))).toBe(
      [
        'no WebGPU adapter could be opened (asked for "auto"). Looked for',
        "  - a GPU or the system's software Vulkan: no driver that Dawn accepts",
        '  - SwiftShader from npm: @sparticuz/chromium is not installed',
        'What to do:',
        '  - for a GPU: install its driver with Vulkan and, if that is missing, the package libvulkan1',
        '  - for a software adapter from npm: npm install --save-dev @sparticuz/chromium@147',
        '  - for lavapipe, the fastest software adapter (Mesa 25 or newer): apt-get install -t bookworm-backports ' +
          'mesa-vulkan-drivers libvulkan1 (Debian 12 with bookworm-backports in its sources) or apt-get install ' +
          'mesa-vulkan-drivers libvulkan1 (Debian 13)',
      ].join('\n'),
    );
  });

  test('SwiftShader is not offered where npm has none', async () => {
    const message = await refusal(fakeMachine([], { arch: 'arm64' }));
    expect(message).not.toContain('npm install');
  });

  test('on macOS and Windows the GPU driver is what counts', async () => {
    const swiftShader = () => Promise.reject(new Error('npm carries SwiftShader for Linux x64 only'));
    const message = await refusal(fakeMachine([], { platform: 'darwin', swiftShader }));
    expect(message).toContain("update the GPU's driver");
    expect(message).not.toContain('apt-get');
  });

  test('a name that fits none is answered with those there are', async () => {
    const message = await refusal(fakeMachine([gpu, npm]), 'radeon');
    expect(message).toContain(
      'an adapter with "radeon" in its name: there are: NVIDIA H200, SwiftShader Device',
    );
    expect(await refusal(fakeMachine([]), 'radeon')).toContain('there are none at all');
  });
});

test('advice leads from SwiftShader to something faster, and to the best there is from a forced choice', async () => {
  const automatic = await openOn(fakeMachine([npm]), 'auto');
  expect(automatic.report.advice.join('; ')).toMatch(/GPU and its Vulkan driver; install lavapipe/);
  expect(automatic.report.advice.join('; ')).not.toContain('COUPLET_ADAPTER');
  const forced = await openOn(fakeMachine([gpu, npm]), 'swiftshader');
  expect(forced.report.advice[0]).toContain('leave out --adapter and COUPLET_ADAPTER');
  expect((await openOn(fakeMachine([gpu]), 'hardware')).report.advice).toEqual([]);
});

test('a portable device has only what every device has', async () => {
  const rich = { ...gpu, features: ['shader-f16'], limits: { maxBufferSize: 2 ** 33 } };
  expect((await openOn(fakeMachine([rich]), 'auto')).report.features).toEqual(['shader-f16']);
  expect((await openOn(fakeMachine([rich]), 'auto', { portable: true })).report.features).toEqual([]);
});
