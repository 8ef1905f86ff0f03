/**
 * The reader and writer against files of NumPy (test/golden/npy_fixtures.py, which also reads written-by-couplet.npy), and
 * against files that are wrong in every way.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readNpy, writeNpy } from '../../src/data/npy.ts';
import { Random } from '../../src/data/random.ts';
import { DataError, ShapeError } from '../../src/errors.ts';
import fixtures from '../golden/npy/arrays.json' with { type: 'json' };

const writtenPath = new URL('../golden/npy/written-by-couplet.npy', import.meta.url);
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const arrays = new Map(fixtures.arrays.map((array) => [array.name, array]));
const fileOf = (name: string) => bytesOf(arrays.get(name)!.file);

/** A file with any header, and `count` zero bytes after it. */
function fileWith(header: string, count = 48, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array((version === 1 ? 10 : 12) + text.length + count);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(file.buffer);
  if (version === 1) view.setUint16(8, text.length, true);
  else view.setUint32(8, text.length, true);
  file.set(text, version === 1 ? 10 : 12);
  return file;
}

describe('readNpy', () => {
  it.each(fixtures.arrays)("gives NumPy's float32 of $name", ({ name, shape, file, values }) => {
    const array = readNpy(bytesOf(file), name);
    const expected = new Float32Array(bytesOf(values).buffer);
    expect(array.shape).toEqual(shape);
    expect(array.data.length).toBe(expected.length);
    // Object.is tells -0 from 0; NaN is NaN whatever its payload.
    expect([...array.data].every((value, i) => Object.is(value, expected[i]))).toBe(true);
  });

  it('reads a file at any offset of its buffer', () => {
    const file = fileOf('f8');
    const inside = new Uint8Array(file.length + 12);
    inside.set(file, 3);
    expect(readNpy(inside.subarray(3, 3 + file.length), 'x')).toEqual(readNpy(file, 'x'));
    expect(readNpy(Buffer.from(file), 'x')).toEqual(readNpy(file, 'x'));
  });

  it('reads keys in any order, either quote, no last comma and the lengths of Python 2', () => {
    const header = `{"shape":(3L,4L,),'fortran_order' : False , "descr":"<f4"}`;
    expect(readNpy(fileWith(header), 'x').shape).toEqual([3, 4]);
  });

  it.each(Object.entries(fixtures.refused))('refuses %s', (_, file) => {
    expect(() => readNpy(bytesOf(file), 'x.npy')).toThrow(DataError);
    expect(() => readNpy(bytesOf(file), 'x.npy')).toThrow(
      /^x\.npy is not a \.npy file that can be read: its elements are /,
    );
  });

  const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
  it.each([
    ['{', 'lacks'],
    [good.slice(0, -1), 'lacks '],
    [`${good}  ; import os`, 'goes on after its dictionary'],
    [`${good}\n\n`, 'goes on after'],
    [good.replace(' (3, 4), ', ' (3, 4)], '), 'lacks a comma'],
    [good.replace("'shape'", "'Shape'"), 'has an unknown key'],
    [good.replace("'shape': (3, 4), ", ''), 'lacks descr, fortran_order or shape'],
    [good.replace('}', "'shape': (3, 4)}"), 'gives shape twice'],
    [good.replace('}', "'descr': '<f4'}"), 'gives descr twice'],
    [good.replace('}', "'fortran_order': True}"), 'gives fortran_order twice'],
    [good.replace('False', '0'), 'lacks True or False'],
    [good.replace("'<f4'", "'<f\\x34'"), 'has a string that is not read'],
    [good.replace("'<f4'", '<f4'), "lacks '"],
    [good.replace('(3, 4)', '(-3, 4)'), 'has no length of a dimension'],
    [good.replace('(3, 4)', '(3.0, 4)'), 'lacks a comma'],
    [good.replace('(3, 4)', '(12)'), 'lacks a comma'],
    [good.replace('(3, 4)', '[3, 4]'), 'lacks ('],
    [good.replace('(3, 4)', '(99999999999999999999, 0)'), 'has no length of a dimension'],
    [good.replace('(3, 4)', '(94906267, 94906267)'), 'takes more than any file has'],
    [good.replace('(3, 4)', '(3, 5)'), 'shape (3, 5) of f4 takes 60 bytes, and 48 follow its header'],
    [good.replace('(3, 4)', '(3, 3)'), 'takes 36 bytes, and 48 follow'],
    [good.replace('(3, 4)', '(0, 9007199254740991)'), 'takes 0 bytes, and 48 follow'],
    [good.replace('(3, 4)', `(${'1, '.repeat(33)})`), 'it has 33 dimensions'],
    [good.replace('<f4', '|f4'), 'its elements are "|f4"'],
    [good.replace('<f4', '=f4'), 'its elements are "=f4"'],
    [good.replace('<f4', '<f16'), 'its elements are "<f16"'],
    [good.replace('<f4', '<i3'), 'its elements are "<i3"'],
  ])('refuses the header %j', (header, problem) => {
    expect(() => readNpy(fileWith(header), 'x.npy')).toThrow(problem);
    expect(() => readNpy(fileWith(header), 'x.npy')).toThrow(DataError);
  });

  it('refuses what is cut short anywhere, or goes on', () => {
    for (const name of ['f4', 'version 2']) {
      const file = fileOf(name);
      for (let length = 0; length < file.length; length++) {
        expect(() => readNpy(file.subarray(0, length), 'x.npy')).toThrow(DataError);
      }
      expect(() => readNpy(Uint8Array.of(...file, 0), 'x.npy')).toThrow(DataError);
    }
  });

  it('refuses other files, versions and endless headers by name', () => {
    const changed = (at: number, ...bytes: number[]) => {
      const file = fileOf('version 2');
      file.set(bytes, at);
      return file;
    };
    expect(() => readNpy(new TextEncoder().encode('1,2\n3,4\n'), 'a.csv')).toThrow(
      new DataError('a.csv is not a .npy file that can be read: it does not start with \\x93NUMPY.'),
    );
    expect(() => readNpy(changed(6, 4), 'x')).toThrow('its format version is 4');
    expect(() => readNpy(changed(6, 0), 'x')).toThrow('its format version is 0');
    expect(() => readNpy(changed(8, 0xff, 0xff, 0xff, 0xff), 'x')).toThrow(
      'claims 4294967295 bytes, more than',
    );
    expect(() => readNpy(changed(8, 0, 0x27), 'x')).toThrow(/claims 9984 bytes, but only \d+ follow/);
  });

  it('takes no harm from damaged bytes: an array or a DataError', () => {
    const random = new Random(3);
    const outcomes = { read: 0, refused: 0 };
    for (let round = 0; round < 2000; round++) {
      const file = fileOf('Fortran order');
      for (let i = 0; i < 2; i++) file[random.below(file.length)] = random.below(256);
      try {
        const { shape, data } = readNpy(file, 'x');
        expect(data.length).toBe(shape.reduce((product, length) => product * length, 1));
        outcomes.read++;
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
        outcomes.refused++;
      }
    }
    expect(outcomes.read).toBeGreaterThan(100);
    expect(outcomes.refused).toBeGreaterThan(100);
  });
});

