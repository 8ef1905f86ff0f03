import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AdapterError } from '../../src/errors.ts';
import { Dawn, openDawn } from '../../src/node/dawn.ts';
import { fakeDawn } from '../setup/fake-gpu.ts';

const acme = { name: 'ACME Turbo 9 (beta)' };
const slow = { name: 'SwiftShader Device (Subzero)', software: true };
const npm = { ...slow, manifest: '/npm/icd.json' };

beforeEach(() => {
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) vi.stubEnv(name, undefined);
});
afterEach(() => vi.unstubAllEnvs());

// What happens without the package is in processes.test.ts.
test('a package that does not load says why', async () => {
  const broken = new Error("/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found");
  const opening = openDawn(() => Promise.reject(broken));
  await expect(opening).rejects.toThrow(AdapterError);
  await expect(opening).rejects.toThrow(/does not load.*GLIBCXX_3\.4\.32/);
});

test('lists every adapter by its full name', async () => {
  const { dawn } = fakeDawn([acme, slow, npm]);
  expect(await dawn.list()).toEqual([
    { backend: 'vulkan', name: acme.name },
    { backend: 'vulkan', name: slow.name },
  ]);
  expect(await dawn.list('/npm/icd.json')).toEqual([{ backend: 'vulkan', name: npm.name }]);
  expect(await fakeDawn([]).dawn.list()).toEqual([]);
});

test('an adapter that is not there is undefined, any other failure is thrown', async () => {
  const { dawn } = fakeDawn([acme]);
  expect(await dawn.adapter({ name: 'SwiftShader' })).toBeUndefined();
  expect(await fakeDawn([]).dawn.adapter({})).toBeUndefined();
  const failing = new Dawn(
    () => ({ requestAdapter: () => Promise.reject(new Error('boom')) }) as unknown as GPU,
  );
  await expect(failing.adapter({})).rejects.toThrow('boom');
  await expect(failing.list()).rejects.toThrow('boom');
});

test('passes toggles on, those with a minus as disabled', async () => {
  const { dawn, created } = fakeDawn([acme]);
  await dawn.adapter({
    toggles: ['skip_validation', '-timestamp_quantization', 'dump_shaders'],
    name: 'ACME',
  });
  expect(created).toEqual([
    [
      'enable-dawn-features=skip_validation,dump_shaders',
      'disable-dawn-features=timestamp_quantization',
      'adapter=ACME',
    ],
  ]);
});

test('makes one instance for each combination of flags and driver, and keeps it', async () => {
  const { dawn, created } = fakeDawn([acme, npm]);
  for (let i = 0; i < 3; i += 1) {
    await dawn.adapter({});
    await dawn.adapter({ manifest: '/npm/icd.json' });
    await dawn.adapter({ toggles: ['a'] });
  }
  expect(created).toHaveLength(3);
});

test('points the Vulkan loader at one driver during the call, and leaves the environment as it was', async () => {
  vi.stubEnv('VK_ICD_FILENAMES', '/before.json');
  vi.stubEnv('VK_ADD_DRIVER_FILES', '/added.json');
  vi.stubEnv('VK_LOADER_DRIVERS_DISABLE', '*swift*');
  const names = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES', 'VK_LOADER_DRIVERS_DISABLE'];
  const look = () => names.map((name) => process.env[name]);
  const before = look();
  let during: unknown;
  const dawn = new Dawn(
    () =>
      ({
        requestAdapter() {
          during = look();
          return Promise.resolve(null);
        },
      }) as unknown as GPU,
  );
  const pending = dawn.adapter({ manifest: '/npm/icd.json' });
  expect(look()).toEqual(before);
  await pending;
  expect(during).toEqual(['/npm/icd.json', '/npm/icd.json', undefined, undefined]);

  await dawn.adapter({});
  expect(during).toEqual(before);

  const throwing = new Dawn(() => {
    throw new Error('no instance');
  });
  await expect(throwing.adapter({ manifest: '/npm/icd.json' })).rejects.toThrow('no instance');
  expect(look()).toEqual(before);
});
