import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { driverManifests } from '../../src/node/vulkan-loader.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'couplet-icd-'));
  for (const share of ['a', 'b']) {
    mkdirSync(join(folder, share, 'vulkan', 'icd.d'), { recursive: true });
    for (const name of [`${share}.json`, 'readme.txt'])
      writeFileSync(join(folder, share, 'vulkan', 'icd.d', name), '');
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

test('finds the manifests in the folders of the environment, each once', () => {
  const data = [join(folder, 'a'), join(folder, 'none'), join(folder, 'b'), join(folder, 'a')].join(':');
  const found = driverManifests({ XDG_DATA_DIRS: data });
  const here = found.filter((manifest) => manifest.startsWith(folder));
  expect(here).toEqual([join(folder, 'a/vulkan/icd.d/a.json'), join(folder, 'b/vulkan/icd.d/b.json')]);
});

test('takes those that are named instead, and those that are added as well', () => {
  expect(driverManifests({ VK_ICD_FILENAMES: '/x.json:/y.json' })).toEqual(['/x.json', '/y.json']);
  expect(driverManifests({ VK_ICD_FILENAMES: '/x.json', VK_DRIVER_FILES: '/z.json' })).toEqual(['/z.json']);
  expect(driverManifests({ VK_ADD_DRIVER_FILES: '/x.json' })).toContain('/x.json');
});