describe('writeNpy', () => {
  it('gives, byte for byte, the file that NumPy was shown to read', () => {
    const data = Float32Array.from({ length: 15 }, (_, i) => (((7 * i + 3) % 31) - 15) / 4);
    const written = writeNpy({ shape: [3, 5], data });
    // After a change of the writer: COUPLET_WRITE_FIXTURES=1, then npy_fixtures.py --check.
    if (process.env.COUPLET_WRITE_FIXTURES) writeFileSync(writtenPath, written);
    expect(Buffer.compare(written, readFileSync(writtenPath))).toBe(0);
  });

  it('is read back bit for bit, from views too, in every number of dimensions', () => {
    const data = Float32Array.of(9, -0, 1e-45, Number.NaN, Number.NEGATIVE_INFINITY, 1 / 3, 0.5).subarray(1);
    for (const shape of [[6], [1, 6], [2, 3], [3, 1, 2], new Array<number>(31).fill(1).concat(6)]) {
      const file = writeNpy({ shape, data });
      expect((file.length - data.byteLength) % 64).toBe(0);
      const read = readNpy(file, 'x');
      expect(read.shape).toEqual(shape);
      expect([...read.data].every((value, i) => Object.is(value, data[i]))).toBe(true);
    }
    expect(readNpy(writeNpy({ shape: [], data: Float32Array.of(7) }), 'x')).toEqual({
      shape: [],
      data: Float32Array.of(7),
    });
    expect(readNpy(writeNpy({ shape: [0, 3], data: new Float32Array() }), 'x').shape).toEqual([0, 3]);
  });

  it('refuses a shape that does not fit', () => {
    expect(() => writeNpy({ shape: [2, 3], data: new Float32Array(5) })).toThrow(ShapeError);
    expect(() => writeNpy({ shape: new Array<number>(33).fill(1), data: new Float32Array(1) })).toThrow(
      ShapeError,
    );
    expect(() => writeNpy({ shape: [1.5, 2], data: new Float32Array(3) })).toThrow(ShapeError);
  });
});
