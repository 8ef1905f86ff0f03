/** The keys of what models are built from: embedding tables, encoders, and stacks of decoder layers. */

import type { Section } from '../config/spec.ts';
import { choice, derived, flag, fraction, integer, orNull, section, text } from '../config/spec.ts';

export type InitialState = 'zeros' | 'learned';

export interface EmbeddingsConfig {
  embedding_dim: number;
  /** Dropout on the embedded words. */
  dropout: number;
  /** Pre-trained vectors: a word2vec text or GloVe file; null: none. */
  load_pretrained: string | null;
  /** Leave the table as it starts. */
  freeze: boolean;
  /** With `freeze`: the first epoch, from 1, that trains the table; null: none does. */
  unfreeze_epoch: number | null;
}

/** A stack of recurrent layers. */
export interface StackConfig {
  /** Units per direction. */
  hidden_size: number;
  num_layers: number;
  /** Dropout between layers (none after the last). */
  dropout: number;
  /** From the second layer on, a layer's input is added to its output. */
  residual: boolean;
}

export interface EncoderConfig extends StackConfig {
  embeddings: EmbeddingsConfig;
  /** A bidirectional encoder puts out 2 · hidden_size. */
  bidirectional: boolean;
  initial_state: InitialState;
}

type Standard = NonNullable<Parameters<typeof integer>[0]['default']>;

export function embeddingsSection(of: string, standard: Parameters<typeof integer>[0]['default']) {
  return section<EmbeddingsConfig>(`The ${of} words' embedding table.`, {
    embedding_dim: integer({ default: standard!, min: 1, doc: 'Numbers per word.' }),
    dropout: fraction('Probability of dropping each number of an embedded word while training.'),
    load_pretrained: orNull(
      text({
        doc: 'Start from pre-trained vectors: a file in the text format of word2vec or GloVe (may be `.gz`), of `embedding_dim` numbers a word. How much of the vocabulary it covers is told; the other words start as usual.',
      }),
      'none',
      null,
    ),
    freeze: flag({ default: false, doc: 'Leave the table as it starts.' }),
    unfreeze_epoch: orNull(
      integer({ min: 2, doc: 'With `freeze`: train the table from this epoch on, counted from 1.' }),
      'never',
      null,
    ),
  });
}

const residualDoc = 'From the second layer on, add the input of a layer to its output (Wu et al. 2016).';
const between = 'Dropout between layers; one layer has nothing between.';

export function encoderSection(doc: string) {
  return section<EncoderConfig>(doc, {
    embeddings: embeddingsSection('source', 128),
    hidden_size: integer({
      default: 128,
      min: 1,
      doc: "Units per direction, as in Joey NMT and PyTorch: a bidirectional encoder puts out twice as many. (OpenNMT's `rnn_size` counts both directions.)",
    }),
    bidirectional: flag({ default: true, doc: 'Read the source in both directions.' }),
    num_layers: integer({ default: 1, min: 1, max: 64, doc: 'Layers on top of each other.' }),
    dropout: fraction(between),
    residual: flag({ default: false, doc: residualDoc }),
    initial_state: choice(['zeros', 'learned'], {
      default: 'zeros',
      doc: 'The state before the first step: zeros, or parameters that are trained.',
    }),
  });
}

interface StackDefaults {
  readonly hidden: Standard;
  readonly hiddenDoc: string;
  readonly layers?: Standard;
  readonly layersDoc?: string;
}

export function stackKeys({
  hidden,
  hiddenDoc,
  layers = 1,
  layersDoc = 'Layers on top of each other.',
}: StackDefaults): Section<StackConfig>['keys'] {
  return {
    hidden_size: integer({ default: hidden, min: 1, doc: hiddenDoc }),
    num_layers: integer({ default: layers, min: 1, max: 64, doc: layersDoc }),
    dropout: fraction(between),
    residual: flag({ default: false, doc: residualDoc }),
  };
}

/** Size of an encoder state: both directions side by side. */
export function encoderOutputSize({ encoder }: { readonly encoder: EncoderConfig }): number {
  return (encoder.bidirectional ? 2 : 1) * encoder.hidden_size;
}

/** The embedding size of the decoder where the encoder's is the standard. */
export const sameAsEncoder = derived(
  'the same as `model.encoder.embeddings.embedding_dim`',
  (model: { encoder: EncoderConfig }) => model.encoder.embeddings.embedding_dim,
);
