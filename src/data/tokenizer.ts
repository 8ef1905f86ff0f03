/**
 * From a line to tokens and back. Three levels: `word` for text that is already split by whitespace (words,
 * phonemes, subwords), `char` for spelling, and `line` for what is one thing, such as a class. Whitespace at the ends of
 * a line never counts. A new level (BPE, say) implements `Tokenizer` and gets a line in `createTokenizer`.
 */

import { ConfigError } from '../errors.ts';
import { splitWhitespace, trimWhitespace } from './whitespace.ts';

export interface Tokenizer {
  readonly level: TokenLevel;
  readonly lowercase: boolean;
  /** The tokens of one line; an empty list for an empty line. */
  tokenize(line: string): string[];
  /** The line that these tokens stand for. */
  detokenize(tokens: readonly string[]): string;
}

export const TOKEN_LEVELS = ['word', 'char', 'line'] as const;
export type TokenLevel = (typeof TOKEN_LEVELS)[number];

export interface TokenizerOptions {
  readonly level: TokenLevel;
  /** Fold to lower case first (Unicode's full mapping, the same in every locale). Default false. */
  readonly lowercase?: boolean;
}

/** @throws ConfigError if the level is none of `TOKEN_LEVELS`. */
export function createTokenizer({ level, lowercase = false }: TokenizerOptions): Tokenizer {
  const fold = (line: string) => (lowercase ? line.toLowerCase() : line);
  switch (level) {
    case 'word':
      return {
        level,
        lowercase,
        tokenize: (line) => splitWhitespace(fold(line)),
        detokenize: (tokens) => tokens.join(' '),
      };
    case 'char':
      // Code points, as Python's list(line): a pair of surrogates stays together; a base letter and its
      // combining marks are separate tokens, so that rare clusters are not unknown, and joining the tokens
      // without a separator gives back the text exactly. A space inside the line is a token like any other.
      return {
        level,
        lowercase,
        tokenize: (line) => Array.from(trimWhitespace(fold(line))),
        detokenize: (tokens) => tokens.join(''),
      };
    case 'line':
      return {
        level,
        lowercase,
        tokenize: (line) => [trimWhitespace(fold(line))].filter((token) => token !== ''),
        detokenize: (tokens) => tokens.join(' '),
      };
    default:
      level satisfies never;
      throw new ConfigError(
        `Unknown token level ${JSON.stringify(level)}: use ${TOKEN_LEVELS.join(' or ')}.`,
      );
  }
}
