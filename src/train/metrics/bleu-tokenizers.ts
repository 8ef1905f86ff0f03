/**
 * The tokenisations that BLEU scores are named after, as sacrebleu does them, quirks included: a score is only
 * comparable if every token is the same.
 */

import { trimWhitespace } from '../../data/whitespace.ts';
import { ConfigError } from '../../errors.ts';

export const BLEU_TOKENIZATIONS = ['none', '13a', 'char', 'zh'] as const;
export type BleuTokenization = (typeof BLEU_TOKENIZATIONS)[number];

/**
 * The text with spaces between its tokens.
 * - `none`: as it is; its words are the tokens. For text that is already tokenised, and for phonemes.
 * - `13a`: WMT's mteval-v13a, splits off punctuation. For text as people write it.
 * - `char`: every character.
 * - `zh`: every Chinese character (and full-width form), the rest as `13a` but for its entities.
 * @throws ConfigError if the name is none of these.
 */
export function tokenizeForBleu(text: string, tokenization: BleuTokenization): string {
  switch (tokenization) {
    case 'none':
      return text;
    case '13a':
      return splitPunctuation(` ${replaceEntities(text)} `);
    case 'char':
      return Array.from(text).join(' ');
    case 'zh':
      return splitPunctuation(spaceChinese(trimWhitespace(text)));
    default:
      tokenization satisfies never;
      throw new ConfigError(
        `Unknown tokenisation ${JSON.stringify(tokenization)}: use ${BLEU_TOKENIZATIONS.join(', ')}.`,
      );
  }
}

function replaceEntities(text: string): string {
  return text
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
}

/** The language-dependent part of mteval-v13a, for Western languages. */
function splitPunctuation(text: string): string {
  return (
    text
      // Symbols of ASCII other than ' , - . and digits and letters; the space is among them.
      .replace(/[{-~[-` -&(-+:-@/]/g, ' $& ')
      // Period and comma, unless between digits.
      .replace(/([^0-9])([.,])/gu, '$1 $2 ')
      .replace(/([.,])([^0-9])/gu, ' $1 $2')
      // A dash after a digit.
      .replace(/([0-9])(-)/g, '$1 $2 ')
  );
}

function spaceChinese(text: string): string {
  return Array.from(text, (character) => (isChinese(character) ? ` ${character} ` : character)).join('');
}

/** Ranges of code points, both ends included. */
const CHINESE: readonly (readonly [number, number])[] = [
  [0x3400, 0x4db5], // CJK unified ideographs, extension A
  [0x4e00, 0x9fa5], // CJK unified ideographs
  [0x9fa6, 0x9fbb],
  [0xf900, 0xfa2d], // CJK compatibility ideographs
  [0xfa30, 0xfa6a],
  [0xfa70, 0xfad9],
  // sacrebleu means U+20000–U+2A6D6 and U+2F800–U+2FA1D, but writes them as four digits and a fifth character: it
  // compares with these, and so do we.
  [0x2001, 0x2a6d],
  [0x2f81, 0x2fa1],
  [0xff00, 0xffef], // full- and half-width forms
  [0x2e80, 0x2eff], // radicals
  [0x3000, 0x303f], // punctuation
  [0x31c0, 0x31ef], // strokes
  [0x2f00, 0x2fdf], // Kangxi radicals
  [0x2ff0, 0x2fff], // ideographic description
  [0x3100, 0x312f], // Bopomofo
  [0x31a0, 0x31bf],
  [0xfe10, 0xfe1f],
  [0xfe30, 0xfe4f],
  [0x2600, 0x26ff],
  [0x2700, 0x27bf],
  [0x3200, 0x32ff],
  [0x3300, 0x33ff],
];

function isChinese(character: string): boolean {
  const code = character.codePointAt(0)!;
  return CHINESE.some(([first, last]) => first <= code && code <= last);
}
