import { describe, expect, test } from 'vitest';
import { AdapterError } from '../../src/errors.ts';
import {
  negotiateFeatures,
  negotiateLimits,
  portableLimits,
  requestDevice,
} from '../../src/gpu/request-device.ts';
import { fakeAdapter } from '../setup/fake-gpu.ts';

const gibibyte = 2 ** 30;

describe('limits', () => {
  test('are raised to what the adapter offers', () => {
    const asked = negotiateLimits(
      { ...portableLimits, maxBufferSize: 4 * gibibyte, maxStorageBuffersPerShaderStage: 16 },
      'a GPU',
    );
    expect(asked.maxBufferSize).toBe(4 * gibibyte);
    expect(asked.maxStorageBuffersPerShaderStage).toBe(16);
    expect(asked.maxStorageBufferBindingSize).toBe(portableLimits.maxStorageBufferBindingSize);
  });

  test('that an adapter does not know are not asked for', () => {
    expect(negotiateLimits(portableLimits, 'a GPU')).not.toHaveProperty('maxImmediateSize');
    expect(negotiateLimits({ ...portableLimits, maxImmediateSize: 0 }, 'a GPU')).not.toHaveProperty(
      'maxImmediateSize',
    );
    expect(negotiateLimits({ ...portableLimits, maxImmediateSize: 64 }, 'a GPU').maxImmediateSize).toBe(64);
  });

  test('that make no difference to Couplet stay at their defaults', () => {
    const asked = negotiateLimits(
      { ...portableLimits, maxTextureDimension2D: 16384, minStorageBufferOffsetAlignment: 16 },
      'a GPU',
    );
    expect(asked).not.toHaveProperty('maxTextureDimension2D');
    expect(asked).not.toHaveProperty('minStorageBufferOffsetAlignment');
  });

  test('stay at the defaults where a portable device is asked for', () => {
    expect(
      negotiateLimits({ ...portableLimits, maxBufferSize: gibibyte }, 'a GPU', { portable: true }),
    ).toEqual({});
  });

  test.each(Object.entries(portableLimits))('below what kernels assume are named: %s', (limit, needed) => {
    const offered = { ...portableLimits, [limit]: needed - 1 };
    const attempt = () => negotiateLimits(offered, 'ACME 1');
    expect(attempt).toThrow(AdapterError);
    expect(attempt).toThrow(
      `ACME 1 is too limited to run Couplet: ${limit} is ${needed - 1}, at least ${needed} is needed`,
    );
  });

  test('of which several are too low are all named', () => {
    const offered = { ...portableLimits, maxBufferSize: 5, maxComputeWorkgroupSizeX: 7 };
    expect(() => negotiateLimits(offered, 'ACME 1')).toThrow(
      /maxBufferSize is 5.*; maxComputeWorkgroupSizeX is 7/,
    );
  });

  test('of alignment must not be coarser than one layout for all', () => {
    const offered = { ...portableLimits, minStorageBufferOffsetAlignment: 512 };
    expect(() => negotiateLimits(offered, 'ACME 1')).toThrow(
      'minStorageBufferOffsetAlignment is 512, at most 256 can be used',
    );
  });
});

describe('features', () => {
  test('are those that are used and there', () => {
    const offered = ['timestamp-query', 'texture-compression-bc', 'shader-f16'];
    expect(negotiateFeatures(offered)).toEqual(['shader-f16', 'timestamp-query']);
    expect(negotiateFeatures([])).toEqual([]);
  });

  test('are none where a portable device is asked for', () => {
    expect(negotiateFeatures(['shader-f16', 'subgroups'], { portable: true })).toEqual([]);
  });
});

test('a device is asked for what was negotiated', async () => {
  const adapter = fakeAdapter({
    name: 'ACME 1',
    limits: { maxBufferSize: gibibyte },
    features: ['subgroups', 'x'],
  });
  const device = await requestDevice(adapter, 'ACME 1');
  expect(device.limits.maxBufferSize).toBe(gibibyte);
  expect([...device.features]).toEqual(['subgroups']);
});

test('an adapter that opens no device says why, without the stack of Dawn', async () => {
  const opening = requestDevice(fakeAdapter({ name: 'ACME 1', broken: 'out of device memory' }), 'ACME 1');
  await expect(opening).rejects.toThrow(AdapterError);
  await expect(opening).rejects.toThrow(/^ACME 1 did not open a device: out of device memory$/);
});
