/**
 * What counts as whitespace: exactly the characters of Python's `str.split()` and `str.strip()`, so that
 * word counts and BLEU agree with the field's Python tools. JavaScript's `\s` differs: it holds U+FEFF, and
 * lacks U+001C–U+001F and U+0085.
 */

const CHARACTERS = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const RUN = new RegExp(`[${CHARACTERS}]+`, 'u');
const ANY = new RegExp(`[${CHARACTERS}]`, 'u');

/** The whitespace-separated words of a text; none of them is empty. */
export function splitWhitespace(text: string): string[] {
  return text.split(RUN).filter((word) => word !== '');
}

/** The text without whitespace at its two ends. */
export function trimWhitespace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhitespace(text.charAt(start))) start++;
  while (end > start && isWhitespace(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

/** The text without whitespace at its end. */
export function trimWhitespaceEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isWhitespace(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Whether any character of the text is whitespace. */
export function hasWhitespace(text: string): boolean {
  return ANY.test(text);
}

function isWhitespace(character: string): boolean {
  return ANY.test(character);
}
