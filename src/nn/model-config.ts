/**
 * What a model is made of: the `model` section of a configuration, and the plain object that a library user
 * writes by hand and `resolveModelConfig` completes. The names are Joey NMT's wherever Joey NMT has one.
 */
import type { AttentionScore } from '../ops/scores/registry.ts';
import type { Problem } from './config/resolve.ts';
import { pathText, resolveSection, throwProblems } from './config/resolve.ts';
import type { DeepPartial, Section } from './config/spec.ts';
import { choice, derived, flag, fraction, integer, number, orNull, scope, section } from './config/spec.ts';

export type CellName = 'lstm' | 'gru' | 'rnn';
export type Nonlinearity = 'tanh' | 'relu';
export type Bridge = 'none' | 'linear';
export type Initializer = 'pytorch' | 'uniform' | 'normal' | 'xavier_uniform';
export type BiasInitializer = 'pytorch' | 'uniform' | 'zeros';

export interface EmbeddingsConfig {
  embedding_dim: number;
  /** Dropout on the embedded words. */
  dropout: number;
}

export interface EncoderConfig {
  embeddings: EmbeddingsConfig;
  /** Units per direction: a bidirectional encoder puts out 2 · hidden_size. */
  hidden_size: number;
  bidirectional: boolean;
  num_layers: number;
  /** Dropout between layers (none after the last). */
  dropout: number;
}

export interface AttentionConfig {
  score: AttentionScore;
}

export interface DecoderConfig {
  embeddings: EmbeddingsConfig;
  hidden_size: number;
  num_layers: number;
  /** Dropout between layers (none after the last). */
  dropout: number;
  /** Dropout on the attentional vector h̃. */
  hidden_dropout: number;
  input_feeding: boolean;
  attention: AttentionConfig;
  /** How the encoder's final states become the decoder's first ones. */
  bridge: Bridge;
}

export interface ModelConfig {
  cell: CellName;
  /** Of the `rnn` cell only. */
  nonlinearity: Nonlinearity;
  encoder: EncoderConfig;
  decoder: DecoderConfig;
  /** Encoder and decoder share one embedding table (needs a shared vocabulary). */
  tied_embeddings: boolean;
  /** The output projection's weight is the decoder's embedding table. */
  tied_softmax: boolean;
  initializer: Initializer;
  /** Half width of `uniform`, standard deviation of `normal`. */
  init_weight: number;
  /** Gain of `xavier_uniform`. */
  init_gain: number;
  embed_initializer: Initializer;
  embed_init_weight: number;
  bias_initializer: BiasInitializer;
  /** Recurrent weights orthogonal, gate by gate, whatever `initializer` says. */
  init_rnn_orthogonal: boolean;
  /** The LSTM forget gate's whole bias at the start (b_ih gets it, b_hh gets 0); null leaves it to `bias_initializer`. */
  forget_bias: number | null;
}

const initializers = ['pytorch', 'uniform', 'normal', 'xavier_uniform'] as const;
const joeyInitializers = {
  xavier: 'Write xavier_uniform.',
  glorot: 'Write xavier_uniform.',
  orthogonal: 'For orthogonal recurrent weights write `init_rnn_orthogonal: true`.',
};

function embeddings(of: string, standard: Parameters<typeof integer>[0]['default']) {
  return section<EmbeddingsConfig>(`The ${of} words' embedding table.`, {
    embedding_dim: integer({ default: standard!, min: 1, doc: 'Numbers per word.' }),
    dropout: fraction('Probability of dropping each number of an embedded word while training.'),
  });
}

