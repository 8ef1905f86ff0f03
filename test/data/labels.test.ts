import { describe, expect, it } from 'vitest';
import { Labels } from '../../src/data/labels.ts';
import { DataError } from '../../src/errors.ts';

describe('Labels', () => {
  it('are in the order of their code points, whatever their counts', () => {
    const counts = new Map([
      ['\uffee', 9],
      ['b', 5],
      ['𠀀', 7],
      ['a', 1],
    ]);
    expect(Labels.build(counts).tokens).toEqual(['a', 'b', '\uffee', '𠀀']);
    expect(Labels.build([new Map([['b', 1]]), counts, new Map([['c', 1]])]).tokens).toEqual([
      'a',
      'b',
      'c',
      '\uffee',
      '𠀀',
    ]);
  });

  it('number from 0, without special tokens', () => {
    const labels = new Labels(['</s>', 'South Korea', '__proto__']);
    expect(labels.size).toBe(3);
    expect(['</s>', 'South Korea', '__proto__', 'toString', ''].map((name) => labels.idOf(name))).toEqual([
      0,
      1,
      2,
      undefined,
      undefined,
    ]);
    expect(labels.tokenOf(1)).toBe('South Korea');
    for (const id of [3, -1, 0.5, 0xffff_ffff]) expect(() => labels.tokenOf(id)).toThrow(DataError);
    expect(() => labels.tokenOf(3)).toThrow('Label id 3 is not one of the 3 ids 0 to 2.');
  });

  it('come back the same from their file', () => {
    const labels = new Labels(['z', 'a b', '<unk>', '𠀀', '#', '"', 'e\u0301']);
    expect(labels.toText()).toBe('z\na b\n<unk>\n𠀀\n#\n"\ne\u0301\n');
    expect(Labels.fromText(labels.toText(), 'x').tokens).toEqual(labels.tokens);
    expect(Labels.fromText('\ufeffb\r\na', 'x').tokens).toEqual(['b', 'a']);
  });

  it('refuse what would not come back', () => {
    for (const name of ['', ' a', 'a\t', 'a\r', '\u3000', 'a\nb', '\ud800']) {
      expect(() => new Labels(['ok', name])).toThrow(DataError);
    }
    expect(() => new Labels(['a', 'a'])).toThrow('The label "a" is given twice.');
    expect(() => new Labels([])).toThrow('There are no labels');
    expect(() => Labels.build(new Map())).toThrow(DataError);
  });

  it('name the file and the line of what is wrong', () => {
    const wrong = (text: string) => () => Labels.fromText(text, 'labels.txt');
    expect(wrong('a\nb\na\n')).toThrow(
      new DataError('labels.txt: line 3: the label "a" already stands on line 1.'),
    );
    expect(wrong('a\n\nb\n')).toThrow('labels.txt: line 2: the label "" is empty.');
    expect(wrong('a\nb \n')).toThrow('labels.txt: line 2: the label "b " has whitespace at an end.');
    expect(wrong('')).toThrow('labels.txt: this file holds no labels.');
  });
});
