import { describe, expect, it } from 'vitest';
import {
  hasWhitespace,
  splitWhitespace,
  trimWhitespace,
  trimWhitespaceEnd,
} from '../../src/data/whitespace.ts';

// [c for c in range(0x110000) if chr(c).isspace()] in Python 3.11.
const PYTHON = [
  ...[
    0x9, 0xa, 0xb, 0xc, 0xd, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003,
  ],
  ...[0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000],
];

describe('whitespace', () => {
  it("is Python's, character by character", () => {
    const found: number[] = [];
    for (let code = 0; code < 0x110000; code++) {
      if (hasWhitespace(String.fromCodePoint(code))) found.push(code);
    }
    expect(found).toEqual(PYTHON);
  });

  it('splits and trims at all of it and at nothing else', () => {
    const all = String.fromCodePoint(...PYTHON);
    expect(splitWhitespace(`${all}a${all}\ufeffb\u200b${all}`)).toEqual(['a', '\ufeffb\u200b']);
    expect(splitWhitespace(all)).toEqual([]);
    expect(trimWhitespace(`${all}a b${all}`)).toBe('a b');
    expect(trimWhitespaceEnd(`${all}a b${all}`)).toBe(`${all}a b`);
    expect(trimWhitespace(all)).toBe('');
  });
});
