/**
 * A real browser with WebGPU on SwiftShader, and nothing but npm to get it: the headless Chromium of
 * `@sparticuz/chromium` with its libraries and fonts, unpacked once into the cache folder (where SwiftShader lies too).
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { type Browser, chromium } from 'playwright-core';
import { cacheFolder } from '../../src/node/cache-folder.ts';
import { findPackage } from '../../src/node/find-package.ts';
import { readTar } from '../../src/node/tar.ts';

const flags = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // No network of its own, and nothing that waits for a desktop.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
  '--disable-dev-shm-usage',
  '--force-color-profile=srgb',
];

/** The one in the package names folders of somebody else's machine. */
const fontSettings = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

/** The caller closes it. */
export async function launchChromium(): Promise<Browser> {
  const folder = await unpackedChromium();
  return await chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: flags,
    env: {
      ...process.env,
      LD_LIBRARY_PATH: join(folder, 'lib'),
      FONTCONFIG_PATH: join(folder, 'fonts'),
      LANG: 'en_US.UTF-8', // in the C locale `navigator.language` is no language tag
      // Left over from Dawn in this process, it would point the browser's own Vulkan elsewhere.
      VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
    },
  });
}

/** Makes `<cache>/chromium-<version>` unless it is there: renamed into place whole, so that many may do it at once. */
async function unpackedChromium(): Promise<string> {
  const found = findPackage('@sparticuz/chromium');
  if (!found) throw new Error('@sparticuz/chromium is not installed: npm ci');
  const folder = join(cacheFolder(), `chromium-${found.version}`);
  if (existsSync(folder)) return folder;
  await mkdir(cacheFolder(), { recursive: true });
  const temporary = await mkdtemp(`${folder}.tmp-`);
  const unpack = async (name: string) =>
    promisify(brotliDecompress)(await readFile(join(found.folder, 'bin', `${name}.br`)));
  await writeFile(join(temporary, 'chromium'), await unpack('chromium'), { mode: 0o755 });
  for (const archive of ['al2023.tar', 'swiftshader.tar', 'fonts.tar']) {
    for (const [path, content] of readTar(await unpack(archive))) {
      const target = join(temporary, archive === 'fonts.tar' ? join('fonts', path) : path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content, { mode: 0o755 });
    }
  }
  await writeFile(join(temporary, 'fonts', 'fonts.conf'), fontSettings);
  await rename(temporary, folder).catch(async (error) => {
    await rm(temporary, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}
