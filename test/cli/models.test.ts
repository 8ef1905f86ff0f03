/** Types of models on the command line: data that is wrong for one, and runs that start from other files. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { couplet } from '../setup/cli.ts';
import { scratchFolder } from '../setup/scratch-folder.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await scratchFolder();
  mkdirSync(join(cwd, 'frames'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
});
afterAll(() => rmSync(cwd, { recursive: true }));

const small = 'encoder: { hidden_size: 4, embeddings: { embedding_dim: 3 } }';
const decoder = 'hidden_size: 4, embeddings: { embedding_dim: 3 }';
const training = 'training: { epochs: 1, batch_size: 4, print_valid_sents: [] }';

/** A `.npy` file of format 1.0: float32 [steps, size]. */
function npy(steps: number, size: number, value: (at: number) => number): Uint8Array {
  const header = `${`{'descr': '<f4', 'fortran_order': False, 'shape': (${steps}, ${size}), }`.padEnd(117)}\n`;
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0, ...Buffer.from(header)]);
  const data = Float32Array.from({ length: steps * size }, (_, at) => value(at));
  return Buffer.concat([start, Buffer.from(data.buffer)]);
}

const files: Record<string, string | Uint8Array> = {
  'tags.yaml': `data: { train: tags.tsv }\nmodel: { type: tagger, ${small} }\n${training}\n`,
  'tags.tsv': 'a dog\tD N\nthe cat sat\tD N V\n',
  'short.tsv': 'a dog\tD N\nthe cat sat\tD N\n',
  'one-tag.tsv': 'a dog\tX X\n',
  'classes.yaml': `data: { train: classes.tsv }\nmodel: { type: classifier, ${small} }\n${training}\n`,
  'classes.tsv': 'a b\tyes\nb c\tno\n',
  'one-class.tsv': 'a b\tyes\nb c\tyes\n',
  'no-class.tsv': 'a b\t\nb c\t \n',
  'generator.yaml': `data: { train: named.tsv, trg: { level: char } }\nmodel: { type: generator, decoder: { ${decoder} } }\n${training}\n`,
  'named.tsv': 'bird\ttit\nfish\tcod\n',
  'unknown.tsv': 'bird\ttern\ndog\tpug\n',
  'lm.yaml': `data: { train: lines.txt, trg: { level: word } }\nmodel: { type: language_model, cell: gru, decoder: { ${decoder} } }\n${training}\n`,
  'lines.txt': 'ka lo mi ka\nlo ka\nmi mi ka\n',
  'one-column.tsv': 'ka lo mi\nlo ka\n',
  'frames.yaml': `data: { train: frames.tsv, dev: frames.tsv, src: { level: frames } }\nmodel: { type: classifier, encoder: { hidden_size: 4 } }\n${training}\n`,
  'frames.tsv': 'frames/a.npy\tup\nframes/b.csv\tdown\nframes/c.npy\tup\n',
  'frames/a.npy': npy(3, 2, (at) => at),
  'frames/b.csv': '3,1\n2,1.5\n',
  'frames/c.npy': npy(5, 2, (at) => at / 2),
  'frames/wide.npy': npy(2, 3, () => 1),
  'frames/bad.csv': '1,2\n3,x\n',
  'missing.tsv': 'frames/a.npy\tup\nframes/none.npy\tdown\n',
  'wide.tsv': 'frames/a.npy\tup\nframes/wide.npy\tdown\n',
  'bad.tsv': 'frames/a.npy\tup\nframes/bad.csv\tdown\n',
  'wide-dev.tsv': 'frames/wide.npy\tup\n',
  'vectors.txt': 'a 1 2 3\nzebra 4 5 6\n',
  'seq2seq.yaml': `data: { train: pairs.tsv }
model: { cell: gru, ${small}, decoder: { ${decoder}, attention: { score: none }, context_use: both, bridge: linear } }
${training}\n`,
  'pairs.tsv': 'a b\tka lo\nb c\tlo mi\nc\tmi\n',
};

const run = (config: string, out: string, ...settings: string[]) =>
  couplet(['train', config, '--out', out, ...settings.flatMap((setting) => ['--set', setting])], { cwd });

/** Standard error of a training that must fail with 2. */
async function complaint(config: string, ...settings: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(config, 'runs/refused', ...settings);
  expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
  return stderr;
}

