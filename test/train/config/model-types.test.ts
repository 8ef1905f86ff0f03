/** What a configuration says of one type of model and means nothing to another, each as a clear message. */
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { parseConfig } from '../../../src/train/config/parse.ts';

function problemsOf(type: string, ...overrides: string[]): string {
  const train = type === 'language_model' ? 'a.txt' : 'a.tsv';
  const text = `data: { train: ${train}, dev: ${train} }\nmodel: { type: ${type} }\n`;
  try {
    parseConfig(text, { source: 'c.yaml', overrides });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return '';
}

test.each(['seq2seq', 'tagger', 'classifier', 'generator', 'language_model'])(
  'a bare %s is complete',
  (type) => {
    expect(problemsOf(type)).toBe('');
  },
);

test('a type that there is not', () => {
  expect(problemsOf('tagr')).toBe(
    'c.yaml:2:16: `model.type` is "tagr", but must be one of seq2seq, tagger, classifier, generator, language_model. Did you mean tagger?',
  );
});

describe('a reversed source', () => {
  test.each([
    ['tagger', [], 'tags stand for tokens in their order; write false.'],
    ['generator', [], 'a generator reads no tokens; write false.'],
    ['language_model', [], 'a language_model reads no tokens; write false.'],
    ['classifier', ['data.src.level=frames'], 'is for tokens; frames are read in their own order.'],
  ])('%s %j', (type, others, message) => {
    expect(problemsOf(type, 'data.reverse_source=true', ...others)).toContain(
      `\`data.reverse_source\`: ${message}`,
    );
  });

  test.each(['seq2seq', 'classifier'])('%s', (type) => {
    expect(problemsOf(type, 'data.reverse_source=true')).toBe('');
  });
});

describe('keys of other types', () => {
  test.each([
    [
      'tagger',
      'model.decoder.hidden_size=8',
      '`model.decoder`: a tagger has no such key, but seq2seq, generator, language_model have; see `model.type`.',
    ],
    [
      'seq2seq',
      'model.crf=true',
      '`model.crf`: a seq2seq has no such key, but tagger has; see `model.type`.',
    ],
    [
      'generator',
      'model.encoder.hidden_size=8',
      '`model.encoder`: a generator has no such key, but seq2seq, tagger, classifier have; see `model.type`.',
    ],
    [
      'language_model',
      'model.decoder.attention.score=dot',
      '`model.decoder.attention`: a language_model has no such key, but seq2seq has; see `model.type`.',
    ],
    [
      'classifier',
      'model.batch_size=8',
      '`model.batch_size`: `batch_size` belongs in `training` or `testing`.',
    ],
  ])('%s: %s', (type, setting, message) => {
    expect(problemsOf(type, setting)).toContain(`Unknown key ${message}`);
  });
});

describe('metrics of other types', () => {
  test.each([
    [
      'tagger',
      'testing.eval_metrics=[bleu]',
      'bleu cannot score a tagger; it has token_accuracy, sequence_accuracy, entity_f1.',
    ],
    [
      'language_model',
      'testing.eval_metrics=[wer, per]',
      'wer, per cannot score a language_model; it has token_accuracy, bits_per_character.',
    ],
    [
      'classifier',
      'training.early_stopping_metric=bleu',
      'bleu cannot score a classifier; write one of loss, ppl, accuracy, macro_f1.',
    ],
    [
      'language_model',
      'training.early_stopping_metric=entity_f1',
      'entity_f1 cannot score a language_model; write one of loss, ppl, accuracy.',
    ],
  ])('%s: %s', (type, setting, message) => {
    expect(problemsOf(type, setting)).toContain(message);
  });

  test('a metric that is not asked for', () => {
    expect(
      problemsOf(
        'tagger',
        'training.early_stopping_metric=entity_f1',
        'testing.eval_metrics=[token_accuracy]',
      ),
    ).toContain(
      '`training.early_stopping_metric`: entity_f1 must be among `testing.eval_metrics` to be known.',
    );
  });
});

describe('what a model starts from', () => {
  const embeddings = 'model.encoder.embeddings';
  test.each([
    [
      'tagger',
      ['training.load_decoder=runs/lm'],
      '`training.load_decoder`: is for seq2seq, but `model.type` is tagger.',
    ],
    [
      'seq2seq',
      ['training.load_decoder=runs/lm'],
      '`training.load_decoder`: a decoder with attention predicts from h̃, which no language model has',
    ],
    [
      'seq2seq',
      ['training.load_decoder=runs/lm', 'model.decoder.attention.score=none'],
      '`training.load_decoder`: a language model starts from a state of zeros',
    ],
    [
      'seq2seq',
      [
        'training.load_decoder=a',
        'training.load_model=b',
        'model.decoder.attention.score=none',
        'model.decoder.bridge=linear',
      ],
      '`training.load_decoder`: `load_model` gives the decoder too; keep one of them.',
    ],
    [
      'seq2seq',
      [
        'training.load_decoder=a',
        'model.decoder.embeddings.load_pretrained=v.txt',
        'model.decoder.attention.score=none',
        'model.decoder.bridge=linear',
      ],
      '`model.decoder.embeddings.load_pretrained`: the decoder starts from `training.load_decoder`, its table too.',
    ],
    [
      'classifier',
      [`${embeddings}.load_pretrained=v.txt`, 'data.src.level=frames'],
      `\`${embeddings}.load_pretrained\`: frames have no embedding table.`,
    ],
    [
      'classifier',
      [`${embeddings}.unfreeze_epoch=2`],
      `\`${embeddings}.unfreeze_epoch\`: nothing is frozen: write \`freeze: true\` too.`,
    ],
    [
      'seq2seq',
      ['model.tied_embeddings=true', 'data.share_vocab=true', 'model.decoder.embeddings.freeze=true'],
      '`model.decoder.embeddings.freeze`: with `tied_embeddings` there is one table: write it under `model.encoder.embeddings`.',
    ],
  ])('%s: %j', (type, settings, message) => {
    expect(problemsOf(type, ...settings)).toContain(message);
  });

  test('a decoder that a language model fits is accepted, whichever way its state starts from zeros', () => {
    const none = ['training.load_decoder=runs/lm', 'model.decoder.attention.score=none'];
    expect(problemsOf('seq2seq', ...none, 'model.decoder.bridge=linear')).toBe('');
    expect(problemsOf('seq2seq', ...none, 'model.decoder.context_use=every_step')).toBe('');
    expect(
      problemsOf('seq2seq', ...none, 'model.decoder.context_use=every_step', 'model.decoder.bridge=linear'),
    ).toContain(
      '`model.decoder.bridge`: linear, but with `context_use: every_step` the decoder starts from zeros',
    );
  });
});
