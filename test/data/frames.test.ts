import { describe, expect, it } from 'vitest';
import {
  type CsvOptions,
  checkFrames,
  type Frames,
  framesFromCsv,
  framesFromNpy,
} from '../../src/data/frames.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { parallelText } from '../../src/data/parallel.ts';
import { DataError, ShapeError } from '../../src/errors.ts';

const csv = (text: string, options?: CsvOptions) => framesFromCsv(text, 'x.csv', options);
const rows = ({ data, steps, size }: Frames) =>
  Array.from({ length: steps }, (_, t) => [...data.subarray(t * size, (t + 1) * size)]);
const npy = (shape: number[], ...values: number[]) => writeNpy({ shape, data: Float32Array.from(values) });

describe('framesFromNpy', () => {
  it('takes steps and numbers, or single numbers', () => {
    expect(framesFromNpy(npy([2, 3], 1, 2, 3, 4, 5, 6), 'x')).toEqual({
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
      steps: 2,
      size: 3,
    });
    expect(framesFromNpy(npy([3], 1, 2, 3), 'x')).toMatchObject({ steps: 3, size: 1 });
  });

  it('refuses other shapes and what is no number', () => {
    const wrong = (file: Uint8Array) => () => framesFromNpy(file, 'x.npy');
    expect(wrong(npy([], 1))).toThrow('x.npy has shape ()');
    expect(wrong(npy([1, 2, 1], 1, 2))).toThrow(
      'x.npy has shape (1, 2, 1), and a sequence has two dimensions',
    );
    expect(wrong(npy([0, 4]))).toThrow('x.npy is empty: its shape is (0, 4).');
    expect(wrong(npy([3, 0]))).toThrow(DataError);
    expect(wrong(npy([2, 2], 1, 2, Number.NaN, 3))).toThrow(
      new DataError('x.npy: row 2, column 1 is NaN in 32-bit floating point, and numbers are needed.'),
    );
    expect(wrong(npy([3], 1, 2, Number.NEGATIVE_INFINITY))).toThrow('row 3, column 1 is -Infinity');
    expect(wrong(Uint8Array.of(1, 2, 3))).toThrow('x.npy is not a .npy file');
  });
});

describe('framesFromCsv', () => {
  const expected = [
    [1, -0.5],
    [250, Math.fround(0.1)],
    [0.5, 7],
  ];

  it.each([
    ['commas', '1,-.5\n2.5e2,0.1\n+.5e0,7.\n'],
    ['commas and spaces', ' 1 , -0.5\n250,  .1\n0.5,7'],
    ['semicolons', '1;-.5\r\n2.5E+2;1e-1\r\n5e-1;7\r\n'],
    ['tabs', '1\t-.5\n250\t0.1\n0.5\t7\n\n \n'],
    ['whitespace', '  1  -.5\n250 0.1 \n0.5\u00a07\n'],
    ['a header', '\ufeffopen,close\n1,-.5\n250,.1\n.5,7\n'],
    ['a header of other separators', 'time (s), level; no unit\n1 -.5\n250 .1\n.5 7\n'],
    ['a header with a gap', ',"x"\n1,-.5\n250,.1\n.5,7\n'],
  ])('reads %s', (_, text) => {
    expect(rows(csv(text))).toEqual(expected);
  });

  it('takes the delimiter it is told', () => {
    expect(rows(csv('1 2\n3 4', { delimiter: ' ' }))).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(() => csv('1,2\n3,4', { delimiter: ';' })).toThrow('"1,2" is not a finite number');
  });

  it('reads one column and one line', () => {
    expect(csv('price\n1\n2\n')).toEqual({ data: Float32Array.of(1, 2), steps: 2, size: 1 });
    expect(csv('5')).toEqual({ data: Float32Array.of(5), steps: 1, size: 1 });
  });

  it('names line and column of what is no finite number', () => {
    for (const word of [
      'nan',
      'inf',
      '-Infinity',
      'NA',
      '',
      '1e39',
      '0x10',
      '1_000',
      '1.2.3',
      '"1"',
      '٣',
      '1e',
    ]) {
      const message = `x.csv: line 3, column 2: ${JSON.stringify(word)} is not a finite number.`;
      expect(() => csv(`a,b\n1,2\n3,${word}\n`)).toThrow(new DataError(message));
    }
    const long = `x${'9'.repeat(1000)}`;
    expect(() => csv(`1\n${long}\n`)).toThrow(
      `line 2, column 1: ${JSON.stringify(`${long.slice(0, 39)}…`)} is`,
    );
  });

  it('does not take a broken first line for a header', () => {
    expect(() => csv('1,x\n2,3\n')).toThrow('line 1, column 2: "x" is not');
    expect(() => csv('nan,-inf\n2,3\n')).toThrow('line 1, column 1: "nan" is not');
    expect(() => csv('1.2.3\n2\n')).toThrow('line 1, column 1');
  });

  it('wants as many numbers in every line', () => {
    expect(() => csv('a,b\n1,2\n3\n')).toThrow(
      new DataError('x.csv: line 3 has 1 number, but line 2 has 2.'),
    );
    expect(() => csv('1 2\n3 4 5\n')).toThrow('line 2 has 3 numbers, but line 1 has 2.');
    expect(() => csv('1\n\n2\n')).toThrow('x.csv: line 2 is blank. Is a value missing?');
    // What would take 400 MB if the first line were believed.
    expect(() => csv(`${'1,'.repeat(9999)}1\n${'1\n'.repeat(9999)}`)).toThrow(
      'line 2 has 1 number, but line 1 has 10000.',
    );
  });

  it('refuses a file without numbers', () => {
    for (const text of ['', '\n\n', 'a,b\n', '\ufeff'])
      expect(() => csv(text)).toThrow('x.csv holds no line of numbers.');
  });
});

describe('vectors that a program hands over', () => {
  const frames = (steps: number, size: number) => ({ data: new Float32Array(steps * size), steps, size });

  it.each([
    [{ ...frames(2, 3), steps: 3 }, '6 numbers are not a matrix of 3 steps with 3 numbers each.'],
    [{ ...frames(2, 3), steps: 1.5 }, '6 numbers are not a matrix of 1.5 steps with 3 numbers each.'],
    [frames(0, 3), '0 numbers are not a matrix of 0 steps with 3 numbers each.'],
  ])('%o', (wrong, message) => {
    expect(() => checkFrames(wrong, 'one')).toThrow(new ShapeError(`one: ${message}`));
    const pairs = [frames(2, 3), wrong].map((source) => ({ source, target: 'a' }));
    expect(() => parallelText(pairs)).toThrow(new ShapeError(`the pairs: the one with index 1: ${message}`));
  });

  it('as they should be', () => {
    expect(() => checkFrames(frames(2, 3), 'one')).not.toThrow();
  });
});
