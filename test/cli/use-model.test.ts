/** Every type of model from the command line: what translate, predict, encode, trace and eval put out, and refuse. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readNpy, writeNpy } from '../../src/data/npy.ts';
import type { AnyModel } from '../../src/models/kinds.ts';
import type { Classification } from '../../src/models/tasks/classifier.ts';
import type { Translation } from '../../src/models/tasks/seq2seq.ts';
import type { Trace } from '../../src/models/trace.ts';
import { loadRun } from '../../src/node/load-run.ts';
import type { Finished } from '../setup/child-process.ts';
import { couplet } from '../setup/cli.ts';
import { testGpu } from '../setup/gpu.ts';
import { hashIds } from '../setup/hash-numbers.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

const gpu = await testGpu();
let cwd: string;
const words = 'a b c d e f'.split(' ');
const runs = ['seq2seq', 'tagger', 'entities', 'classifier', 'frames', 'generator', 'language'] as const;
type Run = (typeof runs)[number];
const trained = new Map<Run, Finished>();
const models = new Map<Run, AnyModel>();

/** 40 lines of one to four words, and what a task makes of each. */
function writeLines(file: string, target: (line: string[], index: number) => string): void {
  const lines = Array.from({ length: 40 }, (_, index) => {
    const [length, ...ids] = hashIds(index + 1, 5, 0, 1000);
    return ids.slice(0, 1 + (length! % 4)).map((id) => words[id % words.length]!);
  });
  writeFileSync(
    join(cwd, file),
    lines.map((line, index) => `${line.join(' ')}\t${target(line, index)}\n`).join(''),
  );
}

const side = 'embeddings: { embedding_dim: 4 }, hidden_size: 4';
const configs: Readonly<Record<Run, string>> = {
  seq2seq: `model: { encoder: { ${side} } }`,
  tagger: `model: { type: tagger, encoder: { ${side} } }`,
  entities: `model: { type: tagger, crf: true, encoder: { ${side} } }`,
  classifier: `model: { type: classifier, encoder: { ${side} } }`,
  frames: `model: { type: classifier, encoder: { ${side} } }`,
  generator: `model: { type: generator, decoder: { ${side} }, input: { embedding_dim: 3 } }`,
  language: `model: { type: language_model, decoder: { ${side} } }`,
};

beforeAll(async () => {
  cwd = await scratchFolder();
  writeLines('seq2seq.tsv', (line) => line.join(' ').toUpperCase());
  writeLines('tagger.tsv', (line) => line.map((word) => ('ae'.includes(word) ? 'VOWEL' : 'OTHER')).join(' '));
  writeLines('entities.tsv', (line) => line.map((word) => (word === 'a' ? 'B-X' : 'O')).join(' '));
  writeLines('classifier.tsv', ([word]) => (word! < 'c' ? 'low' : 'high end'));
  const pairs = readFileSync(join(cwd, 'classifier.tsv'), 'utf8').trimEnd().split('\n');
  const swapped = pairs.map((pair) => pair.split('\t').reverse().join('\t'));
  writeFileSync(join(cwd, 'generator.tsv'), `${swapped.join('\n')}\n`);
  writeFileSync(join(cwd, 'language.txt'), pairs.map((pair) => `${pair.split('\t')[0]}\n`).join(''));
  mkdirSync(join(cwd, 'vectors'));
  const files = pairs.map((pair, index) => {
    const data = Float32Array.from(hashIds(index + 100, 6, 0, 100), (value) => value / 50 - 1);
    writeFileSync(join(cwd, 'vectors', `${index}.npy`), writeNpy({ shape: [2, 3], data }));
    return `vectors/${index}.npy\t${pair.split('\t')[1]}\n`;
  });
  writeFileSync(join(cwd, 'frames.tsv'), files.join(''));
  for (const run of runs) {
    const file = run === 'language' ? 'language.txt' : `${run}.tsv`;
    const level = run === 'frames' ? ', src: { level: frames }' : '';
    writeFileSync(
      join(cwd, `${run}.yaml`),
      `data: { train: ${file}, dev: ${file}, test: ${file}${level} }
${configs[run]}
training: { epochs: 1, batch_size: 8, learning_rate: 0.02 }
testing: { max_output_length: 6 }
`,
    );
    trained.set(run, await couplet(['train', `${run}.yaml`, '--out', run], { cwd }));
    models.set(run, (await loadRun(gpu, join(cwd, run))).model);
  }
});
afterAll(() => {
  for (const model of models.values()) model.dispose();
  rmSync(cwd, { recursive: true });
});

