import { describe, expect, test } from 'vitest';
import { asAnySection } from '../../../src/nn/config/spec.ts';
import { parseConfig } from '../../../src/train/config/parse.ts';
import { changedKeys, checkResumable, resumableKeys } from '../../../src/train/config/resumable.ts';
import { rootSection } from '../../../src/train/config/root.ts';
import { allPaths } from '../../../src/train/config/unknown-keys.ts';

const config = (...overrides: string[]) => parseConfig('data: { train: a.tsv, dev: b.tsv }', { overrides });
const before = config();

test('every key that may change exists', () => {
  const known = [...allPaths(asAnySection(rootSection('x')))].map((path) => path.join('.'));
  for (const key of resumableKeys) expect(known).toContain(key);
});

test('changes are found wherever they are, derived ones too', () => {
  expect(changedKeys(before, config())).toEqual([]);
  const after = config('training.adam_betas=[0.9,0.98]', 'data.dev=null', 'model.encoder.hidden_size=64');
  expect(changedKeys(before, after)).toEqual([
    { key: 'data.dev', before: 'b.tsv', after: null },
    { key: 'model.encoder.hidden_size', before: 128, after: 64 },
    { key: 'model.decoder.hidden_size', before: 256, after: 128 },
    { key: 'training.adam_betas', before: [0.9, 0.999], after: [0.9, 0.98] },
  ]);
});

describe('on resuming', () => {
  test.each([
    'training.epochs=99',
    'data.train=moved/a.tsv',
    'training.validation_freq=2',
    'testing.sacrebleu_cfg.tokenize=char',
    'name=other',
  ])('%s is fine', (override) => {
    expect(() => checkResumable(before, config(override), 'runs/x')).not.toThrow();
  });

  test.each([
    'training.learning_rate=0.5',
    'training.random_seed=2',
    'training.batch_size=3',
    'data.src.level=char',
    'model.cell=gru',
    'training.early_stopping_metric=ppl',
  ])('%s is refused, with both values and the way out', (override) => {
    const [key, value] = override.split('=') as [string, string];
    const shown = /^[\d.]+$/.test(value) ? value : `"${value}"`;
    expect(() => checkResumable(before, config(override), 'runs/x')).toThrow(
      new RegExp(
        `^runs/x: .*these keys cannot change: ${key} \\(.+ so far, now ${shown}\\)\\. .*training\\.load_model: runs/x$`,
      ),
    );
  });
});
