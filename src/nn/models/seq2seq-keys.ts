/** The keys of the encoder–decoder, with attention or with one fixed context, and what must fit together in them. */
import type { AttentionScore } from '../../ops/scores/registry.ts';
import { choice, derived, flag, fraction, type Section, scope, section } from '../config/spec.ts';
import { type CommonConfig, cellKeys, initializationKeys, typeKey } from './common-keys.ts';
import {
  type EmbeddingsConfig,
  type EncoderConfig,
  embeddingsSection,
  encoderOutputSize,
  encoderSection,
  type StackConfig,
  sameAsEncoder,
  stackKeys,
} from './stack-keys.ts';

export type Bridge = 'none' | 'linear';
export type Context = 'last' | 'linear' | 'mean' | 'max' | 'attention-pooled';
export type ContextUse = 'initial_state' | 'every_step' | 'both';

export interface AttentionConfig {
  /** `none`: the decoder sees the source through one fixed context alone. */
  score: AttentionScore | 'none';
}

export interface Seq2SeqDecoderConfig extends StackConfig {
  embeddings: EmbeddingsConfig;
  /** Dropout on what the output projection reads: h̃, without attention the top layer's output. */
  hidden_dropout: number;
  input_feeding: boolean;
  attention: AttentionConfig;
  /** How the encoder's final states, or the context, become the decoder's first ones. */
  bridge: Bridge;
  /** What the fixed context c is made of. */
  context: Context;
  /** Where the decoder reads c. */
  context_use: ContextUse;
}

export interface Seq2SeqConfig extends CommonConfig {
  type: 'seq2seq';
  encoder: EncoderConfig;
  decoder: Seq2SeqDecoderConfig;
  /** Encoder and decoder share one embedding table (needs a shared vocabulary). */
  tied_embeddings: boolean;
  /** The output projection's weight is the decoder's embedding table. */
  tied_softmax: boolean;
}

const scores = {
  luong: "Joey NMT's `luong` is general here.",
  bilinear: 'The bilinear score is general here.',
  mlp: "OpenNMT's `mlp` is the additive score; the nearest here is concat.",
  bahdanau: 'The additive score of Bahdanau is not there yet; the nearest here is concat.',
};

export const seq2seqSection: Section<Seq2SeqConfig> = scope<Seq2SeqConfig>(
  'An encoder–decoder (N→M): with Luong attention, or with one fixed context.',
  {
    type: typeKey('seq2seq'),
    ...cellKeys,
    encoder: encoderSection('Reads the source.'),
    decoder: section<Seq2SeqDecoderConfig>('Writes the target.', {
      embeddings: embeddingsSection('target', sameAsEncoder),
      ...stackKeys({
        hidden: derived(
          "the encoder's output: `model.encoder.hidden_size`, twice that if bidirectional",
          encoderOutputSize,
        ),
        hiddenDoc: 'Units; also the size of the attentional vector h̃.',
        layers: derived(
          'the same as `model.encoder.num_layers`',
          (model: Seq2SeqConfig) => model.encoder.num_layers,
        ),
        layersDoc:
          "Layers on top of each other. With `context: last` each starts from the encoder's layer of the same number, so there are as many.",
      }),
      hidden_dropout: fraction(
        'Dropout on the attentional vector h̃ (without attention on the top layer), before the output projection.',
      ),
      input_feeding: flag({
        default: false,
        doc: "Feed h̃ back in beside the next word (Luong et al. 2015, section 3.3). Slower: attention then runs step by step. (Joey NMT's default is true.)",
      }),
      attention: section<AttentionConfig>('Luong attention.', {
        score: choice(['dot', 'general', 'concat', 'none'], {
          default: 'general',
          doc: 'How a decoder state h scores an encoder state s: `dot` h·s (sizes must be equal), `general` h·W s, `concat` v·tanh(W [h; s]). `none`: no attention, the decoder sees the source through `context` alone.',
          elsewhere: scores,
        }),
      }),
      bridge: choice(['none', 'linear'], {
        default: 'none',
        doc: "How the encoder's final states start the decoder: as they are (both directions side by side; sizes must be equal), or through a linear layer that all layers share (for lstm one for h and one for c). A context other than `last` takes the same way; with `none` an lstm's c then starts at zero.",
        elsewhere: {
          last: "Joey NMT's `last` is none here.",
          bridge: "Joey NMT's `bridge` is linear here.",
          true: 'Write linear.',
          false: 'Write none.',
        },
      }),
      context: choice(['last', 'linear', 'mean', 'max', 'attention-pooled'], {
        default: 'last',
        doc: "The fixed context c of a decoder without attention: the encoder's last state, a linear transform of it, or of all states the mean, the maximum, or a mean weighted by a learned query.",
      }),
      context_use: choice(['initial_state', 'every_step', 'both'], {
        default: 'initial_state',
        doc: 'Where a decoder without attention reads c: in its initial state (form 1), beside the word at every step (form 2), or both.',
      }),
    }),
    tied_embeddings: flag({
      default: false,
      doc: 'Source and target share one embedding table; needs `data.share_vocab`.',
    }),
    tied_softmax: flag({
      default: false,
      doc: "The output projection's weight is the target embedding table; needs `decoder.embeddings.embedding_dim` = `decoder.hidden_size`.",
    }),
    ...initializationKeys,
  },
);