describe('data that does not fit the type of model', () => {
  test.each([
    [
      'tags.yaml',
      'data.train=short.tsv',
      /short\.tsv: line 2 has 3 tokens but 2 tags; each token needs one\./,
    ],
    ['tags.yaml', 'data.test=short.tsv', /short\.tsv: line 2 has 3 tokens but 2 tags/],
    ['tags.yaml', 'data.train=one-tag.tsv', /one-tag\.tsv has one tag alone, 'X': there must be two tags/],
    [
      'classes.yaml',
      'data.train=one-class.tsv',
      /one-class\.tsv has one class alone, 'yes': there must be two classes/,
    ],
    [
      'classes.yaml',
      'data.train=no-class.tsv',
      /0 of 2 pairs kept \(dropped: 2 empty target\).*Nothing is left/,
    ],
    [
      'generator.yaml',
      'data.dev=unknown.tsv',
      /unknown\.tsv: line 2: 'dog' is not a class of this model; it has bird, fish\./,
    ],
    ['generator.yaml', 'data.test=unknown.tsv', /unknown\.tsv: line 2: 'dog' is not a class of this model/],
    ['lm.yaml', 'data.train=one-column.tsv', /one-column\.tsv: line 1 has 1 column, and 2 are needed/],
    [
      'frames.yaml',
      'data.train=missing.tsv',
      /data\.train: .*missing\.tsv: line 2: There is no file .*none\.npy/,
    ],
    [
      'frames.yaml',
      'data.train=wide.tsv',
      /wide\.tsv: line 2: frames\/wide\.npy has 3 numbers a step, but frames\/a\.npy has 2/,
    ],
    ['frames.yaml', 'data.train=bad.tsv', /bad\.tsv: line 2: .*bad\.csv: line 2, column 2: "x" is not/],
    [
      'frames.yaml',
      'data.dev=wide-dev.tsv',
      /wide-dev\.tsv: line 1: a step has 3 numbers, but the model reads 2/,
    ],
  ])('%s %s', async (config, setting, message) => {
    expect(await complaint(config, setting)).toMatch(message);
  });

  test('entities as the measure, and tags that mark none', async () => {
    expect(
      await complaint('tags.yaml', 'data.dev=tags.tsv', 'training.early_stopping_metric=entity_f1'),
    ).toMatch(
      /training\.early_stopping_metric: entity_f1 counts entities .*tags\.tsv: line 1 has the tag 'D'; write accuracy/,
    );
  });

  test('a type that there is not', async () => {
    expect(await complaint('tags.yaml', 'model.type=tagr')).toMatch(
      /`model\.type` is "tagr".* Did you mean tagger\?/,
    );
  });
});

test('a classifier of frames from .npy and .csv files', async () => {
  const { code, stderr } = await run('frames.yaml', 'runs/frames');
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/frames\.tsv: 3 of 3 pairs kept/);
});

describe('runs that start from other files', () => {
  const vectors = 'model.encoder.embeddings.load_pretrained=vectors.txt';

  test('a language model, then a decoder that begins as it, with pre-trained vectors for the encoder', async () => {
    expect((await run('lm.yaml', 'runs/lm')).code).toBe(0);
    const { code, stderr } = await run(
      'seq2seq.yaml',
      'runs/seq2seq',
      'training.load_decoder=runs/lm',
      'data.trg.voc_file=runs/lm/trg_vocab.txt',
      vectors,
      'model.encoder.embeddings.freeze=true',
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/the decoder starts as the language model in .*runs\/lm\n/);
    expect(stderr).toMatch(
      /encoder embeddings from .*vectors\.txt: 1 of 3 words have a vector of 3 numbers \(33\.3 %\); 20\.0 % of the text's tokens\n/,
    );
    expect(await complaint('seq2seq.yaml', 'training.load_decoder=runs/lm')).toMatch(
      /training\.load_decoder: the target vocabulary has 7 tokens .* token 4 is 'lo' here and 'ka' there\. Take the language model's: data\.trg\.voc_file/,
    );
  });

  test.each([
    [
      [`${vectors}`, 'model.encoder.embeddings.embedding_dim=5'],
      /model\.encoder\.embeddings\.load_pretrained: .*vectors\.txt has vectors of 3 numbers, but model\.encoder\.embeddings\.embedding_dim is 5/,
    ],
    [
      ['model.encoder.embeddings.load_pretrained=nope.txt'],
      /model\.encoder\.embeddings\.load_pretrained: There is no file .*nope\.txt/,
    ],
    [['training.load_decoder=nope'], /training\.load_decoder: .*nope/],
  ])('%j', async (settings, message) => {
    expect(await complaint('seq2seq.yaml', ...settings)).toMatch(message);
  });
});
