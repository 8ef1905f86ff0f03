import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import type { DeepPartial } from '../../src/nn/config/spec.ts';
import type { ModelConfig } from '../../src/nn/model-config.ts';
import { encoderOutputSize, resolveModelConfig } from '../../src/nn/model-config.ts';
import { cells } from '../../src/ops/cells/registry.ts';

const failure = (given: unknown): string => {
  try {
    resolveModelConfig(given as DeepPartial<ModelConfig>);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('it was accepted');
};

describe('defaults', () => {
  test('are a model that fits together', () => {
    const model = resolveModelConfig();
    expect(encoderOutputSize(model)).toBe(256);
    expect(model.decoder.hidden_size).toBe(256);
    expect(model.initializer).toBe('pytorch');
    expect(model.embed_initializer).toBe('pytorch');
    expect(model.bias_initializer).toBe('pytorch');
    expect(model.forget_bias).toBeNull();
  });

  test('follow what is given: sizes and layers of the decoder those of the encoder', () => {
    const { encoder, decoder } = resolveModelConfig({
      encoder: { hidden_size: 37, num_layers: 3, embeddings: { embedding_dim: 11 } },
    });
    expect(encoder.dropout).toBe(0);
    expect(decoder).toMatchObject({ hidden_size: 74, num_layers: 3, embeddings: { embedding_dim: 11 } });
    expect(
      resolveModelConfig({ encoder: { hidden_size: 37, bidirectional: false } }).decoder.hidden_size,
    ).toBe(37);
  });

  test('of embeddings and biases follow the initializer', () => {
    const uniform = resolveModelConfig({ initializer: 'uniform', init_weight: 0.08 });
    expect(uniform).toMatchObject({
      embed_initializer: 'uniform',
      embed_init_weight: 0.08,
      bias_initializer: 'uniform',
    });
    expect(resolveModelConfig({ initializer: 'xavier_uniform' }).bias_initializer).toBe('zeros');
    expect(resolveModelConfig({ initializer: 'uniform', bias_initializer: 'zeros' }).bias_initializer).toBe(
      'zeros',
    );
  });

  test('leave what was given alone', () => {
    const given = { encoder: { hidden_size: 8 } };
    const model = resolveModelConfig(given);
    model.encoder.embeddings.embedding_dim = 3;
    expect(given).toEqual({ encoder: { hidden_size: 8 } });
    expect(resolveModelConfig().encoder.embeddings.embedding_dim).toBe(128);
  });

  test('a complete configuration resolves to itself', () => {
    const model = resolveModelConfig({ cell: 'gru', decoder: { hidden_size: 5, bridge: 'linear' } });
    expect(resolveModelConfig(model)).toEqual(model);
  });
});

describe('sizes that do not fit', () => {
  test('bridge none: both numbers and the way out', () => {
    const message = failure({ encoder: { hidden_size: 100 }, decoder: { hidden_size: 300 } });
    expect(message).toContain('`model.decoder.bridge`');
    expect(message).toContain('200 (2 directions × hidden_size 100)');
    expect(message).toContain('300');
    expect(message).toContain('bridge: linear');
    expect(message).toContain('decoder.hidden_size: 200');
  });

  test('the ways out work', () => {
    const encoder = { hidden_size: 100 };
    expect(
      resolveModelConfig({ encoder, decoder: { hidden_size: 300, bridge: 'linear' } }).decoder.hidden_size,
    ).toBe(300);
    expect(resolveModelConfig({ encoder, decoder: { hidden_size: 200 } }).decoder.hidden_size).toBe(200);
  });

  test.each([
    [
      { decoder: { hidden_size: 300, bridge: 'linear', attention: { score: 'dot' } } },
      ['attention.score', '256', '300', 'score: general'],
    ],
    [{ encoder: { num_layers: 2 }, decoder: { num_layers: 1 } }, ['decoder.num_layers', '1', '2']],
    [
      { tied_embeddings: true, decoder: { embeddings: { embedding_dim: 64 } } },
      ['tied_embeddings', '128', '64'],
    ],
    [{ tied_softmax: true }, ['tied_softmax', '128', '256']],
    [{ cell: 'gru', forget_bias: 1 }, ['forget_bias', 'gru']],
  ])('%j', (given, words) => {
    const message = failure(given);
    for (const word of words) expect(message).toContain(word);
    expect(message.split('\n')).toHaveLength(1);
  });
});

describe('wrong keys and values', () => {
  test.each([
    [{ encoder: { hiden_size: 3 } }, '`model.encoder.hiden_size`: did you mean `model.encoder.hidden_size`?'],
    [
      { encoder: { hidden_size: '64' } },
      '`model.encoder.hidden_size` is "64", but must be a whole number ≥ 1. Write it without quotes.',
    ],
    [{ encoder: { hidden_size: 1.5 } }, 'is 1.5, but must be a whole number ≥ 1.'],
    [{ encoder: { hidden_size: Number.NaN } }, 'is NaN, but must be'],
    [{ encoder: { hidden_size: 1e300 } }, 'must be a whole number'],
    [{ encoder: { hidden_size: null } }, 'has no value (null), but must be a whole number ≥ 1.'],
    [{ encoder: { dropout: 1 } }, 'is 1, but must be a number ≥ 0 and < 1.'],
    [{ encoder: { bidirectional: 'yes' } }, 'must be true or false. Write true.'],
    [{ encoder: 3 }, '`model.encoder` is 3, but must be a section with keys: embeddings, hidden_size'],
    [{ encoder: [] }, '`model.encoder` is [], but must be a section'],
    [{ cell: 'LSTM' }, 'is "LSTM", but must be one of lstm, gru, gru_reset_before, rnn. Did you mean lstm?'],
    [{ decoder: { attention: { score: 'mlp' } } }, 'the nearest here is concat'],
    [{ decoder: { attention: 'luong' } }, '`model.decoder.attention` is "luong", but must be a section'],
    [JSON.parse('{"__proto__": {"cell": "gru"}}'), 'Unknown key `model.__proto__`'],
    [{ constructor: 1 }, 'Unknown key `model.constructor`'],
    [{ '\u001b[31mred': 1 }, 'Unknown key `model.�[31mred`'],
  ])('%j', (given, words) => expect(failure(given)).toContain(words));

  test('all are told at once', () => {
    const lines = failure({ cell: 'x', encoder: { dropout: 2, nope_nope: 1 }, init_gain: 0 }).split('\n');
    expect(lines).toHaveLength(4);
  });

  test('a value that contains itself', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(failure({ cell: loop })).toContain('a value that contains itself');
  });

  test('a value of a megabyte does not fill the message', () => {
    expect(failure({ cell: 'x'.repeat(1_000_000) }).length).toBeLessThan(400);
  });
});

test('a cell of one’s own may be named once it is registered', () => {
  const named = { cell: 'gru of my own' as 'gru' };
  expect(() => resolveModelConfig(named)).toThrow(/`model\.cell` is "gru of my own"/);
  cells.register('gru of my own', () => cells.get({ cell: 'gru' }));
  expect(resolveModelConfig(named).cell).toBe('gru of my own');
});
