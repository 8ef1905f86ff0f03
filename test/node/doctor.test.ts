import { describe, expect, test } from 'vitest';
import { collectDoctorReport } from '../../src/node/doctor.ts';
import { formatDoctorReport } from '../../src/node/doctor-text.ts';
import type { SelfTestRow } from '../../src/self-test/self-test.ts';
import { type FakeAdapter, fakeMachine } from '../setup/fake-gpu.ts';

const gpu: FakeAdapter = { name: 'NVIDIA H200', vendor: 'nvidia' };
const lavapipe: FakeAdapter = { name: 'llvmpipe (LLVM 15.0.6, 256 bits)', software: true };
const npm: FakeAdapter = {
  name: 'SwiftShader Device (Subzero)',
  software: true,
  manifest: '/cache/icd.json',
};

const collect = (adapters: FakeAdapter[], adapter = 'auto', selfTest?: () => Promise<SelfTestRow[]>) =>
  collectDoctorReport({
    adapter,
    machine: async () => fakeMachine(adapters),
    ...(selfTest ? { selfTest } : {}),
  });

const good: SelfTestRow = { kernel: 'matmul', case: '3x5x7', maxError: 3e-7, tolerance: 1e-5, ok: true };
const bad: SelfTestRow = { kernel: 'lstm-cell', case: 'H=33', maxError: 0.25, tolerance: 1e-5, ok: false };

test('lists every adapter and marks the one in use', async () => {
  const report = await collect([gpu, lavapipe, npm]);
  expect(report.ok).toBe(true);
  expect(report.adapters.map(({ name, source }) => [name, source])).toEqual([
    ['NVIDIA H200', 'hardware'],
    ['lavapipe (llvmpipe)', 'system-software'],
    ['SwiftShader', 'swiftshader'],
  ]);
  expect(report.chosen?.name).toBe('NVIDIA H200');
  expect(report.findings).toEqual([]);
  const text = formatDoctorReport(report);
  expect(text.match(/^\* .*/gm)?.map((line) => line.split(/ {2,}/)[1])).toEqual(['NVIDIA H200']);
});

test('warns of software, and of what is not installed', async () => {
  const { ok, findings } = await collect([lavapipe]);
  expect(ok).toBe(true);
  expect(findings.map(({ severity }) => severity)).toEqual(['warning', 'warning']);
  expect(findings[0]?.remedy).toBe('npm install --save-dev @sparticuz/chromium@147');
  expect(findings[1]?.problem).toContain('lavapipe (llvmpipe) computes on the CPU');
});

test('reports a machine on which nothing can be opened', async () => {
  const report = await collect([]);
  expect(report.ok).toBe(false);
  expect(report.chosen).toBeUndefined();
  expect(formatDoctorReport(report)).toMatch(/Adapters .*\n {2}none/);
  expect(report.findings.filter(({ severity }) => severity === 'error')).toHaveLength(1);
});

describe('the self-test', () => {
  test('runs on the adapter in use', async () => {
    const report = await collect([gpu], 'auto', async () => [good]);
    expect(report.ok).toBe(true);
    expect(report.selfTest).toEqual([good]);
    expect(formatDoctorReport(report)).toContain('Kernels against the CPU reference: all 1 passed');
  });

  test('that fails makes the report fail, naming kernel and error', async () => {
    const report = await collect([gpu], 'auto', async () => [good, bad]);
    expect(report.ok).toBe(false);
    expect(report.findings).toHaveLength(1);
    expect(report.findings[0]?.problem).toBe('kernel lstm-cell (H=33): error 2.5e-1, at most 1.0e-5 allowed');
    const text = formatDoctorReport(report);
    expect(text).toContain('1 of 2 failed');
    expect(text).toMatch(/FAILED +lstm-cell/);
  });

  test('that breaks off makes the report fail too', async () => {
    const report = await collect([gpu], 'auto', () => Promise.reject(new TypeError('no shader')));
    expect(report.ok).toBe(false);
    expect(report.findings[0]?.problem).toContain('TypeError: no shader');
  });
});
