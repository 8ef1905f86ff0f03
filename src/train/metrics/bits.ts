/** Bits per character: what a language model needs to write a text down, comparable across vocabularies. */

import { DataError } from '../../errors.ts';

/**
 * loss / (ln 2 · characters).
 * @param loss the negative natural logarithm of the text's probability, summed over all tokens, every `</s>` included.
 * @param characters how many characters the text has. For a character model these are its tokens, an `</s>` standing for a
 * line's end; for a word model count the spaces and line ends that the words are separated by, which its loss has paid for.
 * @throws DataError if there are no characters.
 */
export function bitsPerCharacter(loss: number, characters: number): number {
  if (!(characters > 0)) throw new DataError('Bits per character need at least one character.');
  return loss / (Math.LN2 * characters);
}

/** Characters of lines, by code points, with one for the end of each line. */
export function countCharacters(lines: Iterable<string>): number {
  let characters = 0;
  for (const line of lines) {
    for (const _ of line) characters++;
    characters++;
  }
  return characters;
}
