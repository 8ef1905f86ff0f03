/** The demo page as it is built, in a real browser: it trains, stops, goes on and answers; without WebGPU it says so. */
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from '../setup/chromium.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';
import { type StaticServer, serveFolder } from '../setup/static-server.ts';

let folder: string;
let server: StaticServer;
let browser: Browser;
let problems: string[];

beforeAll(async () => {
  folder = await scratchFolder();
  const root = fileURLToPath(new URL('../../demo', import.meta.url));
  await build({ root, logLevel: 'silent', build: { outDir: folder, emptyOutDir: true } });
  server = await serveFolder(folder);
  browser = await launchChromium();
}, 90_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function openPage(before: () => void = () => {}, name = ''): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1240, height: 860 } });
  problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => problems.push(message.text()));
  await page.addInitScript(before);
  await page.goto(new URL(name, server.url).href);
  return page;
}

const number = async (page: Page, id: string) => Number((await page.textContent(`#${id}`))!.replace(',', ''));

test('trains, stops, goes on, answers', async () => {
  const page = await openPage();
  await page.waitForSelector('#start:enabled');
  expect(await page.textContent('#device')).toContain('SwiftShader');
  await page.click('#start');
  await page.waitForFunction(() => Number(document.getElementById('updates')!.textContent) >= 5);
  const first = await number(page, 'loss');
  await page.waitForSelector('#samples tr'); // after the first validation
  await page.waitForSelector('#attention svg'); // the answer to what stands in the box
  await page.click('#stop');
  await page.waitForSelector('#start:enabled');
  const [updates, loss] = [await number(page, 'updates'), await number(page, 'loss')];
  expect(updates).toBeGreaterThanOrEqual(25);
  expect(loss).toBeLessThan(0.8 * first);
  expect(await page.textContent('#state')).toContain(`stopped after update ${updates}`);
  expect(await page.locator('#samples tr').count()).toBe(6);

  expect(await page.textContent('#start')).toBe('Continue');
  await page.click('#start');
  await page.waitForFunction(
    (before) => Number(document.getElementById('updates')!.textContent) > before,
    updates,
  );
  await page.fill('#input', 'abc');
  await page.click('#try button');
  await page.waitForSelector('#attention svg[aria-label$="over a b c ∎"]');
  // Another task while this one trains: the model goes, and a new one waits.
  await page.getByText('Numbers in words').click();
  await page.waitForSelector('#start:enabled');
  expect(await page.textContent('#updates')).toBe('0');
  expect(await page.inputValue('#input')).toBe('3204');
  expect(await page.isVisible('#trouble')).toBe(false);
  expect(problems).toEqual([]);
  await page.close();
});

test('says what to do where there is no WebGPU', async () => {
  const page = await openPage(() => {
    Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined });
  });
  await page.waitForSelector('#trouble:visible');
  expect(await page.textContent('#trouble-message')).toContain('this browser has no WebGPU');
  expect(await page.isVisible('#workbench')).toBe(false);
  expect(problems).toEqual([]);
  await page.close();
});

test('the page of benchmarks measures what is chosen, in this browser', async () => {
  const page = await openPage(() => {}, 'bench.html');
  await page.waitForSelector('#run:enabled');
  expect(await page.textContent('#device')).toContain('SwiftShader');
  await page.selectOption('#name', 'column-sum');
  await page.selectOption('#sizes', 'odd');
  await page.click('#run');
  await page.waitForFunction(() => document.getElementById('state')!.textContent?.startsWith('peak '));
  expect(await page.textContent('#table')).toMatch(/column sum +R 65 N 140 +couplet +[\d.]+ .s .* % {2}\d/);
  expect(problems).toEqual([]);
  await page.close();
});
