/** The keys of the `testing` section: how the model is used and scored, in validation and afterwards. */
import { choice, flag, integer, listOf, number, orNull, scope, section } from '../../nn/config/spec.ts';
import type { EvalMetric, TestingConfig } from './types.ts';

const metrics: EvalMetric[] = ['token_accuracy', 'sequence_accuracy', 'wer', 'per', 'bleu'];

export const testingSection = scope<TestingConfig>('How the trained model is used and scored.', {
  batch_size: integer({ default: 64, min: 1, doc: 'Sentences decoded at once. It changes no output.' }),
  max_output_length: orNull(
    integer({ min: 1, doc: 'Stop an output after so many tokens.' }),
    '`max_output_factor` × source length + 10',
    null,
  ),
  max_output_factor: number({
    default: 2,
    above: 0,
    max: 100,
    doc: 'Stop an output after so many tokens for each source token, and 10 more; rounded down.',
  }),
  eval_metrics: listOf(choice(metrics, { doc: '' }), {
    default: metrics,
    distinct: true,
    doc: 'What is scored besides loss and perplexity: `token_accuracy` with the right words before it, `sequence_accuracy`, `wer` (share of outputs that are wrong), `per` (edits per reference symbol), `bleu`.',
  }),
  sacrebleu_cfg: section<TestingConfig['sacrebleu_cfg']>("BLEU's options, by sacrebleu's names.", {
    tokenize: choice(['13a', 'char', 'zh', 'none'], {
      default: '13a',
      doc: 'How BLEU cuts text into words; none for text that is cut already.',
      elsewhere: { intl: 'The tokenisation intl is not there; the nearest is 13a.' },
    }),
    lowercase: flag({ default: false, doc: 'Compare in lower case.' }),
  }),
});
