/** The commands of a first visit: help, version, doctor and the quick start. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DoctorReport } from '../../src/node/doctor.ts';
import { couplet } from '../setup/cli.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

const commands = [
  'quickstart',
  'train',
  'translate',
  'predict',
  'encode',
  'trace',
  'eval',
  'experiment',
  'bench',
  'doctor',
];

let cwd: string;
beforeAll(async () => {
  cwd = await scratchFolder();
});
afterAll(() => rmSync(cwd, { recursive: true }));

test('--help names every command, --version the version', async () => {
  const { code, stdout, stderr } = await couplet(['--help'], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect([...stdout.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name)).toEqual(commands);
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect((await couplet(['--version'], { cwd })).stdout).toBe(`${version}\n`);
});

test.each(commands)('%s --help has examples', async (name) => {
  const { code, stdout, stderr } = await couplet([name, '--help'], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(new RegExp(`^Usage: couplet ${name}`));
  expect(stdout).toMatch(new RegExp(`\\nExamples\\n {2}couplet ${name}`));
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
});

test('doctor --json: the device, and every kernel tested', async () => {
  const { code, stdout, stderr } = await couplet(['doctor', '--json'], { cwd });
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as DoctorReport;
  expect(report.ok).toBe(true);
  expect(report.chosen?.name).toBeTruthy();
  expect(new Set(report.selfTest.map(({ kernel }) => kernel)).size).toBeGreaterThan(10);
  expect(report.selfTest.every(({ ok }) => ok)).toBe(true);
});

test('doctor without a device: what is wrong, and code 1', async () => {
  const { code, stdout } = await couplet(['doctor', '--adapter', 'nonsense'], { cwd });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^Couplet does not run properly here\.\nerror: no WebGPU adapter could be opened/m);
});

test('quickstart trains on real data, shows what it learnt, and says what to do next', async () => {
  const settings = [
    'training.epochs=1',
    'model.encoder.embeddings.embedding_dim=16',
    'model.encoder.hidden_size=8',
    'model.decoder.hidden_size=16',
  ];
  const args = ['quickstart', ...settings.flatMap((one) => ['--set', one])];
  const { code, signal, stdout, stderr } = await couplet(args, { cwd });
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  expect(stderr).toMatch(/^Couplet learns to pronounce Hungarian/);
  expect(stderr).toContain('hun_train.tsv: 3600 of 3600 pairs kept');
  expect(stdout.match(/^ {2}[✓✗] \S+ → /gm)).toHaveLength(12);
  expect(stdout).toMatch(/^All 450 test words\n {2}loss/m);
  expect(stdout).toMatch(/^ {2}WER .* %$/m);
  expect(stdout).toContain('npx couplet translate runs/quickstart');
  expect(readFileSync(join(cwd, 'runs', 'quickstart', 'attention.svg'), 'utf8')).toMatch(
    /^<svg [\s\S]*<\/svg>\n$/,
  );
});
