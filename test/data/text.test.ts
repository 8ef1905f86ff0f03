import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { decodeLines, decodeText, LineDecoder } from '../../src/data/text.ts';
import { firstInvalidUtf8 } from '../../src/data/utf8.ts';
import { DataError } from '../../src/errors.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const lines = (text: string) => decodeLines(utf8(text), 'a.txt');

describe('decodeLines', () => {
  it('ends lines at LF and CRLF, and only there', () => {
    expect(lines('a\nb\r\nc')).toEqual(['a', 'b', 'c']);
    expect(lines('a\u0085b\u2028c\vd\re\n')).toEqual(['a\u0085b\u2028c\vd\re']);
    expect(lines('a\r\r\n')).toEqual(['a\r']);
  });

  it('keeps empty lines and makes none at the end', () => {
    expect(lines('')).toEqual([]);
    expect(lines('\n')).toEqual(['']);
    expect(lines('\n\na\n\n')).toEqual(['', '', 'a', '']);
  });

  it('drops a byte order mark at the start, and only there', () => {
    expect(lines('\ufeffa\n\ufeffb')).toEqual(['a', '\ufeffb']);
    expect(lines('\ufeff')).toEqual([]);
    expect(lines('\ufeff\n')).toEqual(['']);
    expect(decodeText(utf8('\ufeffa\n\ufeffb'), 'a.txt')).toBe('a\n\ufeffb');
  });

  it('names the file, the line and the byte of invalid UTF-8', () => {
    const bytes = Uint8Array.of(...utf8('\ufeffaé\nb\n'), 0x63, 0xe9, 0x0a, ...utf8('d\n'));
    const message =
      'latin.txt: line 3 is not valid UTF-8 (byte 0xe9 at offset 10 of the file). Save the file as UTF-8.';
    expect(() => decodeLines(bytes, 'latin.txt')).toThrow(new DataError(message));
    expect(() => decodeText(bytes, 'latin.txt')).toThrow(new DataError(message));
  });

  it('finds invalid UTF-8 beyond the first block, and at a cut-off end', () => {
    const block = utf8('0123456789abcde\n'.repeat(70_000));
    const bytes = Uint8Array.of(...utf8('x\n'));
    const all = new Uint8Array(block.length + bytes.length + 2);
    all.set(block);
    all.set(bytes, block.length);
    all.set([0xe3, 0x81], block.length + 2);
    expect(() => decodeLines(all, 'a.txt')).toThrow(/a\.txt: line 70002 .*0xe3 at offset 1120002 /);
    expect(decodeLines(all.subarray(0, -2), 'a.txt')).toHaveLength(70_001);
  });

  it('recognises UTF-16', () => {
    expect(() => decodeLines(Uint8Array.of(0xff, 0xfe, 0x61, 0), 'a.txt')).toThrow(
      /line 1 .* This is UTF-16: save/,
    );
    expect(() => decodeLines(Uint8Array.of(0xff, 0x61), 'a.txt')).toThrow(
      /offset 0 of the file\)\. Save the file/,
    );
  });

  it('refuses a token of a megabyte, naming the line', () => {
    const text = `a\nb\n${'x'.repeat(1_000_000)}\nc\n`;
    expect(() => lines(text)).toThrow(
      /^a\.txt: line 3 is 1000000 bytes long, and at most 65536 are accepted/,
    );
  });

  it('counts a line in bytes, without its end', () => {
    const options = { maxLineBytes: 4 };
    expect(decodeLines(utf8('\ufeffabcd\r\néé\nabcd'), 'a.txt', options)).toEqual(['abcd', 'éé', 'abcd']);
    expect(() => decodeLines(utf8('abcd\néé1\n'), 'a.txt', options)).toThrow(/line 2 is 5 bytes/);
    expect(() => decodeLines(utf8('abcd\nabcde'), 'a.txt', options)).toThrow(/line 2 is 5 bytes/);
  });
});

describe('LineDecoder', () => {
  it('gives the same lines however the bytes are cut', () => {
    const text = '\ufeffaé漢𠀀\r\n\n\u2028b\r\nlast 🙂';
    const bytes = utf8(text);
    const whole = lines(text);
    expect(whole).toEqual(['aé漢𠀀', '', '\u2028b', 'last 🙂']);
    const random = new Random(1);
    for (let round = 0; round < 200; round++) {
      const decoder = new LineDecoder('a.txt');
      const found: string[] = [];
      for (let start = 0; start < bytes.length; ) {
        const end = Math.min(bytes.length, start + random.below(6));
        // A copy that is overwritten afterwards: the decoder may not keep the chunk.
        const chunk = round % 2 === 0 ? bytes.slice(start, end) : Buffer.from(bytes.slice(start, end));
        found.push(...decoder.push(chunk));
        chunk.fill(0);
        start = end;
      }
      found.push(...decoder.finish());
      expect(found).toEqual(whole);
    }
  });

  it('gives every line as soon as it is complete', () => {
    const decoder = new LineDecoder('stdin');
    expect(decoder.push(utf8('one\ntw'))).toEqual(['one']);
    expect(decoder.push(utf8('o\n'))).toEqual(['two']);
    expect(decoder.finish()).toEqual([]);
  });

  it('refuses an endless line without waiting for its end', () => {
    const decoder = new LineDecoder('stdin', { maxLineBytes: 10 });
    decoder.push(utf8('one\n0123456'));
    expect(() => decoder.push(utf8('7890'))).not.toThrow();
    expect(() => decoder.push(utf8('1'))).toThrow(/^stdin: line 2 is more than 10 bytes long/);
  });
});

describe('firstInvalidUtf8', () => {
  it('agrees with TextDecoder on random bytes and names the first bad one', () => {
    const random = new Random(2);
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const isValid = (bytes: Uint8Array) => {
      try {
        decoder.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    // Bytes at the edges of the ranges of table 3-7.
    const edges = [
      0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
    ];
    edges.push(0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff);
    let valid = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from(
        { length: 1 + random.below(5) },
        () => edges[random.below(edges.length)]!,
      );
      const at = firstInvalidUtf8(bytes);
      expect(at < 0).toBe(isValid(bytes));
      if (at < 0) valid++;
      else expect(isValid(bytes.subarray(0, at))).toBe(true);
    }
    expect(valid).toBeGreaterThan(500);
  });
});
