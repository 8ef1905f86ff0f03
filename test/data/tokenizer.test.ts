import { describe, expect, it } from 'vitest';
import { createTokenizer, type TokenLevel } from '../../src/data/tokenizer.ts';
import { ConfigError } from '../../src/errors.ts';

describe('tokenizers', () => {
  it('splits words at any run of whitespace', () => {
    const { tokenize, detokenize } = createTokenizer({ level: 'word' });
    expect(tokenize('  ɒ ɟː\u3000ɒ\t\tx\r')).toEqual(['ɒ', 'ɟː', 'ɒ', 'x']);
    expect(tokenize(' \t')).toEqual([]);
    expect(detokenize(['ɒ', 'ɟː', 'ɒ'])).toBe('ɒ ɟː ɒ');
  });

  it('splits characters into code points that join to the same text', () => {
    const { tokenize, detokenize } = createTokenizer({ level: 'char' });
    expect(tokenize('a𠀀 b')).toEqual(['a', '𠀀', ' ', 'b']);
    // A letter with a combining accent is two tokens; a family of four is seven.
    expect(tokenize('e\u0301')).toEqual(['e', '\u0301']);
    expect(tokenize('👨‍👩‍👧‍👦')).toHaveLength(7);
    for (const text of ['e\u0301 é', '👨‍👩‍👧‍👦 🇭🇺', 'a  b\u3000c', ''])
      expect(detokenize(tokenize(text))).toBe(text);
  });

  it('ignores whitespace at the ends of a line', () => {
    expect(createTokenizer({ level: 'char' }).tokenize(' ab c \r')).toEqual(['a', 'b', ' ', 'c']);
    expect(createTokenizer({ level: 'char' }).tokenize('  ')).toEqual([]);
  });

  it('folds case only if asked to', () => {
    expect(createTokenizer({ level: 'word', lowercase: true }).tokenize('Éva ÉL ΟΔΟΣ')).toEqual([
      'éva',
      'él',
      'οδος',
    ]);
    expect(createTokenizer({ level: 'char', lowercase: true }).tokenize('Éa')).toEqual(['é', 'a']);
    expect(createTokenizer({ level: 'word' }).tokenize('Éva')).toEqual(['Éva']);
  });

  it('refuses an unknown level', () => {
    expect(() => createTokenizer({ level: 'byte' as TokenLevel })).toThrow(ConfigError);
  });
});
