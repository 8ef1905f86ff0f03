import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answer, filter } from '../../src/cli/translate.ts';
import { alphabet, couplet, startCouplet, writeTask } from '../setup/cli.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let cwd: string;
/** What the model makes of each of `words`. */
let known: Map<string, string>;
const words = [...alphabet].flatMap((a, i) => [a, a + alphabet[(i + 3) % 8], a + a + alphabet[(i + 5) % 8]]);

beforeAll(async () => {
  cwd = await scratchFolder();
  writeTask(cwd);
  const settings = ['data.dev=null', 'testing.max_output_length=12'];
  const args = ['train', 'task.yaml', '--out', 'run', ...settings.flatMap((one) => ['--set', one])];
  const { code, stderr } = await couplet(args, { cwd });
  expect(code, stderr).toBe(0);
  const translations = await translate(`${words.join('\n')}\n`);
  known = new Map(words.map((word, index) => [word, translations[index]!]));
  expect(new Set(translations).size).toBeGreaterThan(8);
});
afterAll(() => rmSync(cwd, { recursive: true }));

async function translate(input: string | Uint8Array, ...args: string[]): Promise<string[]> {
  const { code, signal, stdout, stderr } = await couplet(['translate', 'run', ...args], { cwd, input });
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  expect(stdout === '' || stdout.endsWith('\n')).toBe(true);
  return stdout.split('\n').slice(0, -1);
}

test('one line out for each line in, in order, whatever the batches; empty lines stay empty', async () => {
  const lines = ['', ...words.toReversed(), '', '   ', ...words, ''];
  const out = await translate(lines.join('\n').concat('\n'), '--batch-size', '3');
  expect(out).toEqual(lines.map((line) => known.get(line) ?? ''));
});

test('CRLF, a byte order mark, unknown and special tokens, and a very long line are text like any other', async () => {
  const long = 'abc'.repeat(700);
  const odd = [words[7]!, '<s>', 'é漢😀', `a${String.fromCharCode(0x85)}b`, '</s><pad>', long, words[3]!];
  const out = await translate(`\ufeff${odd.join('\r\n')}`);
  expect(out).toHaveLength(odd.length);
  expect([out[0], out.at(-1)]).toEqual([known.get(words[7]!), known.get(words[3]!)]);
  for (const line of out) expect(line).toMatch(/^([A-H]|<unk>)?( ([A-H]|<unk>)){0,11}$/);
});

test('no input, no output', async () => {
  expect(await translate('')).toEqual([]);
});

test.each([
  ['not UTF-8', Uint8Array.of(0x61, 0x0a, 0x62, 0xff, 0x0a), /standard input.*line 2.*byte/],
  ['a line of 70,000 bytes', `a\n${'x'.repeat(70_000)}\n`, /standard input: line 2 is 70000 bytes long/],
])('%s: an error that names the line', async (_, input, message) => {
  const { code, stderr } = await couplet(['translate', 'run'], { cwd, input });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test('another program can talk to it, line by line; one that goes away ends it quietly', async () => {
  const child = startCouplet(['translate', 'run'], { cwd });
  const [stderr, ended] = [readAll(child.stderr), once(child, 'close')];
  for (const word of [words[1]!, '', words[2]!]) {
    child.stdin.write(`${word}\n`);
    const [reply] = (await once(child.stdout, 'data')) as [Buffer];
    expect(reply.toString()).toBe(`${known.get(word) ?? ''}\n`);
  }
  child.stdout.destroy();
  child.stdin.write(`${words[0]}\n`); // and stays open
  expect(await ended).toEqual([0, null]);
  expect(await stderr).not.toMatch(/EPIPE|error|bug/i);
});

test('--attention draws the first line that is not empty', async () => {
  await translate('\nabc\nd\n', '--attention', 'abc.svg');
  const svg = readFileSync(join(cwd, 'abc.svg'), 'utf8');
  expect(svg).toMatch(/^<svg /);
  expect([...svg.matchAll(/<text [^>]*class="source"[^>]*>([^<]*)</g)].map(([, label]) => label)).toEqual([
    'a',
    'b',
    'c',
    '&lt;/s&gt;',
  ]);
});

test('a damaged model is named, and that of a checkpoint used', async () => {
  const file = join(cwd, 'run', 'model.safetensors');
  const bytes = readFileSync(file);
  const damaged = Buffer.from(bytes);
  damaged[damaged.length - 9]! ^= 0xff;
  writeFileSync(file, damaged);
  const { code, stdout, stderr } = await couplet(['translate', 'run'], { cwd, input: words.join('\n') });
  writeFileSync(file, bytes);
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /warning: run\/model\.safetensors is damaged.*\nwarning: The model of checkpoint 39 is used/,
  );
  expect(stdout.split('\n').slice(0, -1)).toEqual([...known.values()]);
});

describe('without a model', () => {
  const upper = (lines: readonly string[]) => Promise.resolve(lines.map((line) => line.toUpperCase()));

  test('a conversation: a prompt, a line, its translation', async () => {
    const [input, output, prompts] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const conversation = answer(upper, input, output, prompts);
    input.write('ab\n');
    expect(String((await once(output, 'data'))[0])).toBe('AB\n');
    input.end('\nc');
    const rest: Buffer[] = [];
    output.on('data', (chunk: Buffer) => rest.push(chunk));
    await conversation;
    expect(Buffer.concat(rest).toString()).toBe('\nC\n');
    expect(String(prompts.read())).toBe('> > > > \n');
  });

  test('what has arrived is translated together, cut anywhere', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const blocks: number[] = [];
    const counting = (lines: readonly string[]) => {
      blocks.push(lines.length);
      return upper(lines);
    };
    const bytes = Buffer.from('é\nb\n\nc');
    for (const byte of bytes) input.write(Uint8Array.of(byte));
    input.end();
    const done = filter(counting, input, output);
    await done;
    output.end();
    expect(await readAll(output)).toBe('É\nB\n\nC\n');
    expect(blocks.reduce((a, b) => a + b)).toBe(4);
  });

  test('blocks are bounded, and none is lost', async () => {
    const [input, output] = [
      new PassThrough({ highWaterMark: 1 << 20 }),
      new PassThrough({ highWaterMark: 1 << 20 }),
    ];
    const sizes: number[] = [];
    const counting = (lines: readonly string[]) => {
      sizes.push(lines.length);
      return upper(lines);
    };
    for (let i = 0; i < 100; i++) input.write('x\n'.repeat(1000));
    input.end();
    await filter(counting, input, output);
    output.end();
    expect(await readAll(output)).toBe('X\n'.repeat(100_000));
    expect(Math.max(...sizes)).toBe(4096);
  });
});
