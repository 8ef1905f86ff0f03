import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { formatSeconds, TrainingProgress } from '../../src/cli/progress.ts';
import { adapterLines, printable } from '../../src/cli/session.ts';
import type { AdapterReport } from '../../src/gpu/adapter-report.ts';
import type { ProgressReport, ValidationReport } from '../../src/train/reports.ts';

function output(isTTY: boolean): { stream: NodeJS.WriteStream; written: () => string } {
  const stream = new PassThrough() as unknown as NodeJS.WriteStream;
  stream.isTTY = isTTY;
  return { stream, written: () => String((stream as unknown as PassThrough).read() ?? '') };
}

const progress: ProgressReport = {
  kind: 'progress',
  update: 50,
  epoch: 2,
  loss: 1.25,
  perplexity: 3.5,
  accuracy: 0.5,
  learningRate: 0.001,
  gradientNorm: 2,
  tokens: 3000,
  seconds: 2,
  done: 0.25,
};
const validation: ValidationReport = {
  kind: 'validation',
  update: 50,
  epoch: 2,
  loss: 1,
  perplexity: Math.E,
  accuracy: 0.75,
  scores: { wer: 12.5 },
  samples: [
    { source: 'a', reference: 'A', hypothesis: 'A' },
    { source: 'b\u001b[2J', reference: 'B', hypothesis: 'C' },
  ],
  score: 1,
  best: true,
};

test('lines where nobody watches', () => {
  const { stream, written } = output(false);
  const shown = new TrainingProgress(stream);
  shown.step(0.2);
  shown.report(progress);
  shown.report(validation);
  shown.end();
  expect(written().split('\n')).toEqual([
    expect.stringMatching(
      /^epoch 2 {2}update 50 {2}25 % {2}loss 1\.2500 {2}accuracy 50\.0 % {2}lr 0\.00100 {2}1,500 target tokens\/s {2}ETA \d+:\d\d$/,
    ),
    'validation after epoch 2, update 50: loss 1.0000  ppl 2.718  accuracy 75.00 %  WER 12.50  (best so far)',
    '  ✓ a → A',
    '  ✗ b\ufffd[2J → C   (reference: B)',
    '',
  ]);
});

test('a bar on a terminal, which makes way for lines', () => {
  const { stream, written } = output(true);
  const shown = new TrainingProgress(stream);
  shown.report(progress);
  shown.step(0.5);
  const [start, bar] = written().split('\u001b[K');
  expect(start).toBe('\r');
  expect(bar).toMatch(/^█{12}░{12} {2}50 % {2}loss 1\.2500/);
  shown.line('saved');
  expect(written()).toBe('\r\u001b[Ksaved\n');
  shown.end();
  expect(written()).toBe('');
});

test.each([
  [0.4, '0:00'],
  [59.6, '1:00'],
  [3599, '59:59'],
  [3661, '1:01:01'],
])('%f seconds are %s', (seconds, words) => {
  expect(formatSeconds(seconds)).toBe(words);
});

describe('text for a terminal', () => {
  test('cannot move its cursor, nor turn its text around', () => {
    expect(printable('a\u001b[31mb\rc\u202ed\u009be')).toBe('a\ufffd[31mb\ufffdc\ufffdd\ufffde');
    expect(printable('tab\tand\nline, é 漢 😀')).toBe('tab\tand\nline, é 漢 😀');
  });

  test('says in two lines which adapter runs and how to get a faster one', () => {
    const gpu = { name: 'NVIDIA H200', kind: 'hardware', backend: 'vulkan', advice: [] as string[] };
    expect(adapterLines(gpu as unknown as AdapterReport)).toEqual(['adapter: NVIDIA H200 (GPU, vulkan)']);
    const advice = ['use a GPU', 'install lavapipe: apt-get install a b c'];
    const slow = { name: 'SwiftShader', kind: 'software', advice };
    expect(adapterLines(slow as unknown as AdapterReport)).toEqual([
      'adapter: SwiftShader (software, on the CPU)',
      'to go faster: use a GPU; or install lavapipe (couplet doctor says how)',
    ]);
  });
});
