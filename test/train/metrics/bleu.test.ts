import { describe, expect, it } from 'vitest';
import { splitWhitespace } from '../../../src/data/whitespace.ts';
import { ConfigError, DataError } from '../../../src/errors.ts';
import { type BleuOptions, corpusBleu, describeBleu } from '../../../src/train/metrics/bleu.ts';
import { type BleuTokenization, tokenizeForBleu } from '../../../src/train/metrics/bleu-tokenizers.ts';
import fixtures from '../../golden/bleu.json' with { type: 'json' };

const scores = fixtures.cases.flatMap(({ name, hypotheses, references, scores }) =>
  scores.map((expected) => ({ name, hypotheses, references, expected, signature: expected.signature })),
);

describe('corpusBleu', () => {
  it.each(scores)("is sacrebleu's: $name, $signature", ({ hypotheses, references, expected }) => {
    const bleu = corpusBleu(hypotheses, references, expected.options as BleuOptions);
    expect(Math.abs(bleu.score - expected.score)).toBeLessThan(1e-6);
    for (const [n, precision] of expected.precisions.entries()) {
      expect(Math.abs(bleu.precisions[n]! - precision)).toBeLessThan(1e-6);
    }
    expect(Math.abs(bleu.brevityPenalty - expected.brevityPenalty)).toBeLessThan(1e-9);
    expect(bleu.hypothesisLength).toBe(expected.hypothesisLength);
    expect(bleu.referenceLength).toBe(expected.referenceLength);
    expect(bleu.signature).toBe(`${expected.signature}|version:couplet-1`);
  });

  it('takes a single list of references as it is', () => {
    const [hypotheses, references] = [['the cat sat on the mat'], ['the cat sat on a mat']];
    expect(corpusBleu(hypotheses, references)).toEqual(corpusBleu(hypotheses, [references]));
  });

  it('is described as sacrebleu prints it', () => {
    const bleu = corpusBleu(['the cat sat on the mat'], ['the cat sat on the big mat'], { tokenize: 'none' });
    // sacrebleu 2.6.0 of the same pair, but for the version.
    expect(describeBleu(bleu)).toBe(
      'BLEU|nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:couplet-1 = 67.32 100.0/80.0/75.0/66.7 ' +
        '(BP = 0.846 ratio = 0.857 hyp_len = 6 ref_len = 7)',
    );
  });

  it('refuses lists that do not fit', () => {
    expect(() => corpusBleu(['a', 'b'], ['a'])).toThrow(
      new DataError('There are 2 hypotheses but 1 references.'),
    );
    expect(() => corpusBleu(['a'], [['a'], ['a', 'b']])).toThrow(DataError);
    expect(() => corpusBleu([], [])).toThrow(DataError);
    expect(() => corpusBleu(['a'], ['a'], { tokenize: 'spm' as BleuTokenization })).toThrow(ConfigError);
  });
});

describe('tokenizeForBleu', () => {
  const { lines, tokens } = fixtures.tokenizations;
  it.each(Object.entries(tokens))('%s gives the tokens of sacrebleu', (tokenization, expected) => {
    const found = lines.map((line) =>
      splitWhitespace(tokenizeForBleu(line, tokenization as BleuTokenization)),
    );
    expect(found).toEqual(expected);
  });
});
