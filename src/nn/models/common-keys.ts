/** The keys that every model has: its cell and how its parameters start. */

import { cells } from '../../ops/cells/registry.ts';
import type { Section } from '../config/spec.ts';
import { choice, derived, flag, type KeySpec, number, orNull } from '../config/spec.ts';

export type CellName = 'lstm' | 'gru' | 'gru_reset_before' | 'rnn';
export type Nonlinearity = 'tanh' | 'relu';
export type Initializer = 'pytorch' | 'uniform' | 'normal' | 'xavier_uniform';
export type BiasInitializer = 'pytorch' | 'uniform' | 'zeros';

export interface CommonConfig {
  cell: CellName;
  /** Of the `rnn` cell only. */
  nonlinearity: Nonlinearity;
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

const modelTypes = ['seq2seq', 'tagger', 'classifier', 'generator', 'language_model'] as const;

/** The key that says which model it is: of the section of one type, that type is the only one that comes here. */
export function typeKey<T extends (typeof modelTypes)[number]>(own: T): KeySpec<T> {
  const doc =
    'Which model: `seq2seq` an encoder–decoder (N→M), `tagger` a tag for each token (N→N), `classifier` a class for a sequence (N→1), `generator` a sequence from a class or a vector (1→N), `language_model` the next token.';
  return choice(modelTypes, { default: own, doc }) as unknown as KeySpec<T>;
}

type CellKeys = Pick<CommonConfig, 'cell' | 'nonlinearity'>;

const standardCells = choice(['lstm', 'gru', 'gru_reset_before', 'rnn'], {
  default: 'lstm',
  doc: "The recurrent cell. `gru` is PyTorch's, with the reset after the recurrent product; `gru_reset_before` is that of the paper (Cho et al. 2014), Keras's `reset_after=False`. A program may add its own (`cells.register`).",
});

export const cellKeys: Section<CellKeys>['keys'] = {
  cell: { ...standardCells, accepts: (name) => cells.names().includes(name as string) },
  nonlinearity: choice(['tanh', 'relu'], {
    default: 'tanh',
    doc: 'Of the `rnn` cell; the others have their own.',
  }),
};

/** What is derived sees the whole model, whichever it is. */
type Scope = CommonConfig;

export const initializationKeys: Section<Omit<CommonConfig, keyof CellKeys>>['keys'] = {
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
    default: derived('the same as `model.initializer`', (model: Scope) => model.initializer),
    doc: 'How embeddings start; `pytorch` is normal with standard deviation 1. The row of `<pad>` is zero.',
    elsewhere: joeyInitializers,
  }),
  embed_init_weight: number({
    default: derived('the same as `model.init_weight`', (model: Scope) => model.init_weight),
    above: 0,
    doc: 'As `init_weight`, for embeddings.',
  }),
  bias_initializer: choice(['pytorch', 'uniform', 'zeros'], {
    default: derived(
      '`pytorch` or `uniform` if that is `model.initializer`, otherwise `zeros`',
      ({ initializer }: Scope): BiasInitializer =>
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
};
