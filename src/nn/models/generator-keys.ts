/** The keys of the conditional generator: one class or vector in, a sequence out. */
import { choice, flag, fraction, integer, type Section, scope, section } from '../config/spec.ts';
import { type CommonConfig, cellKeys, initializationKeys, typeKey } from './common-keys.ts';
import { type EmbeddingsConfig, embeddingsSection, type StackConfig, stackKeys } from './stack-keys.ts';

export type InputUse = 'first_step' | 'every_step';

export interface GeneratorInputConfig {
  /** What the class or the vector is mapped to. */
  embedding_dim: number;
  /** Where the decoder reads it. */
  use: InputUse;
}

export interface GeneratorDecoderConfig extends StackConfig {
  embeddings: EmbeddingsConfig;
  hidden_dropout: number;
}

export interface GeneratorConfig extends CommonConfig {
  type: 'generator';
  input: GeneratorInputConfig;
  decoder: GeneratorDecoderConfig;
  tied_softmax: boolean;
}

export const generatorSection: Section<GeneratorConfig> = scope<GeneratorConfig>(
  'A conditional generator (1→N): a class, or a vector of features, becomes a sequence.',
  {
    type: typeKey('generator'),
    ...cellKeys,
    input: section<GeneratorInputConfig>('What the sequence is generated from.', {
      embedding_dim: integer({
        default: 32,
        min: 1,
        doc: 'Numbers that the class (by a table) or the vector (by a linear layer) is mapped to.',
      }),
      use: choice(['first_step', 'every_step'], {
        default: 'every_step',
        doc: 'Whether it stands beside the first token alone, or beside every one.',
      }),
    }),
    decoder: section<GeneratorDecoderConfig>('Writes the sequence.', {
      embeddings: embeddingsSection('target', 128),
      ...stackKeys({ hidden: 256, hiddenDoc: 'Units.' }),
      hidden_dropout: fraction("Dropout on the top layer's output, before the projection."),
    }),
    tied_softmax: flag({
      default: false,
      doc: "The output projection's weight is the embedding table; needs `decoder.embeddings.embedding_dim` = `decoder.hidden_size`.",
    }),
    ...initializationKeys,
  },
);
