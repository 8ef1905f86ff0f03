import { afterEach, describe, expect, test, vi } from 'vitest';
import { AdapterError } from '../../src/errors.ts';
import { openGpu } from '../../src/gpu/open-browser.ts';
import { searchAdapters } from '../../src/node/adapters.ts';
import { thisMachine } from '../../src/node/open-gpu.ts';
import { type FakeAdapter, fakeAdapter } from '../setup/fake-gpu.ts';
import { scaleOnGpu } from '../setup/scale.ts';

afterEach(() => vi.unstubAllGlobals());

/** A browser that offers this adapter, and what it was asked for. */
function browserWith(adapter: FakeAdapter | null): GPURequestAdapterOptions[] {
  const asked: GPURequestAdapterOptions[] = [];
  const requestAdapter = async (options: GPURequestAdapterOptions) => {
    asked.push(options);
    return adapter && fakeAdapter(adapter);
  };
  vi.stubGlobal('navigator', { gpu: { requestAdapter } });
  return asked;
}

describe('in a browser', () => {
  test('the adapter is opened and described', async () => {
    const asked = browserWith({
      name: 'NVIDIA Ampere',
      features: ['shader-f16'],
      limits: { maxBufferSize: 2 ** 31 },
    });
    const gpu = await openGpu();
    expect(asked).toEqual([{ powerPreference: 'high-performance' }]);
    expect(gpu.report).toMatchObject({
      kind: 'hardware',
      name: 'NVIDIA Ampere',
      source: 'browser',
      advice: [],
    });
    expect(gpu.report.limits.maxBufferSize).toBe(2 ** 31);
    expect(gpu.report.features).toEqual(['shader-f16']);
    gpu.dispose();
    expect(gpu.device).toMatchObject({ destroyed: true });
  });

  test('a software adapter is named as such, with advice', async () => {
    browserWith({ name: 'SwiftShader', software: true });
    const { report } = await openGpu({ powerPreference: 'low-power' });
    expect(report).toMatchObject({ kind: 'software', name: 'SwiftShader' });
    expect(report.advice.join()).toContain('hardware acceleration');
  });

  test('one without WebGPU is told which have it', async () => {
    vi.stubGlobal('navigator', {});
    await expect(openGpu()).rejects.toThrow(AdapterError);
    await expect(openGpu()).rejects.toThrow(/navigator\.gpu is missing.*Chrome.*Safari.*Firefox/);
  });

  test('an insecure page is told so', async () => {
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('isSecureContext', false);
    await expect(openGpu()).rejects.toThrow(/not a secure context.*https/);
  });

  test('one without an adapter is told where to look', async () => {
    browserWith(null);
    await expect(openGpu()).rejects.toThrow(AdapterError);
    await expect(openGpu()).rejects.toThrow(/offers no adapter.*chrome:\/\/gpu/);
  });

  test('an adapter below the portable limits is refused by name', async () => {
    browserWith({ name: 'ACME 1', limits: { maxComputeInvocationsPerWorkgroup: 128 } });
    await expect(openGpu()).rejects.toThrow(
      /Acme 1 is too limited.*maxComputeInvocationsPerWorkgroup is 128/,
    );
  });
});

test('an adopted device works and is never destroyed', async () => {
  let device: GPUDevice | undefined;
  for await (const found of searchAdapters(
    await thisMachine(),
    process.env.COUPLET_ADAPTER ?? 'swiftshader',
  )) {
    if ('adapter' in found) device ??= await found.adapter.requestDevice();
  }
  let lost = false;
  void device!.lost.then(() => {
    lost = true;
  });

  const gpu = await openGpu({ device: device! });
  expect(gpu.device).toBe(device);
  expect(gpu.report.source).toBe('adopted');
  expect(gpu.report.name).not.toBe('an unnamed adapter');
  gpu.dispose();

  expect(await scaleOnGpu(device!, Float32Array.of(1, -2.5, 3), 2)).toEqual(Float32Array.of(2, -5, 6));
  expect(lost).toBe(false);
  device!.destroy();
  await device!.lost;
});
