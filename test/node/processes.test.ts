import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DoctorReport } from '../../src/node/doctor.ts';
import { bundleScript, type Finished, removeBundles, runScript } from '../setup/child-process.ts';

const adapter = process.env.COUPLET_ADAPTER ?? 'swiftshader';
let compute: string;
let doctor: string;
let folder: string;

beforeAll(async () => {
  compute = await bundleScript(new URL('compute-script.ts', import.meta.url));
  doctor = await bundleScript(new URL('doctor-script.ts', import.meta.url));
});
afterAll(removeBundles);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'couplet-process-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function expectComputed(finished: Finished, rounds = 1): { name: string; source: string } {
  expect(finished, finished.stderr).toMatchObject({ code: 0, signal: null });
  const result = JSON.parse(finished.stdout) as { name: string; source: string };
  expect(result, `${rounds} rounds`).toMatchObject({ values: 77, wrong: 0 });
  return result;
}

describe('a process that computes ends by itself', () => {
  test.each(['dispose', 'leave'])('with code 0 (%s)', async (ending) => {
    expectComputed(await runScript(compute, { args: [adapter, '2', ending] }));
  });

  test('with code 1 when it fails, not by a crash', async () => {
    const { code, signal, stderr } = await runScript(compute, { args: [adapter, '1', 'throw'] });
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('Error: on purpose');
  });

  test.each(['dispose', 'leave'])('while garbage is collected all the time (%s)', async (ending) => {
    const flags = ['--expose-gc'];
    // Without Dawn's instances held, this crashed or hung in every run that was tried.
    for (let run = 0; run < 2; run += 1) {
      expectComputed(await runScript(compute, { flags, args: [adapter, '15', ending] }), 15);
    }
  });
});

test('many processes may unpack SwiftShader into one empty cache at once', async () => {
  const cache = join(folder, 'cache');
  const env = { COUPLET_CACHE: cache };
  const all = await Promise.all(
    Array.from({ length: 6 }, () => runScript(compute, { env, args: ['swiftshader'] })),
  );
  for (const finished of all) expect(expectComputed(finished).source).toBe('swiftshader');
  const [unpacked, ...others] = readdirSync(cache);
  expect(others).toEqual([]);
  expect(readdirSync(join(cache, unpacked!)).sort()).toEqual([
    'libvk_swiftshader.so',
    'libvulkan.so.1',
    'vk_swiftshader_icd.json',
  ]);
});

test('SwiftShader needs nothing of the system, and is quiet', async () => {
  // Found first, this empty file keeps Dawn and us from finding a loader of the system's.
  writeFileSync(join(folder, 'libvulkan.so.1'), '');
  const finished = await runScript(compute, { env: { LD_LIBRARY_PATH: folder }, args: ['swiftshader'] });
  expect(expectComputed(finished).source).toBe('swiftshader');
  expect(finished.stderr).toBe('');
});

test('drivers that the environment names do not keep SwiftShader from being taken', async () => {
  const env = {
    VK_DRIVER_FILES: '/no/such/driver.json',
    VK_ICD_FILENAMES: '/no/such/driver.json',
    VK_LOADER_DRIVERS_DISABLE: '*',
  };
  expect(expectComputed(await runScript(compute, { env, args: ['swiftshader'] })).source).toBe('swiftshader');
});

test('the option outranks the environment variable', async () => {
  const env = { COUPLET_ADAPTER: 'no such adapter' };
  expectComputed(await runScript(compute, { env, args: ['swiftshader'] }));
  const { code, stderr } = await runScript(compute, { env });
  expect(code).toBe(1);
  expect(stderr).toContain('asked for "no such adapter"');
});

test('without the package webgpu the error says how to install it', async () => {
  const alone = join(folder, 'script.mjs'); // from here, nothing is installed
  copyFileSync(compute, alone);
  const { code, stderr } = await runScript(alone);
  expect(code).toBe(1);
  expect(stderr).toContain(
    'AdapterError: in Node, Couplet runs on the package webgpu (Dawn), which is not installed',
  );
  expect(stderr).toContain('run "npm install webgpu"');
  expect(stderr).toContain("code: 'no-adapter'");
});

describe('the doctor', () => {
  const read = ({ stdout }: Finished) => {
    const [json, ...text] = stdout.split('\n');
    return { report: JSON.parse(json!) as DoctorReport, text: text.join('\n') };
  };

  test('reports, and the process ends with code 0', async () => {
    const finished = await runScript(doctor, { args: ['swiftshader'], env: { COUPLET_CACHE: folder } });
    expect(finished.code, finished.stderr).toBe(0);
    const { report, text } = read(finished);
    const version = (name: string) =>
      (JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')) as { version: string }).version;
    expect(report.versions).toEqual({
      couplet: (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version,
      node: process.versions.node,
      webgpu: version('webgpu'),
      swiftShaderPackage: version('@sparticuz/chromium'),
    });
    expect(report.environment).toMatchObject({ COUPLET_CACHE: folder });
    expect(report.adapters.map(({ source }) => source)).toContain('swiftshader');
    expect(report.chosen).toMatchObject({ name: 'SwiftShader', kind: 'software' });
    expect(text).toContain('*  SwiftShader');
    expect(text).toContain('maxComputeWorkgroupStorageSize');
    expect(text).toContain('Couplet runs here.');
  });

  test('says what is wrong, and the process ends with code 1', async () => {
    const finished = await runScript(doctor, { args: ['no such adapter'] });
    expect(finished.code, finished.stderr).toBe(1);
    const { report, text } = read(finished);
    expect(report.chosen).toBeUndefined();
    expect(report.adapters.length).toBeGreaterThan(0);
    expect(text).toContain('Couplet does not run properly here.');
    expect(text).toContain('error: no WebGPU adapter could be opened (asked for "no such adapter")');
  });

  test('survives a machine without the package webgpu', async () => {
    const alone = join(folder, 'script.mjs');
    copyFileSync(doctor, alone);
    const finished = await runScript(alone);
    expect(finished.code, finished.stderr).toBe(1);
    expect(read(finished).text).toContain('run "npm install webgpu"');
  });
});
