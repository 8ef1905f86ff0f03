/** A new folder for a test's files: in memory where the system has such a place, since tests flush a lot. */
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function scratchFolder(): Promise<string> {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  return mkdtemp(join(parent, 'couplet-test-'));
}
