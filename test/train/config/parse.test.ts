import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { formatConfig, parseConfig } from '../../../src/train/config/parse.ts';

const tiny = 'data: { train: pairs.tsv }\n';
const failure = (text: string, overrides: string[] = []): string => {
  try {
    parseConfig(text, { source: 'my.yaml', overrides });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('it was accepted');
};

describe('a configuration', () => {
  test('needs nothing but training data', () => {
    const config = parseConfig(tiny, { source: '/some/where/hungarian.yaml' });
    expect(config.name).toBe('hungarian');
    expect(config.data).toMatchObject({ train: 'pairs.tsv', dataset_type: 'tsv', dev: null });
    expect(config.training).toMatchObject({
      epochs: 30,
      updates: null,
      optimizer: 'adam',
      adam_betas: [0.9, 0.999],
    });
    expect(config.testing.sacrebleu_cfg).toEqual({ tokenize: '13a', lowercase: false });
  });

  test.each([
    ['data/train', 'plain'],
    ['data/train.tsv.gz', 'tsv'],
    ['data/TRAIN.TSV', 'tsv'],
  ])('training data %s is %s', (train, type) => {
    expect(parseConfig(`data: { train: ${train} }`).data.dataset_type).toBe(type);
  });

  test('reads what Joey NMT users write', () => {
    const config = parseConfig(
      `
name: "toy experiment"
data:
    train: "test/data/toy/train"
    dev: "test/data/toy/dev"
    src: { lang: de, level: word, lowercase: True, max_length: 30, voc_limit: 400, voc_min_freq: 1 }
    trg: { lang: en, level: word, lowercase: False, max_length: 30 }
testing: { batch_size: 10, eval_metrics: ["bleu"], max_output_length: 31, sacrebleu_cfg: { tokenize: "13a" } }
training:
    optimizer: "adamw"
    learning_rate: 5e-3
    scheduling: plateau
    decrease_factor: 0.5
    patience: 5
    clip_grad_norm: 1.0
    batch_type: "token"
    print_valid_sents: [0, 3, 6]
    early_stopping_metric: bleu
model:
    encoder: { embeddings: { embedding_dim: 16 }, hidden_size: 32, bidirectional: True, dropout: 0.2, num_layers: 2 }
    decoder: { embeddings: { embedding_dim: 16 }, hidden_size: 64, dropout: 0.2, num_layers: 2, hidden_dropout: 0.2, input_feeding: True }
`,
    );
    expect(config.training).toMatchObject({
      learning_rate: 0.005,
      print_valid_sents: [0, 3, 6],
      scheduling: 'plateau',
    });
    expect(config.data.src).toEqual({
      lang: 'de',
      level: 'word',
      lowercase: true,
      max_length: 30,
      voc_limit: 400,
      voc_min_freq: 1,
      voc_file: null,
    });
    expect(config.model).toMatchObject({ decoder: { input_feeding: true } });
  });

  test('a BOM, CRLF, anchors and merge keys are fine', () => {
    const text =
      '\uFEFFdata:\r\n  train: a\r\n  src: &side { lang: en, level: char }\r\n  trg: { <<: *side, lang: fr }\r\n';
    expect(parseConfig(text).data.trg).toMatchObject({ lang: 'fr', level: 'char' });
  });

  test('empty sections have their defaults', () => {
    expect(parseConfig('data:\n  train: a.tsv\nmodel:\ntraining:\n').model.cell).toBe('lstm');
  });

  test('updates instead of epochs', () => {
    expect(parseConfig(`${tiny}training: { updates: 500 }`).training).toMatchObject({
      epochs: null,
      updates: 500,
    });
    expect(parseConfig(`${tiny}training: { updates: 500, epochs: 2 }`).training).toMatchObject({
      epochs: 2,
      updates: 500,
    });
  });
});

describe('printing', () => {
  const odd = `
name: naïve 名 run
data:
  train: "no"
  dev: "1e5"
  src: { lang: "true", voc_file: "a: b #c" }
  trg: { lang: "'quoted\\"" }
training: { learning_rate: 1.0e-07, clip_grad_norm: null, print_valid_sents: [], adam_betas: [0, 0.98] }
model: { forget_bias: -0.5 }
`;
  test.each([tiny, odd])('parses back to itself', (text) => {
    const config = parseConfig(text);
    const printed = formatConfig(config);
    expect(parseConfig(printed)).toEqual(config);
    expect(formatConfig(parseConfig(printed))).toBe(printed);
  });

  test('shows every default', () => {
    const printed = formatConfig(parseConfig(tiny));
    for (const key of ['hidden_dropout: 0', 'clip_grad_norm: 5', 'dev: null', 'tokenize: 13a', 'eps: 1e-8']) {
      expect(printed).toContain(key);
    }
  });
});

describe('overrides', () => {
  test('are YAML and win over the file', () => {
    const config = parseConfig(`${tiny}training: { batch_size: 8, epochs: 3 }`, {
      overrides: [
        'training.batch_size=32',
        'training.adam_betas=[0.8, 0.9]',
        'model.encoder.bidirectional=false',
        'data.dev=dev=1.tsv',
        'training.clip_grad_norm=',
        'training.batch_size=16',
      ],
    });
    expect(config.training).toMatchObject({
      batch_size: 16,
      epochs: 3,
      adam_betas: [0.8, 0.9],
      clip_grad_norm: null,
    });
    expect(config.model).toMatchObject({ encoder: { bidirectional: false } });
    expect(config.data.dev).toBe('dev=1.tsv');
  });

  test.each([
    [
      'training.batch_size=abc',
      '--set training.batch_size=abc: `training.batch_size` is "abc", but must be a whole number',
    ],
    [
      'training.bach_size=3',
      '--set training.bach_size=3: Unknown key `training.bach_size`: did you mean `training.batch_size`?',
    ],
    ['batch_size=3', 'Unknown key `batch_size`: `batch_size` belongs in `training` or `testing`.'],
    ['training.batch_size', '--set training.batch_size: must read SECTION.KEY=VALUE'],
    ['=3', 'must read SECTION.KEY=VALUE'],
    ['training..x=3', 'must read SECTION.KEY=VALUE'],
    ['data.train.x=3', '`train` is not a section'],
    ['training.adam_betas=[0.9', 'the value is not YAML'],
    ['__proto__.x=3', 'Unknown key `__proto__`'],
  ])('%s', (override, words) => {
    expect(failure(`data:\n  train: a.tsv\n`, [override])).toContain(words);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('mistakes are found with their line', () => {
  test.each([
    [
      'data:\n  train: a.tsv\ntraining:\n  bacth_size: 3\n',
      'my.yaml:4:3: Unknown key `training.bacth_size`: did you mean `training.batch_size`?',
    ],
    [
      'data:\n  train: a.tsv\ntraining:\n  batch_size: zero\n',
      'my.yaml:4:15: `training.batch_size` is "zero", but must be a whole number ≥ 1.',
    ],
    [
      'data:\n  train: a.tsv\nmodel:\n  encoder:\n    hidden_size: 0\n',
      'my.yaml:5:18: `model.encoder.hidden_size` is 0, but must be a whole number ≥ 1.',
    ],
    ['training: {}\n', 'my.yaml: `data.train` is missing: it must be text.'],
    ['training: {}\ndata:\n  dev: b.tsv\n', 'my.yaml:2:1: `data.train` is missing'],
    ['data: [1]\n', 'my.yaml:1:7: `data` is [1], but must be a section'],
    ['data:\n  train: a.tsv\n  train: b.tsv\n', 'my.yaml:3:3: not YAML: Map keys must be unique'],
    ['data:\n\ttrain: a.tsv\n', 'my.yaml:2:1: not YAML'],
    ['data: {train: a.tsv\n', 'not YAML'],
    ['- a\n', 'my.yaml: a configuration has the sections'],
    ['just words\n', 'my.yaml: a configuration has the sections'],
    ['', 'my.yaml: `data.train` is missing'],
    ['data: { train: a.tsv }\n---\ndata: { train: b.tsv }\n', 'not YAML: Source contains multiple documents'],
    [
      'data: { train: a.tsv }\nname: ../../etc\n',
      'my.yaml:2:7: `name` is "../../etc", but must be a name of letters',
    ],
    ['__proto__: { x: 1 }\ndata: { train: a.tsv }\n', 'my.yaml:1:1: Unknown key `__proto__`'],
    ['data: { train: 12 }\n', '`data.train` is 12, but must be text. Put it in quotes: "12".'],
    ['data: { train: a.tsv }\ntraining: { learning_rate: .inf }\n', 'is Infinity, but must be a number > 0.'],
    [
      'data: { train: a.tsv }\ntraining: { adam_betas: [0.9] }\n',
      'must be a list of 2, each a number ≥ 0 and < 1.',
    ],
    ['data: { train: a.tsv }\ntraining: { scheduling: noam }\n', 'Write inverse_sqrt'],
    ['data: { train: a.tsv }\ntesting: { eval_metrics: [bleu, bleu] }\n', 'a list without repeats'],
  ])('%j', (text, words) => expect(failure(text)).toContain(words));

  test('in the order of the specification, all at once, but not without end', () => {
    const many = Array.from({ length: 50 }, (_, i) => `  wrong_key_number_${i}: 1`).join('\n');
    const lines = failure(`${tiny}training:\n${many}\n`).split('\n');
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe('… and 30 more.');
    expect(lines[1]).toMatch(/^my\.yaml:4:3: /);
  });

  test('behind an alias, the place is that of the anchor', () => {
    const text = 'data:\n  train: a\n  src: &side\n    levle: char\n  trg: *side\n';
    expect(failure(text).split('\n')).toEqual([
      expect.stringMatching(/^my\.yaml:4:5: Unknown key `data\.src\.levle`/),
      expect.stringMatching(/^my\.yaml:4:5: Unknown key `data\.trg\.levle`/),
    ]);
  });

  test('a small text that stands for a huge one is refused', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `a${i}: &a${i} [${Array(10).fill(i ? `*a${i - 1}` : 'x')}]`,
    );
    expect(failure(levels.join('\n'))).toContain('alias');
  });
});

test('whatever the text, it is a configuration or a ConfigError', () => {
  const text = formatConfig(parseConfig(`${tiny}training: { adam_betas: [0.5, 0.6] }`));
  const pieces = [
    '\\n',
    '  ',
    ':',
    '-',
    '&a',
    '*a',
    '<<',
    '[',
    '}',
    '"',
    '\\u0000',
    '1e999',
    '!!map',
    '%YAML',
    '\\t',
    '? ',
  ];
  let seed = 12345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const at = random(text.length);
    const mutated = text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at + random(12));
    try {
      parseConfig(mutated);
    } catch (error) {
      expect(error, mutated).toBeInstanceOf(ConfigError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
});

describe('names of other toolkits', () => {
  test.each([
    ['rnn_size: 500', '`model.encoder.hidden_size` and `model.decoder.hidden_size`'],
    ['word_vec_size: 500', '`model.encoder.embeddings.embedding_dim`'],
    ['enc_layers: 2', '`model.encoder.num_layers`'],
    ['dec_layers: 2', '`model.decoder.num_layers`'],
    ['train_steps: 1000', '`training.updates`'],
    ['src_vocab_size: 1000', '`data.src.voc_limit`'],
    ['tgt_vocab_size: 1000', '`data.trg.voc_limit`'],
    ['max_grad_norm: 5', '`training.clip_grad_norm`'],
    ['global_attention: general', '`model.decoder.attention.score`'],
    ['learning-rate-decay: 0.5', '`training.decrease_factor`'],
    ['beam_size: 5', "Joey NMT's `beam_size` has no counterpart here (decoding is greedy)"],
  ])('%s', (line, words) => {
    const message = failure(`${tiny}${line}\n`);
    expect(message).toContain('my.yaml:2:1: Unknown key');
    expect(message).toContain(words);
  });

  test.each([
    ['learning_rate: 1', '`learning_rate` belongs in `training`.'],
    ['dropout: 0.3', '`model.encoder.embeddings`'],
    ['random_seed: 1', '`random_seed` belongs in `training`.'],
    ['model_dir: here', '`model_dir` belongs in `training`.'],
  ])('%s belongs in a section', (line, words) => {
    expect(failure(`${tiny}${line}\n`)).toContain(words);
  });

  test("Joey NMT's decoder", () => {
    const message = failure(`${tiny}model:\n  decoder:\n    rnn_type: gru\n    init_hidden: last\n`);
    expect(message).toContain(
      "my.yaml:4:5: Unknown key `model.decoder.rnn_type`: Joey NMT's `rnn_type` is `model.cell` here",
    );
    expect(message).toContain('`model.decoder.bridge`');
  });
});

describe('keys that do not fit together', () => {
  test.each([
    ['training: { epochs: null }', ['training.epochs', 'never end']],
    ['training: { momentum: 0.9 }', ['training.momentum', 'sgd', 'adam']],
    ['training: { scheduling: inverse_sqrt }', ['learning_rate_warmup']],
    ['training: { scheduling: plateau }', ['data.dev']],
    ['training: { early_stopping_patience: 3 }', ['data.dev']],
    ['training: { learning_rate_min: 1 }', ['learning_rate_min', '0.001']],
    ['model: { tied_embeddings: true }', ['share_vocab']],
    ['model: { decoder: { hidden_size: 100 } }', ['256', '100', 'bridge: linear']],
  ])('%s', (line, words) => {
    const message = failure(`${tiny}${line}\n`);
    expect(message).toMatch(/^my\.yaml:2:/);
    for (const word of words) expect(message).toContain(word);
    expect(message.split('\n')).toHaveLength(1);
  });

  test.each([
    [
      'data: { train: a.tsv, dev: b.tsv }\ntraining: { early_stopping_metric: bleu }\ntesting: { eval_metrics: [wer] }',
      ['my.yaml:2:', 'training.early_stopping_metric', 'bleu', 'testing.eval_metrics'],
    ],
    ['data: { train: a.tsv, target_column: 1 }', ['data.target_column', '1']],
    ['data: { train: a.tsv, dataset_type: plain }', ['data.dataset_type', 'TSV']],
    ['data: { train: a, src: { lang: en }, trg: { lang: en } }', ['data.trg.lang', 'en']],
    [
      'data: { train: a, share_vocab: true, src: { level: char } }',
      ['data.trg.level', 'word', 'char', 'agree'],
    ],
    ['data: { train: a, share_vocab: true, trg: { voc_limit: 9 } }', ['data.trg.voc_limit', '9', 'null']],
  ])('%s', (text, words) => {
    const message = failure(`${text}\n`);
    for (const word of words) expect(message).toContain(word);
  });
});
