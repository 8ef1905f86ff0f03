import { expect, test, vi } from 'vitest';
import { openGpu } from '../../src/node/open-gpu.ts';
import { scaleOnGpu } from '../setup/scale.ts';

const input = Float32Array.from({ length: 1000 }, (_, i) => Math.cos(i) * 3);
const product = (factor: number) => input.map((value) => value * factor);

test('SwiftShader, asked for, is what computes, whatever else is installed', async () => {
  vi.stubEnv('COUPLET_ADAPTER', 'hardware');
  const gpu = await openGpu({ adapter: 'swiftshader' });
  vi.unstubAllEnvs();
  expect(gpu.report).toMatchObject({ kind: 'software', name: 'SwiftShader', source: 'swiftshader' });
  expect(gpu.report.description).toContain('SwiftShader');
  expect(gpu.report.limits.maxStorageBuffersPerShaderStage).toBe(
    gpu.device.limits.maxStorageBuffersPerShaderStage,
  );
  expect(await scaleOnGpu(gpu.device, input, 1.25)).toEqual(product(1.25));
  gpu.dispose();
});

test('the environment variable counts where no option is given', async () => {
  vi.stubEnv('COUPLET_ADAPTER', ' SwiftShader');
  const gpu = await openGpu();
  vi.stubEnv('COUPLET_ADAPTER', 'an adapter that nobody has');
  await expect(openGpu()).rejects.toThrow(/asked for "an adapter that nobody has"/);
  vi.unstubAllEnvs();
  expect(gpu.report.source).toBe('swiftshader');
  gpu.dispose();
});

test('devices of one process work side by side, and outlive each other', async () => {
  const [first, second, third] = await Promise.all([
    openGpu({ adapter: 'swiftshader' }),
    openGpu({ adapter: 'subzero' }), // the name of its compiler, part of the adapter's full name
    openGpu({ adapter: 'swiftshader', portable: true, dawnFeatures: ['skip_validation'] }),
  ]);
  expect(third.report.limits.maxStorageBuffersPerShaderStage).toBe(8);
  expect(third.report.limits.maxStorageBufferBindingSize).toBe(128 * 1024 * 1024);
  const results = await Promise.all(
    [first, second, third].map((gpu, i) => scaleOnGpu(gpu.device, input, i + 0.75)),
  );
  expect(results).toEqual([product(0.75), product(1.75), product(2.75)]);
  first.dispose();
  expect(await scaleOnGpu(second.device, input, 4)).toEqual(product(4));
  for (const gpu of [second, third]) gpu.dispose();
});

test('a fast device computes the same', async () => {
  const gpu = await openGpu({ adapter: 'swiftshader', fast: true });
  expect(await scaleOnGpu(gpu.device, input, 1.25)).toEqual(product(1.25));
  gpu.dispose();
});
