/** The probe chooses among what the device can run, keeps to its budget, and its choices are data that survives JSON. */
import { expect, test } from 'vitest';
import { Gpu } from '../../src/gpu/gpu.ts';
import { parseTuning } from '../../src/gpu/tuning.ts';
import {
  chooseMatmul,
  matmulClass,
  matmulVariants,
  onlyVariant,
  ruledTuning,
} from '../../src/ops/matmul-plan.ts';
import { probeMatmul } from '../../src/ops/matmul-probe.ts';
import { testGpu } from '../setup/gpu.ts';

test('a choice for every class that there was time for, among the variants of this device', async () => {
  const gpu = await testGpu();
  const tuning = await probeMatmul(gpu, { budget: 200 });
  const entries = Object.entries(tuning.kernels);
  expect(entries.length).toBeGreaterThan(0);
  for (const [name, variant] of entries) {
    expect(name).toMatch(/^(nn|nt|tn) (batched|skinny|small|large)$/);
    expect(['plain', 'quads']).toContain(variant);
  }
  expect(tuning.splitWorkgroups).toBe(0);
  expect(gpu.tuning).toBeUndefined();
  expect(parseTuning(JSON.parse(JSON.stringify(tuning)))).toEqual(tuning);
});

test('without time, and without variants to choose from, everything goes by rule', async () => {
  const gpu = await testGpu();
  expect(await probeMatmul(gpu, { budget: -1 })).toEqual(ruledTuning(gpu));
  const bare = new Gpu(gpu.device, { ...gpu.report, features: [] }, false);
  expect(await probeMatmul(bare)).toEqual({ kernels: {}, splitWorkgroups: 0 });
  const hardware = new Gpu(gpu.device, { ...gpu.report, kind: 'hardware' }, false);
  expect(await probeMatmul(hardware, { budget: -1 })).toEqual({ kernels: {}, splitWorkgroups: 128 });
});

const at = { aOffset: 0, aBatch: 0, bOffset: 0, bBatch: 0, batch: 1, software: false, subgroups: true };
const shape = { ...at, m: 64, n: 1024, k: 256, aRow: 256, aCol: 1, bRow: 1, bCol: 256 };

test.each(matmulVariants)('the plan takes what was measured: %s', (name) => {
  const tuning = { kernels: { [matmulClass(shape)]: name }, splitWorkgroups: 0 };
  expect(chooseMatmul({ ...shape, tuning }).variant).toBe(name);
  expect(chooseMatmul({ ...shape, m: 1, tuning: onlyVariant(name) }).variant).toBe(name);
});

test('a variant that is unknown or cannot run does not stop the plan', () => {
  const tuning = { kernels: { [matmulClass(shape)]: 'made tomorrow' }, splitWorkgroups: 0 };
  expect(chooseMatmul({ ...shape, tuning })).toEqual(chooseMatmul(shape));
  const noQuads = { ...shape, subgroups: false, tuning: onlyVariant('quads') };
  expect(chooseMatmul(noQuads).variant).toBe('plain');
});

test.each([
  null,
  'fast',
  {},
  { kernels: {} },
  { kernels: { a: 1 }, splitWorkgroups: 0 },
  { kernels: {}, splitWorkgroups: -1 },
  { kernels: {}, splitWorkgroups: '8' },
])('no tuning: %j', (data) => {
  expect(parseTuning(data)).toBeUndefined();
});
