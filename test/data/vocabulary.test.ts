import { describe, expect, it } from 'vitest';
import { compareCodePoints } from '../../src/data/code-points.ts';
import { Random } from '../../src/data/random.ts';
import { BEGIN_ID, END_ID, PAD_ID, UNKNOWN_ID } from '../../src/data/special-tokens.ts';
import { checkIds, countTokens, Vocabulary } from '../../src/data/vocabulary.ts';
import { DataError } from '../../src/errors.ts';

const SPECIALS = ['<unk>', '<pad>', '<s>', '</s>'];
const counts = (text: string) => countTokens([text.split(' ')]);

describe('Vocabulary.build', () => {
  it('sorts by frequency and then by code point, whatever the order of the text', () => {
    const words = 'b b b 𠀀 a a \uffee c c z'.split(' ');
    const expected = [...SPECIALS, 'b', 'a', 'c', 'z', '\uffee', '𠀀'];
    for (let seed = 0; seed < 10; seed++) {
      const shuffled = new Random(seed).shuffle([...words]);
      expect(Vocabulary.build(countTokens([shuffled])).tokens).toEqual(expected);
    }
  });

  it('applies the least frequency and then the limit, which leaves out the special tokens', () => {
    const some = counts('a a a b b c');
    expect(Vocabulary.build(some, { minFrequency: 2 }).tokens).toEqual([...SPECIALS, 'a', 'b']);
    expect(Vocabulary.build(some, { limit: 1 }).tokens).toEqual([...SPECIALS, 'a']);
    expect(Vocabulary.build(some, { limit: 1 }).size).toBe(5);
  });

  it('adds up the counts of a shared vocabulary', () => {
    const shared = Vocabulary.build([counts('x x y'), counts('y y z')], { minFrequency: 2 });
    expect(shared.tokens).toEqual([...SPECIALS, 'y', 'x']);
  });

  it('never gives a literal special token of the text its id', () => {
    const vocabulary = Vocabulary.build(counts('<s> a </s> <pad> <unk> <s>'));
    expect(vocabulary.tokens).toEqual([...SPECIALS, 'a']);
    expect([...vocabulary.encode(['<s>', 'a', '</s>', '<pad>', '<unk>'])]).toEqual([0, 4, 0, 0, 0]);
    expect(vocabulary.has('<s>')).toBe(false);
  });
});

describe('Vocabulary', () => {
  it('has the special ids of Joey NMT', () => {
    expect([UNKNOWN_ID, PAD_ID, BEGIN_ID, END_ID].map((id) => new Vocabulary([]).tokenOf(id))).toEqual(
      SPECIALS,
    );
  });

  it('treats names of object properties as any token', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const vocabulary = new Vocabulary(names.slice(0, 2));
    expect([...vocabulary.encode(names)]).toEqual([4, 5, 0, 0]);
    expect(vocabulary.decode([4, 5])).toEqual(['__proto__', 'constructor']);
  });

  it('decodes up to the end token, without padding', () => {
    const vocabulary = new Vocabulary(['a', 'b']);
    expect(vocabulary.decode([2, 4, 0, 1, 5, 3, 4, 99])).toEqual(['a', '<unk>', 'b']);
    expect(vocabulary.decode(vocabulary.encode(['b', 'a', 'b']))).toEqual(['b', 'a', 'b']);
  });

  it('refuses ids outside', () => {
    const vocabulary = new Vocabulary(['a', 'b']);
    for (const id of [6, -1, 1.5, Number.NaN]) {
      expect(() => vocabulary.tokenOf(id)).toThrow(DataError);
      expect(() => checkIds([0, id], vocabulary.size)).toThrow(`Token id ${id} at position 1 is outside`);
    }
    expect(() => checkIds(Uint32Array.of(0, 5), vocabulary.size)).not.toThrow();
  });

  it('refuses tokens that would not survive a file', () => {
    for (const token of ['', 'a b', '\n', 'a\n', '<pad>', '\ud800', 'x\ud800y']) {
      expect(() => new Vocabulary(['ok', token])).toThrow(DataError);
    }
    expect(() => new Vocabulary(['a', 'a'])).toThrow(/"a" is given twice/);
  });
});

describe('vocabulary files', () => {
  it('come back the same, spaces and all', () => {
    const tokens = ['a', ' ', '\u3000', '\t', '\r', '\u0085', '\ufeff', '𠀀', '__proto__', '\\n', '#', '"'];
    const text = new Vocabulary(tokens).toText();
    expect(Vocabulary.fromText(text, 'v.txt').tokens).toEqual([...SPECIALS, ...tokens]);
  });

  it('may lack the special tokens or have some on top in any order', () => {
    for (const top of ['', '<s>\n', '</s>\n<unk>\n', '\ufeff<unk>\n<s>\n</s>\n']) {
      expect(Vocabulary.fromText(`${top}b\na`, 'v.txt').tokens).toEqual([...SPECIALS, 'b', 'a']);
    }
  });

  it('may have CRLF line ends', () => {
    expect(Vocabulary.fromText('<unk>\r\nb\r\n \r\na\r\n', 'v.txt').tokens).toEqual([
      ...SPECIALS,
      'b',
      ' ',
      'a',
    ]);
    expect(Vocabulary.fromText('b\r\na', 'v.txt').tokens).toEqual([...SPECIALS, 'b', 'a']);
  });

  it.each([
    ['b\na\nb\n', 'v.txt: line 3: the token "b" already stands on line 1.'],
    ['<s>\n<s>\na\n', 'v.txt: line 2: the token "<s>" already stands on line 1.'],
    ['b\n<s>\n', 'v.txt: line 2: the token "<s>" is a special token, which may only stand on top.'],
    [
      'b\n\na\n',
      'v.txt: line 2: the token "" is empty (an editor may have removed the space of a character vocabulary).',
    ],
    ['the\t12\n', 'v.txt: line 1: the token "the\\t12" holds whitespace (one token per line, no counts).'],
    ['', 'v.txt: this vocabulary file holds no tokens.'],
    ['<unk>\n<pad>\n', 'v.txt: this vocabulary file holds no tokens.'],
  ])('%j is refused with its line', (text, message) => {
    expect(() => Vocabulary.fromText(text, 'v.txt')).toThrow(new DataError(message));
  });
});

describe('compareCodePoints', () => {
  it('orders as UTF-8 bytes do', () => {
    const random = new Random(3);
    const alphabet = ['a', 'b', '\u00e9', '\ud7ff', '\ue000', '\uffff', '𐀀', '𠀀', '\u{10ffff}'];
    const word = () =>
      Array.from({ length: random.below(4) }, () => alphabet[random.below(alphabet.length)]).join('');
    for (let round = 0; round < 2000; round++) {
      const [a, b] = [word(), word()];
      expect(Math.sign(compareCodePoints(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }
  });
});
