/** Where Couplet keeps what it can make again: `$COUPLET_CACHE`, else `couplet` in the user's cache folder. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment.COUPLET_CACHE;
  if (own) return resolve(own);
  const shared = environment.XDG_CACHE_HOME;
  // The XDG specification says to ignore a relative path.
  if (shared && isAbsolute(shared)) return join(shared, 'couplet');
  return join(homedir(), '.cache', 'couplet');
}
