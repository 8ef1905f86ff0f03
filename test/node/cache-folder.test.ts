import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { cacheFolder } from '../../src/node/cache-folder.ts';

const home = join(homedir(), '.cache', 'couplet');

test.each([
  [{}, home],
  [{ XDG_CACHE_HOME: '/var/cache/me' }, '/var/cache/me/couplet'],
  [{ XDG_CACHE_HOME: 'relative' }, home],
  [{ XDG_CACHE_HOME: '' }, home],
  [{ COUPLET_CACHE: '/here', XDG_CACHE_HOME: '/var/cache/me' }, '/here'],
  [{ COUPLET_CACHE: 'here' }, resolve('here')],
])('%o → %s', (environment, folder) => {
  expect(cacheFolder(environment)).toBe(folder);
});
