/**
 * The device that tests run on: one for each test file, which has a process of its own. It is SwiftShader, which `npm ci`
 * brings, unless COUPLET_ADAPTER names another. Where there is none the test fails: nothing is ever skipped.
 */
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openGpu } from '../../src/node/open-gpu.ts';

let shared: Promise<Gpu> | undefined;

export function testGpu(): Promise<Gpu> {
  shared ??= openGpu({ adapter: process.env.COUPLET_ADAPTER ?? 'swiftshader' });
  return shared;
}
