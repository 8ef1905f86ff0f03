/** The keys of the `data` section: which text, how it is cut into tokens, which vocabularies. */
import { choice, derived, flag, integer, orNull, scope, section, text } from '../../nn/config/spec.ts';
import type { ModelType } from '../../nn/model-config.ts';
import type { DataConfig, DatasetType, SideConfig } from './types.ts';

function side(doc: string, lang: string, longest: number | null) {
  return section<SideConfig>(doc, {
    lang: text({
      default: lang,
      matches: /^[^/\\\s]+$/,
      allowed: 'a file name suffix without slashes or spaces',
      doc: "Suffix of this side's files when `dataset_type` is plain: `train: data/train` and `lang: en` read `data/train.en`.",
    }),
    level: choice(['word', 'char', 'frames'], {
      default: 'word',
      doc: 'What a token is: what lies between white space, or every character. Of the source also `frames`: each line names a `.npy` or `.csv` file of real-valued vectors, one a step (paths count from the folder of the text).',
      elsewhere: {
        bpe: 'Subword segmentation is not there yet: segment the files beforehand and write word.',
      },
    }),
    lowercase: flag({ default: false, doc: 'Lower-case the text, in training and in use.' }),
    max_length: orNull(
      integer({
        min: 1,
        doc: 'Training pairs with more tokens on this side are dropped, and their number is told. The default is 100, but of a language model, whose text is one piece, null.',
      }),
      'no limit',
      longest,
    ),
    voc_limit: orNull(
      integer({
        min: 1,
        doc: 'Keep so many of the most frequent tokens; the four special ones come on top.',
      }),
      'all',
      null,
    ),
    voc_min_freq: integer({
      default: 1,
      min: 0,
      doc: 'Keep only tokens that the training text has at least so often.',
    }),
    voc_file: orNull(
      text({
        doc: 'A vocabulary to use, one token per line; `voc_limit` and `voc_min_freq` then mean nothing.',
      }),
      'built from the training text',
      null,
    ),
  });
}

/** `type`: the model's, on which some defaults depend. */
export const dataSection = (type: ModelType) =>
  scope<DataConfig>(
    'The text. A file whose name ends in `.gz` is unpacked; of parallel files either form may lie there.',
    {
      dataset_type: choice(['plain', 'tsv', 'lines'], {
        default: derived(
          'tsv if `data.train` ends in .tsv or .tsv.gz, otherwise plain; for a language model lines',
          ({ train }: DataConfig): DatasetType => {
            if (isTsv(train)) return 'tsv';
            return type === 'language_model' ? 'lines' : 'plain';
          },
        ),
        doc: "Two parallel files (`PREFIX.SRC` and `PREFIX.TRG`, with each side's `lang` as suffix); one file of tab-separated columns without a header; or, for a language model, one file of lines (of a TSV file it reads the target's column).",
        elsewhere: {
          parallel: 'Parallel files are plain here.',
          huggingface: 'Data sets are read from files only.',
        },
      }),
      train: text({
        doc: 'Training pairs: the prefix of the parallel files, the TSV file, or the file of lines.',
      }),
      dev: orNull(
        text({ doc: 'Validation pairs, as `train`.' }),
        'no validation: the last checkpoint counts as the best',
        null,
      ),
      test: orNull(text({ doc: 'Test pairs, as `train`; scored once, after training.' }), 'no test', null),
      source_column: integer({
        default: 1,
        min: 1,
        doc: 'The TSV column of the source, counted from 1 as `cut -f` does.',
      }),
      target_column: integer({ default: 2, min: 1, doc: 'The TSV column of the target, counted from 1.' }),
      src: side('The source side.', 'src', 100),
      trg: side('The target side.', 'trg', type === 'language_model' ? null : 100),
      share_vocab: flag({
        default: false,
        doc: 'One vocabulary for both sides, built from both; `src` and `trg` must then agree about level and vocabulary.',
      }),
      ignored_tag: orNull(
        text({
          matches: /^\S+$/,
          allowed: 'a tag without spaces',
          doc: 'Of a tagger: a tag that stands where there is nothing to learn or to score, as in a cloze, where only the blank has an answer.',
        }),
        'every tag counts',
        null,
      ),
      reverse_source: flag({
        default: false,
        doc: 'Of seq2seq and classifier: feed the source from its last token to its first (Sutskever et al. 2014).',
      }),
    },
  );

export function isTsv(file: string): boolean {
  return /\.tsv(\.gz)?$/i.test(file);
}
