/** The keys of the `testing` section: how the model is used and scored, in validation and afterwards. */
import { choice, flag, integer, listOf, number, orNull, scope, section } from '../../nn/config/spec.ts';
import type { ModelType } from '../../nn/model-config.ts';
import type { EvalMetric, TestingConfig } from './types.ts';

/** What each type of model can be scored by; all of it is, unless a configuration says otherwise. */
export const metricsOf: Readonly<Record<ModelType, readonly EvalMetric[]>> = {
  seq2seq: ['token_accuracy', 'sequence_accuracy', 'wer', 'per', 'bleu'],
  tagger: ['token_accuracy', 'sequence_accuracy', 'entity_f1'],
  classifier: ['accuracy', 'macro_f1'],
  generator: ['token_accuracy'],
  language_model: ['token_accuracy', 'bits_per_character'],
};

const allMetrics = [...new Set(Object.values(metricsOf).flat())];

export const testingSection = (type: ModelType) =>
  scope<TestingConfig>('How the trained model is used and scored.', {
    batch_size: integer({
      default: 64,
      min: 1,
      doc: 'Sentences decoded at once. It changes no output that is not drawn. With `training.bptt_length`: the rows that a text to be scored is cut into, each from zero states.',
    }),
    max_output_length: orNull(
      integer({ min: 1, doc: 'Stop an output after so many tokens.' }),
      '`max_output_factor` × source length + 10',
      type === 'generator' || type === 'language_model' ? 100 : null,
    ),
    max_output_factor: number({
      default: 2,
      above: 0,
      max: 100,
      doc: 'Stop an output after so many tokens for each source token, and 10 more; rounded down.',
    }),
    temperature: number({
      default: 0,
      min: 0,
      max: 100,
      doc: 'How text is written: 0 takes the most probable token at each step, 1 draws one from the distribution, lower values draw more carefully.',
    }),
    eval_metrics: listOf(choice(allMetrics, { doc: '' }), {
      default: [...metricsOf[type]],
      distinct: true,
      doc: "What is scored besides loss and perplexity, by default all that the model's type has. seq2seq: `token_accuracy` with the right words before it, `sequence_accuracy` (exact match), `wer` (share of outputs that are wrong), `per` (edits per reference symbol), `bleu`; tagger: `token_accuracy`, `sequence_accuracy`, `entity_f1` (as conlleval, where the tags are B-, I-, O); classifier: `accuracy`, `macro_f1`; language_model: `token_accuracy`, `bits_per_character`.",
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
