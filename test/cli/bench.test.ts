/** `couplet bench` from the outside: a table, a file that says all of it, and messages for what cannot be. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { couplet } from '../setup/cli.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await scratchFolder();
});
afterAll(() => rmSync(cwd, { recursive: true }));

test('measures what is named and writes it down', async () => {
  const args = ['bench', 'softmax', '--sizes', 'B=5,T=3,S=7,V=11', '--json', 'out.json'];
  const { code, stdout, stderr } = await couplet(args, { cwd });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/couplet: peak [\d.]+ GFLOP\/s, copying [\d.]+ GB\/s/);
  expect(stderr).toMatch(/2\/2 {2}softmax: softmax {2}ETA \d+:\d\d/);
  const [heading, ...lines] = stdout.trim().split('\n');
  expect(heading).toMatch(/^kernel or step +sizes +by +time +± +GFLOP\/s +GB\/s +of roofline +error$/);
  expect(lines.map((line) => line.split(/ {2,}/).slice(0, 3))).toEqual([
    ['softmax, forward', 'R 15 N 7', 'couplet'],
    ['softmax, backward', 'R 15 N 7', 'couplet'],
    ['softmax, forward', 'R 5 N 11', 'couplet'],
    ['softmax, backward', 'R 5 N 11', 'couplet'],
  ]);
  const report = JSON.parse(readFileSync(join(cwd, 'out.json'), 'utf8'));
  expect(report).toMatchObject({
    format: 'couplet-bench/1',
    date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    command: `couplet ${args.join(' ')}`,
    versions: { couplet: expect.stringMatching(/^\d/), node: process.version, webgpu: expect.any(String) },
    devices: [{ contestant: 'couplet', adapter: { name: expect.any(String) } }],
  });
  const { flopsPerSecond, bytesPerSecond } = report.devices[0].roofline;
  expect(report.rows).toHaveLength(4);
  for (const { outcome, seconds, flops, bytes, rooflineShare, error } of report.rows) {
    expect(outcome).toBe('ok');
    expect(error).toBeLessThan(1e-5);
    expect(seconds.lower).toBeLessThanOrEqual(seconds.median);
    expect(seconds.median).toBeLessThanOrEqual(seconds.upper);
    const least = Math.max(flops / flopsPerSecond, bytes / bytesPerSecond);
    expect(rooflineShare).toBeCloseTo(least / seconds.median, 6);
  }
});

test('whole training steps: a configuration by name, at sizes of ones own', async () => {
  const sizes = { B: 3, S: 4, T: 5, E: 8, H: 8, V: 20 };
  const words = Object.entries(sizes).map(([letter, value]) => `${letter}=${value}`);
  const args = ['bench', 'medium', '--sizes', words.join(), '--json', 'steps.json'];
  const { code, stdout, stderr } = await couplet(args, { cwd });
  expect(code, stderr).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(2);
  const [row, ...others] = JSON.parse(readFileSync(join(cwd, 'steps.json'), 'utf8')).rows;
  expect(others).toEqual([]);
  expect(row).toMatchObject({ bench: 'train', title: 'medium*', sizes: { ...sizes, L: 2 }, outcome: 'ok' });
  const { figures, seconds } = row;
  expect(figures).toMatchObject({ submits: 1, 'objects made': 0 });
  expect(figures.dispatches).toBeGreaterThan(50);
  expect(figures['MiB peak']).toBeGreaterThan(0);
  expect(figures['MiB planned'] / figures['MiB peak']).toBeCloseTo(1, 1);
  expect(figures['tokens/s'] * seconds.median).toBeCloseTo(3 * (4 + 5), 6);
  expect(figures['s to first step']).toBeGreaterThan(0);
});

test.each([
  [['sofmax'], "there is no benchmark 'sofmax': did you mean softmax?; see couplet bench --help"],
  [['matmul', 'x'], "there is no benchmark 'x': there are matmul, linear"],
  [['train', 'tniy'], "there is no benchmark 'tniy': did you mean tiny?"],
  [['--sizes', 'huge'], "--sizes: there are no sizes 'huge'"],
  [['--sizes', 'H=x'], "--sizes: 'H=x' should be a whole number from 1 to 16777216"],
  [['--sizes'], '--sizes needs a value'],
  [['--json', 'nowhere/out.json'], "--json: there is no folder 'nowhere'"],
  [['--jsn', 'x'], 'bench has no option --jsn: did you mean --json?'],
])('bench %j is refused before anything is measured', async (args, message) => {
  const { code, stdout, stderr } = await couplet(['bench', ...args], { cwd });
  expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr).not.toContain('adapter:');
  expect(readdirSync(cwd)).not.toContain('nowhere');
});