async function lines(args: string[], input = ''): Promise<string[]> {
  const { code, stdout, stderr } = await couplet(args, { cwd, input });
  expect(code, stderr).toBe(0);
  return stdout.split('\n').slice(0, -1);
}

async function complaint(args: string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await couplet(args, { cwd, input });
  expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
  return stderr;
}

const inputs: Readonly<Record<Run, string[]>> = {
  seq2seq: ['a b', '', 'c zero'],
  tagger: ['a b', '', 'c zero e'],
  entities: ['a b', '', 'c zero e'],
  classifier: ['a b', '', 'c zero'],
  frames: ['vectors/3.npy', '', 'vectors/7.npy'],
  generator: ['low', '', 'high end'],
  language: ['a b', '', 'c'],
};

describe('training', () => {
  test.each(runs)('%s: the metrics of its type, in short while it trains and in full at its end', (run) => {
    const { code, stdout, stderr } = trained.get(run)!;
    expect(code, stderr).toBe(0);
    const validation = /^validation after .*$/m.exec(stderr)![0];
    const figure = String.raw`\d+\.\d+`;
    const shown: Readonly<Record<Run, [string, string]>> = {
      seq2seq: [`ppl ${figure}  .*exact ${figure} %  .*BLEU ${figure}`, `BLEU +${figure}`],
      tagger: [`accuracy ${figure} %  exact ${figure} %`, `token accuracy +${figure} %`],
      entities: [`P ${figure} %  R ${figure} %  F1 ${figure} %`, `entity F1 .*${figure} %`],
      classifier: [`accuracy ${figure} %  macro-F1 ${figure} %`, `macro-F1 .*${figure} %`],
      frames: [`accuracy ${figure} %  macro-F1 ${figure} %`, `accuracy +${figure} %`],
      generator: [`ppl ${figure}`, `perplexity +${figure}`],
      language: [`ppl ${figure}  accuracy ${figure} %  bpc ${figure}`, `bits per character +${figure}`],
    };
    expect(validation).toMatch(new RegExp(shown[run][0]));
    expect(stdout).toMatch(new RegExp(`^ {2}${shown[run][1]}`, 'm'));
  });
});

