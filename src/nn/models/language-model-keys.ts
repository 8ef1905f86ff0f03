/** The keys of the language model. */
import { flag, fraction, type Section, scope, section } from '../config/spec.ts';
import { type CommonConfig, cellKeys, initializationKeys, typeKey } from './common-keys.ts';
import type { GeneratorDecoderConfig } from './generator-keys.ts';
import { embeddingsSection, stackKeys } from './stack-keys.ts';

export interface LanguageModelConfig extends CommonConfig {
  type: 'language_model';
  /** As the decoder of a `seq2seq`, which can start from these parameters. */
  decoder: GeneratorDecoderConfig;
  tied_softmax: boolean;
}

export const languageModelSection: Section<LanguageModelConfig> = scope<LanguageModelConfig>(
  'A language model: the next token from those before it.',
  {
    type: typeKey('language_model'),
    ...cellKeys,
    decoder: section<GeneratorDecoderConfig>(
      "The recurrent layers; named as a decoder's, since one can start from them (`training.load_decoder`).",
      {
        embeddings: embeddingsSection('', 128),
        ...stackKeys({ hidden: 256, hiddenDoc: 'Units.' }),
        hidden_dropout: fraction("Dropout on the top layer's output, before the projection."),
      },
    ),
    tied_softmax: flag({
      default: false,
      doc: "The output projection's weight is the embedding table (Press & Wolf 2017); needs `decoder.embeddings.embedding_dim` = `decoder.hidden_size`.",
    }),
    ...initializationKeys,
  },
);
