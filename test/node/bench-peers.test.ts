/** Peers that are not there, and what is asked of one that is. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { peersFolder } from '../../src/node/bench-peers.ts';
import { PeerProcess } from '../../src/node/peer-process.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let root: string;
beforeAll(async () => {
  root = await scratchFolder();
});
afterAll(() => rmSync(root, { recursive: true }));

const peer = `
import { serve } from ${JSON.stringify(new URL('../../bench/peers/protocol.mjs', import.meta.url).href)};
await serve({
  hello: { name: 'toy' },
  async prepare({ title }) {
    if (title === 'bad') throw new Error('cannot do that');
    if (title !== 'count') return undefined;
    let runs = 0;
    return { answer: { ready: true }, run: async (repeats) => (runs += repeats) };
  },
  count: async (run) => ({ runs: await run() }),
});`;

test('says what to install, by where it is called from', () => {
  expect(() => peersFolder(undefined)).toThrow(
    'in a checkout of Couplet run: npm ci && npm ci --prefix bench/peers',
  );
  expect(() => peersFolder(root)).toThrow('the npm package comes without the programs of the peers');
  const folder = join(root, 'bench', 'peers');
  mkdirSync(folder, { recursive: true });
  expect(() => peersFolder(root)).toThrow(/the peers are not installed; run: npm ci --prefix .*bench.peers/);
  mkdirSync(join(folder, 'node_modules'));
  expect(peersFolder(root)).toBe(folder);
});

test('a peer prepares, takes turns, counts; what it cannot do it says', async () => {
  writeFileSync(join(root, 'toy.mjs'), peer);
  const spec = { command: process.execPath, args: ['toy.mjs'], cwd: root, env: {} };
  const toy = await PeerProcess.start(spec);
  expect(toy.hello).toEqual({ name: 'toy' });
  const prepare = (title: string) => toy.ask({ do: 'prepare', task: { title } });
  expect(await prepare('other')).toEqual({ absent: true });
  expect(await prepare('count')).toEqual({ ready: true });
  const turn = await toy.ask({ do: 'turn', repeats: 4 });
  expect(turn).toEqual({ ms: expect.any(Number), cpuMs: expect.any(Number) });
  expect(await toy.ask({ do: 'count' })).toEqual({ runs: 5 });
  await expect(prepare('bad')).rejects.toThrow('cannot do that');
  toy.dispose();
  await expect(prepare('count')).rejects.toThrow(/toy\.mjs ended/);
});

test('one that cannot start says why', async () => {
  writeFileSync(join(root, 'broken.mjs'), "throw new Error('no such GPU');");
  const start = (command: string, file: string) =>
    PeerProcess.start({ command, args: [file], cwd: root, env: {} });
  await expect(start(process.execPath, 'broken.mjs')).rejects.toThrow('no such GPU');
  await expect(start('no-such-python', 'x.py')).rejects.toThrow(/ENOENT/);
});
