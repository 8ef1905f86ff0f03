/**
 * The library as others get it: packed by npm, unpacked where nothing else of this checkout is, used by a Vite app in a
 * real browser and by Node, and by a TypeScript project.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTar } from '../../src/node/tar.ts';
import type * as Couplet from '../../src/node.ts';
import type * as Ops from '../../src/ops.ts';
import { launchChromium } from '../setup/chromium.ts';
import { expectClose } from '../setup/compare.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';
import { type StaticServer, serveFolder } from '../setup/static-server.ts';
import { fromBase64, softmaxOf, type TrainedModel, trainTenSteps, translateFrom } from './shared-steps.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

let folder: string;
let installed: string;
let packed: string[];

beforeAll(async () => {
  folder = await scratchFolder();
  installed = join(folder, 'node_modules', 'couplet');
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const archive = await promisify(gunzip)(await readFile(join(folder, filename)));
  const files = [...readTar(archive)].map(
    ([path, content]) => [path.replace(/^package\//, ''), content] as const,
  );
  packed = files.map(([path]) => path);
  for (const [path, content] of files) {
    await mkdir(dirname(join(installed, path)), { recursive: true });
    await writeFile(join(installed, path), content);
  }
  // What a user of Node installs beside it, and nothing of what the build bundles.
  for (const name of ['webgpu', '@sparticuz', '@types']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the package', () => {
  test('holds what its package.json names, and no more than it should', async () => {
    const { dependencies, exports, bin } = JSON.parse(
      await readFile(join(installed, 'package.json'), 'utf8'),
    );
    expect(dependencies).toBeUndefined();
    const named = JSON.stringify({ exports, bin }).match(/\.\/(dist\/[^"]+|package\.json)(?!":)/g)!;
    expect(named).toHaveLength(10);
    for (const path of named) expect(packed).toContain(path.slice(2));
    for (const path of [
      'LICENSE',
      'dist/licenses.txt',
      'recipes/quickstart.yaml',
      'shaders/lstm-cell.wgsl',
    ]) {
      expect(packed).toContain(path);
    }
    expect(packed.filter((path) => /^(src|test|bench|demo|docs|scripts|node_modules)\//.test(path))).toEqual(
      [],
    );
  });

  test('imports nothing but node: modules and webgpu', async () => {
    for (const file of (await readdir(join(installed, 'dist'))).filter((name) => name.endsWith('.js'))) {
      const foreign = importsOf(await readFile(join(installed, 'dist', file), 'utf8')).filter(
        (name) => !/^(\.\/|node:)/.test(name) && name !== 'webgpu',
      );
      expect(foreign, file).toEqual([]);
    }
  });

  test('from the browser entries nothing of Node is reachable', async () => {
    const fromNode = [...(await reachable(join(installed, 'dist'), 'node.js')).values()].flatMap(importsOf);
    expect(fromNode).toEqual(expect.arrayContaining(['node:url', 'webgpu']));
    for (const entry of ['index.js', 'ops.js', 'bench.js']) {
      const reached = await reachable(join(installed, 'dist'), entry);
      expect(reached.size).toBeGreaterThan(1);
      for (const [file, text] of reached) {
        const foreign = importsOf(text).filter((name) => !name.startsWith('./'));
        expect(foreign, file).toEqual([]);
        expect(text, file).not.toMatch(/\bprocess\.|\bBuffer\.|\brequire\(/);
      }
    }
  });

  test('has declarations that projects of both kinds accept, libraries checked too', async () => {
    await cp(join(import.meta.dirname, 'consumer.txt'), join(folder, 'consumer.ts'));
    const tsc = join(root, 'node_modules/typescript/lib/tsc.js');
    const lib = 'es2023,esnext.disposable,dom,dom.iterable,dom.asynciterable';
    const check = (...options: string[]) =>
      run(
        process.execPath,
        [tsc, ...['--noEmit', '--strict', '--target', 'es2022', '--lib', lib], ...options],
        {
          cwd: folder,
        },
      ).catch((error: { stdout: string }) => error);
    const bundler = await check(
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
      '--types',
      '',
      'consumer.ts',
    );
    expect(bundler.stdout).toBe('');
    const node = await check('--module', 'nodenext', '--types', 'node', 'consumer.ts');
    expect(node.stdout).toBe('');
  });
});

describe('in Chromium and in Node', () => {
  let server: StaticServer;
  let browser: Browser;
  let page: Page;
  let couplet: typeof Couplet;
  let ops: typeof Ops;
  let inNode: TrainedModel;
  const problems: string[] = [];

  beforeAll(async () => {
    process.env.COUPLET_ADAPTER = 'swiftshader';
    const app = join(folder, 'app');
    await cp(join(import.meta.dirname, 'app'), app, { recursive: true });
    await cp(join(import.meta.dirname, 'shared-steps.ts'), join(folder, 'shared-steps.ts'));
    await build({ root: app, logLevel: 'silent', configFile: false });
    const bundles = await readdir(join(app, 'dist', 'assets'));
    for (const file of bundles) {
      const text = await readFile(join(app, 'dist', 'assets', file), 'utf8');
      expect(text).not.toMatch(/["'`](node:[a-z]|webgpu["'`])/);
    }
    server = await serveFolder(join(app, 'dist'));
    browser = await launchChromium();
    page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => problems.push(message.text()));
    await page.goto(server.url);
    await page.waitForFunction(() => document.title === 'ready');
    const load = (file: string) => import(pathToFileURL(join(installed, 'dist', file)).href);
    couplet = await load('node.js');
    ops = await load('ops.js');
    inNode = await trainTenSteps(couplet);
  }, 90_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  let onPage: TrainedModel;

  test('ten training steps have the same losses', async () => {
    onPage = await page.evaluate<TrainedModel>('trainTenSteps()');
    expect(onPage.adapter).toBe('SwiftShader');
    expect(onPage.losses).toHaveLength(10);
    expect(onPage.losses[9]).toBeLessThan(onPage.losses[0]!);
    for (const [step, loss] of inNode.losses.entries()) {
      expectClose([onPage.losses[step]!], [loss], 1e-4, `loss of step ${step + 1}`);
    }
  });

  test('a model trained in Node opens on the page', async () => {
    for (const [name, content] of inNode.files) server.files.set(`/run/${name}`, fromBase64(content));
    expect(await page.evaluate('translateFrom("./run")')).toEqual(inNode.translations);
  });

  test('a model trained on the page opens in Node', async () => {
    const files = new Map(onPage.files.map(([name, content]) => [name, fromBase64(content)]));
    expect(await translateFrom(couplet, files)).toEqual(onPage.translations);
  });

  test('ops give the same on both', async () => {
    const here = await softmaxOf(couplet, ops);
    const there = await page.evaluate<Awaited<ReturnType<typeof softmaxOf>>>('softmaxOf()');
    expect(here.sameErrors && there.sameErrors).toBe(true);
    const z = Math.exp(-2) + Math.exp(-1) + 1;
    const y = [Math.exp(-2) / z, Math.exp(-1) / z, 1 / z];
    expectClose(here.y, [...y, ...y.toReversed()], 1e-6, 'y');
    expectClose(there.y, here.y, 1e-6, 'y on the page');
    expectClose(there.dx, here.dx, 1e-6, 'dx on the page');
  });

  test('the page had no complaints', () => {
    expect(problems).toEqual([]);
  });
});

/** What a module of the build imports, statically or not. */
function importsOf(text: string): string[] {
  return [
    ...text.matchAll(/^(?:import|export)\b[^"'`;]*?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm),
  ].map(([, statically, dynamically]) => (statically ?? dynamically)!);
}

/** Every module that an entry reaches, by name, with its text. */
async function reachable(folder: string, entry: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    const text = await readFile(join(folder, file), 'utf8');
    found.set(file, text);
    open.push(
      ...importsOf(text)
        .filter((name) => name.startsWith('./'))
        .map((name) => name.slice(2)),
    );
  }
  return found;
}