/** What does not fit together in a model whose keys are each right. */
export function checkSeq2Seq(model: Seq2SeqConfig, problem: (path: string, message: string) => void): void {
  const { encoder, decoder } = model;
  const encoderSize = encoderOutputSize(model);
  const sizes = `the encoder puts out ${encoderSize} (${encoder.bidirectional ? '2 directions × ' : ''}hidden_size ${encoder.hidden_size}) but the decoder's hidden_size is ${decoder.hidden_size}`;
  const fit = `decoder.hidden_size: ${encoderSize}`;
  const attends = decoder.attention.score !== 'none';
  const startsFromSource = attends || decoder.context_use !== 'every_step';

  if (startsFromSource && decoder.context === 'last' && decoder.num_layers !== encoder.num_layers) {
    problem(
      'decoder.num_layers',
      `${decoder.num_layers}, but the encoder has ${encoder.num_layers}; each decoder layer starts from the encoder's layer of the same number, so write the same number for both.`,
    );
  }
  if (startsFromSource && decoder.bridge === 'none' && encoderSize !== decoder.hidden_size) {
    problem('decoder.bridge', `none needs equal sizes: ${sizes}. Write \`bridge: linear\`, or \`${fit}\`.`);
  }
  if (!startsFromSource && decoder.bridge === 'linear') {
    problem(
      'decoder.bridge',
      'linear, but with `context_use: every_step` the decoder starts from zeros; write none, or `context_use: both`.',
    );
  }
  if (decoder.attention.score === 'dot' && encoderSize !== decoder.hidden_size) {
    problem(
      'decoder.attention.score',
      `dot needs equal sizes: ${sizes}. Write \`score: general\`, or \`${fit}\`.`,
    );
  }
  if (attends && decoder.context !== 'last') {
    problem(
      'decoder.context',
      `${decoder.context} is for decoders without attention: write \`attention: { score: none }\`.`,
    );
  }
  if (attends && decoder.context_use !== 'initial_state') {
    problem(
      'decoder.context_use',
      `${decoder.context_use} is for decoders without attention: write \`attention: { score: none }\`.`,
    );
  }
  if (!attends && decoder.input_feeding) {
    problem(
      'decoder.input_feeding',
      'feeds the attentional vector back, but `attention.score` is none; write false.',
    );
  }
  const [sourceDim, targetDim] = [encoder.embeddings.embedding_dim, decoder.embeddings.embedding_dim];
  if (model.tied_embeddings && sourceDim !== targetDim) {
    problem(
      'tied_embeddings',
      `needs equal embedding sizes, but the encoder's embedding_dim is ${sourceDim} and the decoder's ${targetDim}.`,
    );
  }
  if (model.tied_softmax && targetDim !== decoder.hidden_size) {
    problem(
      'tied_softmax',
      `needs decoder.embeddings.embedding_dim (${targetDim}) equal to decoder.hidden_size (${decoder.hidden_size}); make them the same or drop \`tied_softmax\`.`,
    );
  }
}