/** Every key of the `model` section: the source of its defaults, checks and documentation. */
export const modelSection: Section<ModelConfig> = scope<ModelConfig>('The network.', {
  cell: choice(['lstm', 'gru', 'rnn'], {
    default: 'lstm',
    doc: "The recurrent cell of encoder and decoder. `gru` is PyTorch's, with the reset after the recurrent product.",
  }),
  nonlinearity: choice(['tanh', 'relu'], {
    default: 'tanh',
    doc: 'Of the `rnn` cell; the others have their own.',
  }),
  encoder: section<EncoderConfig>('Reads the source.', {
    embeddings: embeddings('source', 128),
    hidden_size: integer({
      default: 128,
      min: 1,
      doc: "Units per direction, as in Joey NMT and PyTorch: a bidirectional encoder puts out twice as many. (OpenNMT's `rnn_size` counts both directions.)",
    }),
    bidirectional: flag({ default: true, doc: 'Read the source in both directions.' }),
    num_layers: integer({ default: 1, min: 1, max: 64, doc: 'Layers on top of each other.' }),
    dropout: fraction('Dropout between layers; one layer has nothing between.'),
  }),
  decoder: section<DecoderConfig>('Writes the target, attending to the source.', {
    embeddings: embeddings(
      'target',
      derived(
        'the same as `model.encoder.embeddings.embedding_dim`',
        (model: ModelConfig) => model.encoder.embeddings.embedding_dim,
      ),
    ),
    hidden_size: integer({
      default: derived(
        "the encoder's output: `model.encoder.hidden_size`, twice that if bidirectional",
        encoderOutputSize,
      ),
      min: 1,
      doc: 'Units; also the size of the attentional vector h̃.',
    }),
    num_layers: integer({
      default: derived(
        'the same as `model.encoder.num_layers`',
        (model: ModelConfig) => model.encoder.num_layers,
      ),
      min: 1,
      max: 64,
      doc: "Layers on top of each other. Each starts from the encoder's layer of the same number, so there are as many.",
    }),
    dropout: fraction('Dropout between layers; one layer has nothing between.'),
    hidden_dropout: fraction('Dropout on the attentional vector h̃, before the output projection.'),
    input_feeding: flag({
      default: false,
      doc: "Feed h̃ back in beside the next word (Luong et al. 2015, section 3.3). Slower: attention then runs step by step. (Joey NMT's default is true.)",
    }),
    attention: section<AttentionConfig>('Luong attention.', {
      score: choice(['dot', 'general', 'concat'], {
        default: 'general',
        doc: 'How a decoder state h scores an encoder state s: `dot` h·s (sizes must be equal), `general` h·W s, `concat` v·tanh(W [h; s]).',
        elsewhere: {
          luong: "Joey NMT's `luong` is general here.",
          bilinear: 'The bilinear score is general here.',
          mlp: "OpenNMT's `mlp` is the additive score; the nearest here is concat.",
          bahdanau: 'The additive score of Bahdanau is not there yet; the nearest here is concat.',
        },
      }),
    }),
    bridge: choice(['none', 'linear'], {
      default: 'none',
      doc: "How the encoder's final states start the decoder: as they are (both directions side by side; sizes must be equal), or through a linear layer that all layers share (for lstm one for h and one for c).",
      elsewhere: {
        last: "Joey NMT's `last` is none here.",
        bridge: "Joey NMT's `bridge` is linear here.",
        true: 'Write linear.',
        false: 'Write none.',
      },
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
  initializer: choice(initializers, {
    default: 'pytorch',
    doc: "How weights start. `pytorch`: recurrent layers uniform in ±1/√hidden_size, linear ones in ±1/√inputs, as PyTorch does by default; `uniform`: ±init_weight; `normal`: standard deviation init_weight; `xavier_uniform`: Glorot's, gate by gate, with gain init_gain.",
    elsewhere: joeyInitializers,
  }),
  init_weight: number({
    default: 0.1,
    above: 0,
    doc: 'Half width of `uniform`, standard deviation of `normal`.',
  }),
  init_gain: number({ default: 1, above: 0, doc: 'Gain of `xavier_uniform`.' }),
  embed_initializer: choice(initializers, {
    default: derived('the same as `model.initializer`', (model: ModelConfig) => model.initializer),
    doc: 'How embeddings start; `pytorch` is normal with standard deviation 1. The row of `<pad>` is zero.',
    elsewhere: joeyInitializers,
  }),
  embed_init_weight: number({
    default: derived('the same as `model.init_weight`', (model: ModelConfig) => model.init_weight),
    above: 0,
    doc: 'As `init_weight`, for embeddings.',
  }),
  bias_initializer: choice(['pytorch', 'uniform', 'zeros'], {
    default: derived(
      '`pytorch` or `uniform` if that is `model.initializer`, otherwise `zeros`',
      ({ initializer }: ModelConfig): BiasInitializer =>
        initializer === 'pytorch' || initializer === 'uniform' ? initializer : 'zeros',
    ),
    doc: 'How biases start: as the `initializer` of that name, or at zero.',
  }),
  init_rnn_orthogonal: flag({
    default: false,
    doc: 'Recurrent weights start orthogonal, gate by gate, whatever `initializer` says.',
  }),
  forget_bias: orNull(
    number({
      doc: "The bias of the LSTM's forget gate at the start, exactly: b_ih gets it and b_hh gets 0. (Joey NMT's `lstm_forget_gate` goes into both, so its 1 is 2 here.)",
    }),
    'leave it to `bias_initializer`',
    null,
  ),
});

/** Size of an encoder state: both directions side by side. */
export function encoderOutputSize({ encoder }: ModelConfig): number {
  return (encoder.bidirectional ? 2 : 1) * encoder.hidden_size;
}

/**
 * A complete model configuration from what is given of it.
 *
 * @throws ConfigError naming every unknown key, value out of range and pair of sizes that do not fit
 */
export function resolveModelConfig(given: DeepPartial<ModelConfig> = {}): ModelConfig {
  const problems: Problem[] = [];
  const model = resolveSection(modelSection, given, ['model'], problems);
  throwProblems(problems);
  throwProblems(checkModel(model));
  return model;
}

/** What does not fit together in a model whose keys are each right. */
export function checkModel(model: ModelConfig): Problem[] {
  const { encoder, decoder } = model;
  const problems: Problem[] = [];
  const problem = (path: string, message: string) => {
    const full = ['model', ...path.split('.')];
    problems.push({ path: full, at: 'value', message: `${pathText(full)}: ${message}` });
  };
  const encoderSize = encoderOutputSize(model);
  const sizes = `the encoder puts out ${encoderSize} (${encoder.bidirectional ? '2 directions × ' : ''}hidden_size ${encoder.hidden_size}) but the decoder's hidden_size is ${decoder.hidden_size}`;
  const fit = `decoder.hidden_size: ${encoderSize}`;

  if (decoder.num_layers !== encoder.num_layers) {
    problem(
      'decoder.num_layers',
      `${decoder.num_layers}, but the encoder has ${encoder.num_layers}; each decoder layer starts from the encoder's layer of the same number, so write the same number for both.`,
    );
  }
  if (decoder.bridge === 'none' && encoderSize !== decoder.hidden_size) {
    problem('decoder.bridge', `none needs equal sizes: ${sizes}. Write \`bridge: linear\`, or \`${fit}\`.`);
  }
  if (decoder.attention.score === 'dot' && encoderSize !== decoder.hidden_size) {
    problem(
      'decoder.attention.score',
      `dot needs equal sizes: ${sizes}. Write \`score: general\`, or \`${fit}\`.`,
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
  if (model.forget_bias !== null && model.cell !== 'lstm') {
    problem(
      'forget_bias',
      `only the lstm cell has a forget gate, but \`cell\` is ${model.cell}; drop \`forget_bias\`.`,
    );
  }
  return problems;
}