describe('translate and predict', () => {
  test.each(runs)('%s: one line out for each line in, what the model says', async (run) => {
    const out = await lines(['translate', run], `${inputs[run].join('\n')}\n`);
    expect(out).toHaveLength(3);
    if (run === 'language') expect(out[1]).not.toBe('');
    else expect(out[1]).toBe('');
    if (run !== 'frames') expect(out).toEqual(await models.get(run)!.translate(inputs[run]));
  });

  test('predict: a class with its probability, tags with theirs, with a CRF tags alone', async () => {
    const input = 'a b\n\nc zero e\n';
    const [classes, tags, entities] = await Promise.all([
      lines(['predict', 'classifier'], input),
      lines(['predict', 'tagger'], input),
      lines(['predict', 'entities'], input),
    ]);
    const [first] = (await models.get('classifier')!.predict(['a b'])) as Classification[];
    expect(classes).toEqual([`${first!.label}\t${first!.probability.toFixed(4)}`, '', expect.any(String)]);
    expect(tags[1]).toBe('');
    expect(tags[2]).toMatch(/^c\/[A-Z]+:0\.\d{4} zero\/[A-Z]+:0\.\d{4} e\/[A-Z]+:0\.\d{4}$/);
    expect(entities[2]).toMatch(/^c\/\S+ zero\/\S+ e\/[^:]+$/);
  });

  test('predict --json: an object a line', async () => {
    const [line, blank] = await lines(['predict', 'seq2seq', '--json'], 'a b\n\n');
    const [output] = (await models.get('seq2seq')!.predict(['a b'], { alignments: true })) as Translation[];
    const alignments = output!.alignments!.map((row) => Array.from(row));
    expect(JSON.parse(line!)).toEqual({ ...output, alignments });
    expect(JSON.parse(blank!)).toMatchObject({ text: '', tokens: [] });
  });

  test('--top of a classifier', async () => {
    const [line] = await lines(['predict', 'classifier', '--top', '2'], 'a\n');
    const [first, p, second, q] = line!.split('\t');
    expect(new Set([first, second])).toEqual(new Set(['low', 'high end']));
    expect(Number(p)).toBeGreaterThanOrEqual(Number(q));
  });

  test('text is drawn by its seed, a line that comes again anew', async () => {
    const draw = (seed: string) =>
      lines(['translate', 'generator', '--temperature', '1', '--seed', seed], 'low\n'.repeat(6));
    const [first, again, other] = [await draw('3'), await draw('3'), await draw('4')];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
  });

  test.each([
    [['translate', 'tagger', '--temperature', '1'], /--temperature is for models that write text/],
    [['translate', 'generator', '--temperature', '-1'], /--temperature needs a value|must be a number/],
    [['translate', 'generator', '--temperature=hot'], /--temperature hot: must be a number, 0 or more/],
    [['translate', 'generator', '--seed', '1.5'], /--seed 1\.5: must be a whole number/],
    [['predict', 'classifier', '--top', '0'], /--top 0: must be a whole number of classes, at least 1/],
  ])('%j is refused', async (args, message) => {
    expect(await complaint(args)).toMatch(message);
  });

  test('a file of vectors that is not there is named with its line', async () => {
    expect(await complaint(['translate', 'frames'], '\nvectors/99.npy\n')).toMatch(
      /standard input: line 2: There is no file vectors\/99\.npy/,
    );
  });
});

describe('encode', () => {
  test('--out writes a row for each line, of an empty one zeros', async () => {
    const { code, stdout, stderr } = await couplet(['encode', 'classifier', '--out', 'v.npy'], {
      cwd,
      input: 'a b\n\nc\n',
    });
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain('v.npy holds float32 [3, 8]: a row for each line');
    const { shape, data } = readNpy(readFileSync(join(cwd, 'v.npy')), 'v.npy');
    expect(shape).toEqual([3, 8]);
    const expected = await models.get('classifier')!.encode(['a b', '', 'c']);
    expect(data).toEqual(Float32Array.from(expected.flatMap((vector) => Array.from(vector))));
    expect(data.subarray(8, 16)).toEqual(new Float32Array(8));
  });

  test('else numbers with tabs', async () => {
    const rows = await lines(['encode', 'frames'], 'vectors/0.npy\n\n');
    expect(rows).toHaveLength(2);
    expect(rows.map((row) => row.split('\t').length)).toEqual([8, 8]);
    expect(new Set(rows[1]!.split('\t'))).toEqual(new Set(['0']));
  });

  test('a generator cannot; of nothing there is no file', async () => {
    expect(await complaint(['encode', 'generator'], 'low\n')).toMatch(/a generator reads no sequence/);
    expect(await complaint(['encode', 'tagger', '--out', 'none.npy'])).toMatch(/none\.npy is not written/);
  });
});

