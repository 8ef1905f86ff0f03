/** Every kernel within what any WebGPU device offers; those for subgroups alone have others that stand in for them. */
import { expect, test } from 'vitest';
import { shaderInfo, shaderNames } from '../../src/gpu/shader.ts';
import { openGpu } from '../../src/node/open-gpu.ts';

const needsSubgroups = (code: string) => /^\s*enable subgroups;/m.test(code);
const all = shaderNames().map((name) => shaderInfo(name));

test.each(all.map((shader) => [shader.name, shader] as const))(
  '%s binds at most 8 storage buffers',
  (_, shader) => {
    for (const { bindings } of Object.values(shader.entries)) {
      expect(Object.keys(bindings).length).toBeLessThanOrEqual(8);
    }
  },
);

test('all but those for subgroups compile on a device with the portable limits and no features', async () => {
  using gpu = await openGpu({ portable: true, adapter: process.env.COUPLET_ADAPTER ?? 'swiftshader' });
  expect(gpu.device.limits.maxStorageBuffersPerShaderStage).toBe(8);
  expect(gpu.device.limits.maxComputeWorkgroupStorageSize).toBe(16_384);
  expect(gpu.device.limits.maxComputeInvocationsPerWorkgroup).toBe(256);
  const portable = all.filter(({ code }) => !needsSubgroups(code));
  for (const shader of portable) {
    for (const entry of Object.keys(shader.entries)) await gpu.kernel(shader, entry);
  }
  gpu.check();
  const others = all.filter(({ code }) => needsSubgroups(code)).map(({ name }) => name);
  expect(others.every((name) => /-quads?\b/.test(name))).toBe(true);
});
