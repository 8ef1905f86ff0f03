/**
 * What a model is made of: the `model` section of a configuration, and the plain object that a library user
 * writes by hand. The names are Joey NMT's wherever Joey NMT has one.
 */

export type CellName = 'lstm' | 'gru' | 'rnn';
export type Nonlinearity = 'tanh' | 'relu';
export type AttentionScore = 'dot' | 'general' | 'concat';
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
