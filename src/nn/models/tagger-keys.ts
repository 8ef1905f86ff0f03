/** The keys of the sequence tagger. */
import { flag, fraction, integer, type Section, scope, section } from '../config/spec.ts';
import { type CommonConfig, cellKeys, initializationKeys, typeKey } from './common-keys.ts';
import { type EncoderConfig, encoderSection } from './stack-keys.ts';

export interface CharactersConfig {
  /** Whether words are also read by their characters. */
  use: boolean;
  embedding_dim: number;
  /** Units per direction. */
  hidden_size: number;
}

export interface TaggerConfig extends CommonConfig {
  type: 'tagger';
  encoder: EncoderConfig;
  characters: CharactersConfig;
  /** Dropout on the encoder's output, before the projection. */
  hidden_dropout: number;
  /** A linear-chain conditional random field over the tags instead of a softmax for each token. */
  crf: boolean;
}

export const taggerSection: Section<TaggerConfig> = scope<TaggerConfig>(
  'A sequence tagger (N→N): one tag for each token, by a softmax a token or a linear-chain CRF over all of them.',
  {
    type: typeKey('tagger'),
    ...cellKeys,
    encoder: encoderSection('Reads the tokens.'),
    characters: section<CharactersConfig>(
      "A bidirectional recurrent layer over each token's characters, whose last states stand beside the token's embedding (Lample et al. 2016).",
      {
        use: flag({ default: false, doc: 'Whether tokens are also read by their characters.' }),
        embedding_dim: integer({ default: 32, min: 1, doc: 'Numbers per character.' }),
        hidden_size: integer({ default: 32, min: 1, doc: 'Units per direction.' }),
      },
    ),
    hidden_dropout: fraction("Dropout on the encoder's output, before the projection to the tags."),
    crf: flag({
      default: false,
      doc: 'Score whole tag sequences by a linear-chain conditional random field (Lafferty et al. 2001) instead of each token by itself.',
    }),
    ...initializationKeys,
  },
);
