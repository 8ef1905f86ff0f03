/**
 * The same whole steps in Chromium and in Node, both on SwiftShader, by turns: what a page pays beside Node. It runs the
 * built package (`npm run build`) in both. `names=tiny,small rounds=`.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchRow } from '../src/bench.ts';
import { launchChromium } from '../test/setup/chromium.ts';
import { serveFolder } from '../test/setup/static-server.ts';

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split('=')));
const options = {
  names: (given.names ?? 'tiny,small').split(','),
  // A step of `small` takes seconds here.
  measure: { minTurns: 3, budgetSeconds: 5 },
};
const rounds = Number(given.rounds ?? 3);

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const { bench } = (await import(join(dist, 'bench.js'))) as typeof import('../src/bench.ts');
const { openGpu } = (await import(join(dist, 'node.js'))) as typeof import('../src/node.ts');
const gpu = await openGpu({ adapter: 'swiftshader' });
const server = await serveFolder(dist);
server.files.set('/index.html', new TextEncoder().encode('<!doctype html><title>benchmark</title>'));
const browser = await launchChromium();
const page = await browser.newPage();
await page.goto(`${server.url}/index.html`);

const inPage = (): Promise<BenchRow[]> =>
  page.evaluate(async (options) => {
    const load = (file: string) => import(/* @vite-ignore */ file);
    const [{ bench }, { openGpu }] = [await load('/bench.js'), await load('/index.js')];
    const gpu = await openGpu();
    const { rows } = await bench(gpu, options);
    gpu.dispose();
    return rows;
  }, options);

const medians = new Map<string, { Node: number[]; Chromium: number[] }>();
for (let round = 0; round < rounds; round++) {
  const turns = [
    ['Node', (await bench(gpu, options)).rows],
    ['Chromium', await inPage()],
  ] as const;
  for (const [who, rows] of turns) {
    for (const { title, outcome, message, seconds } of rows) {
      if (outcome !== 'ok' || !seconds) throw new Error(`${title} in ${who}: ${outcome}: ${message}`);
      const known = medians.get(title) ?? { Node: [], Chromium: [] };
      known[who].push(1000 * seconds.median);
      medians.set(title, known);
    }
  }
}
const middle = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
console.log(`SwiftShader in Node and in Chromium ${browser.version()}, ms a step`);
for (const [title, { Node, Chromium }] of medians) {
  const list = (values: number[]) => values.map((value) => value.toFixed(0)).join(', ');
  const ratio = (middle(Chromium) / middle(Node)).toFixed(2);
  console.log(`${title}  Node ${list(Node)}  Chromium ${list(Chromium)}  Chromium / Node ${ratio}`);
}
await browser.close();
await server.close();
process.exit(0);