describe('trace', () => {
  test.each(['seq2seq', 'frames', 'generator', 'language'] as const)('%s: as text and drawn', async (run) => {
    const given = inputs[run][0]!;
    const out = await lines(['trace', run, given, '--top', '2', '--values', '1', '--svg', `${run}.svg`]);
    if (run !== 'frames') {
      const [translation] = await models.get(run)!.translate([given]);
      expect(out[0]).toBe(`${run === 'language' ? 'language model' : run}: ${given} → ${translation}`);
    }
    expect(out.join('\n')).toMatch(/^ {2}logits {2,}\[\d+, \d+\]$/m);
    const steps = out.filter((line) => /^(encoder|decoder) step \d+ reads /.test(line)).length;
    const svg = readFileSync(join(cwd, `${run}.svg`), 'utf8');
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg.match(/class="token"/g)).toHaveLength(steps + (run === 'generator' ? 1 : 0));
  });

  test('--json has every value', async () => {
    const [line] = await lines(['trace', 'seq2seq', 'a b', '--json']);
    const trace = JSON.parse(line!) as Trace;
    expect(trace).toMatchObject({ type: 'seq2seq', input: 'a b', encoder: { tokens: ['a', 'b', '</s>'] } });
    expect(trace.choices[0]!.logits).toHaveLength(trace.names.length);
    expect(trace.decoder!.alignments![0]).toHaveLength(3);
  });

  test.each([
    [['trace', 'seq2seq'], /^couplet: trace needs TEXT: one line of input/],
    [['trace', 'seq2seq', ''], /there is nothing to trace: the text is empty/],
    [['trace', 'frames', ''], /TEXT must name a file of vectors/],
    [['trace', 'generator', 'middle'], /'middle' is not a class of this model; it has high end, low/],
    [['trace', 'vectors', 'a'], /vectors is not a run: it has no config\.yaml/],
    [['trace', 'seq2seq', 'a', 'b'], /'b' is one argument too many/],
  ])('%j is refused', async (args, message) => {
    expect(await complaint(args)).toMatch(message);
  });
});

describe('eval', () => {
  test('--src and --ref of a model that reads vectors: the lines name files', async () => {
    const pairs = readFileSync(join(cwd, 'frames.tsv'), 'utf8').trimEnd().split('\n');
    for (const [column, name] of ['frames.src', 'frames.ref'].entries()) {
      writeFileSync(join(cwd, name), pairs.map((pair) => `${pair.split('\t')[column]}\n`).join(''));
    }
    const figures = async (...from: string[]) => {
      const { data: _, ...all } = JSON.parse((await lines(['eval', 'frames', ...from, '--json'])).join('\n'));
      return all;
    };
    expect(await figures('--src', 'frames.src', '--ref', 'frames.ref')).toEqual(await figures());
  });

  test('--by-length has a row for each range that occurs', async () => {
    const out = await lines(['eval', 'seq2seq', '--by-length']);
    expect(out.find((line) => line.startsWith('  length'))).toMatch(
      /^ {2}length +lines +exact +WER +PER +BLEU$/,
    );
    expect(out.at(-1)).toMatch(/^ {2}1–10 +40 /);
    const [json] = [JSON.parse((await lines(['eval', 'tagger', '--by-length', '--json'])).join('\n'))];
    expect(json.byLength).toMatchObject([{ label: '1–10', lines: 40 }]);
    expect(json.byLength[0].score.token_accuracy).toBe(json.scores.token_accuracy);
  });

  test('--per-class: classes with their confusion, tags, types of entities', async () => {
    const classes = await lines(['eval', 'classifier', '--per-class']);
    expect(classes).toContainEqual(expect.stringMatching(/^ {2}high end +\d+\.\d/));
    expect(classes).toContainEqual(expect.stringMatching(/^ {2}right \\ predicted +high end +low$/));
    expect(await lines(['eval', 'tagger', '--per-class'])).toContainEqual(
      expect.stringMatching(/^ {2}VOWEL +\d+\.\d/),
    );
    const json = JSON.parse((await lines(['eval', 'entities', '--per-class', '--json'])).join('\n'));
    expect(json.entities.types).toMatchObject([{ type: 'X' }]);
    expect(json.entities.f1).toBe(json.scores.entity_f1);
  });

  test('is refused where there is nothing to compare', async () => {
    expect(await complaint(['eval', 'language', '--by-length'])).toMatch(/no metric of this run/);
    expect(await complaint(['eval', 'seq2seq', '--per-class'])).toMatch(/for classifiers and taggers/);
  });
});
