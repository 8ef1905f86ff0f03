/**
 * The reader and writer against files of Python's safetensors 0.8 (test/golden/safetensors_fixtures.py, which also
 * reads written-by-couplet.safetensors), and against files that are wrong in every way.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../src/errors.ts';
import type { StoredTensor, TensorToStore } from '../../src/train/safetensors.ts';
import { readSafetensors, toFloat32, toIntegers, writeSafetensors } from '../../src/train/safetensors.ts';

const goldenPath = (name: string) => new URL(`../golden/safetensors/${name}.safetensors`, import.meta.url);
const golden = (name: string) => new Uint8Array(readFileSync(goldenPath(name)));

const whole = (count: number) => Array.from({ length: count }, (_, i) => (7 * i + 3) % 31);
const real = (count: number) => whole(count).map((value) => (value - 15) / 4);
const names = ['encoder.rnn.weight_ih_l0', '__proto__', '../../x', '', 'quote " back \\ slash', '名', 'a\nb'];
const get = (tensors: ReadonlyMap<string, StoredTensor>, name: string): StoredTensor => {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no tensor ${name}`);
  return tensor;
};

describe('files of Python', () => {
  test('names are only names', () => {
    const { tensors, metadata } = readSafetensors(golden('names'));
    expect(new Set(tensors.keys())).toEqual(new Set(names));
    for (const [k, name] of names.entries()) {
      const tensor = get(tensors, name);
      expect(tensor.shape).toEqual([k + 1, 3]);
      expect([...toFloat32(tensor, name)]).toEqual(real(3 * (k + 1)));
    }
    expect(new Map(metadata)).toEqual(
      new Map([
        ['format', 'pt'],
        ['note', 'ü'],
        ['__proto__', 'x'],
      ]),
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test.each([
    ['scalar', [], 1],
    ['empty', [0, 5], 0],
    ['deep', [2, 1, 3, 2], 12],
  ])('%s', (name, shape, count) => {
    const tensor = get(readSafetensors(golden('shapes')).tensors, name);
    expect(tensor.shape).toEqual(shape);
    expect([...toFloat32(tensor, name)]).toEqual(real(count));
  });

  const { tensors } = readSafetensors(golden('dtypes'));

  test.each(['float16', 'bfloat16', 'float32', 'float64'])('%s becomes float32', (name) => {
    expect([...toFloat32(get(tensors, name), name)]).toEqual(real(15));
    expect(() => toIntegers(get(tensors, name), name)).toThrow(CheckpointError);
  });

  test.each(['uint8', 'int8', 'int16', 'int32', 'int64', 'uint16', 'uint32', 'uint64'])('%s', (name) => {
    expect(toIntegers(get(tensors, name), name)).toEqual(whole(15));
    expect(() => toFloat32(get(tensors, name), name)).toThrow(CheckpointError);
  });

  test('bool is carried, not interpreted', () => {
    expect(get(tensors, 'bool')).toMatchObject({
      dtype: 'BOOL',
      shape: [3],
      bytes: new Uint8Array([1, 0, 1]),
    });
  });

  test('halves of every exponent, subnormal, infinite and NaN, as PyTorch widens them', () => {
    const { tensors } = readSafetensors(golden('halves'));
    const widened = toFloat32(get(tensors, 'halves'), 'halves');
    const expected = toFloat32(get(tensors, 'as_float32'), 'as_float32');
    expect(widened.length).toBe(5042);
    // Object.is tells -0 from 0; NaN is NaN whatever its payload.
    expect([...widened].every((value, i) => Object.is(value, expected[i]))).toBe(true);
    expect(widened.some(Number.isNaN)).toBe(true);
  });
});

describe('writing', () => {
  const stored = (): [string, TensorToStore][] => [
    ...names.map((name, k): [string, TensorToStore] => {
      return [name, { shape: [k + 1, 3], values: Float32Array.from(real(3 * (k + 1))) }];
    }),
    ['uint8', { shape: [5], values: Uint8Array.from(whole(5)) }],
    ['scalar', { shape: [], values: Float32Array.from(real(1)) }],
    ['empty', { shape: [0, 5], values: new Float32Array() }],
    ['f64', { shape: [3], values: Float64Array.from(real(3)) }],
    ['int32', { shape: [5], values: Int32Array.from(whole(5)) }],
    ['uint32', { shape: [5], values: Uint32Array.from(whole(5)) }],
    ['int64', { shape: [5], values: BigInt64Array.from(whole(5), BigInt) }],
    ['uint64', { shape: [5], values: BigUint64Array.from(whole(5), BigInt) }],
  ];
  const metadata = [
    ['format', 'pt'],
    ['note', 'ü'],
    ['__proto__', 'x'],
  ] as const;

  test('gives, byte for byte, the file that Python was shown to read', () => {
    const written = writeSafetensors(stored(), metadata);
    // After a change of the writer: COUPLET_WRITE_FIXTURES=1, then safetensors_fixtures.py --check.
    if (process.env.COUPLET_WRITE_FIXTURES) writeFileSync(goldenPath('written-by-couplet'), written);
    expect(Buffer.compare(written, golden('written-by-couplet'))).toBe(0);
  });

  test('what is read is what was written, bit for bit, from views and NaN too', () => {
    const bits = new Uint32Array([0x7fc00001, 0x80000000, 0x00000001, 0xff800000, 0x3f800000]);
    const values = new Float32Array(bits.buffer, 4, 3);
    const file = writeSafetensors([['x', { shape: [3, 1], values }]]);
    const tensor = get(readSafetensors(file).tensors, 'x');
    expect(new Uint32Array(toFloat32(tensor, 'x').buffer)).toEqual(bits.slice(1, 4));
  });

  test('a file at any offset of its buffer', () => {
    const file = writeSafetensors(stored(), metadata);
    for (const shift of [1, 3]) {
      const inside = new Uint8Array(file.length + shift + 9);
      inside.set(file, shift);
      const { tensors } = readSafetensors(inside.subarray(shift, shift + file.length));
      expect([...toFloat32(get(tensors, 'f64'), 'f64')]).toEqual(real(3));
      expect(tensors.size).toBe(stored().length);
    }
  });

  test('a Buffer of Node, whose slices share its memory, reads as any bytes', () => {
    const stored = new Map<string, TensorToStore>([
      ['a', { shape: [3], values: Float32Array.of(1, 2, 3) }],
      ['b', { shape: [2], values: Float32Array.of(4, 5) }],
      ['c', { shape: [2], values: Int32Array.of(6, 7) }],
    ]);
    const { tensors } = readSafetensors(Buffer.from(writeSafetensors(stored)));
    expect([...toFloat32(get(tensors, 'a'), 'a')]).toEqual([1, 2, 3]);
    expect([...toFloat32(get(tensors, 'b'), 'b')]).toEqual([4, 5]);
    expect(toIntegers(get(tensors, 'c'), 'c')).toEqual([6, 7]);
  });

  test('the header is padded to 8 bytes and every tensor is aligned', () => {
    const { tensors } = readSafetensors(writeSafetensors(stored(), metadata));
    for (const { dtype, bytes } of tensors.values()) {
      const size = { F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4 }[dtype as string] ?? 1;
      expect(bytes.byteOffset % size).toBe(0);
    }
  });

  test.each([
    ['__metadata__', [1], 1],
    ['x', [2], 1],
    ['x', [-1], 1],
  ])('%s of shape %j with %i values is refused', (name, shape, count) => {
    expect(() => writeSafetensors([[name, { shape, values: new Float32Array(count) }]])).toThrow(
      CheckpointError,
    );
  });
});

/** A file of this header and so many bytes of data. */
function file(header: string | Uint8Array, dataBytes = 0, headerBytes?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, headerBytes ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const tensor = (dtype: string, shape: string, offsets: string) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

describe('files that are wrong', () => {
  test.each<[string, Uint8Array, string]>([
    ['empty', new Uint8Array(), 'has 0 bytes'],
    ['seven bytes', new Uint8Array(7), 'has 7 bytes'],
    ['header past the file', file('{}', 0, 3n), 'header claims 3 bytes, but only 2 follow'],
    ['header of 100 MB and one', file('{}', 0, 100_000_001n), 'more than the 100000000 allowed'],
    ['header of 2^63', file('{}', 0, 2n ** 63n), 'header claims 9223372036854775808 bytes'],
    ['no header', file('', 0), 'does not start with {'],
    ['space before the header', file(' {}'), 'does not start with {'],
    ['a byte order mark', file('\uFEFF{}'), 'does not start with {'],
    ['not UTF-8', file(new Uint8Array([0x7b, 0xff, 0x7d])), 'is not UTF-8'],
    ['a list', file('[]'), 'does not start with {'],
    ['unclosed', file('{'), 'lacks a "'],
    ['a trailing comma', file(`{"a":${tensor('F32', '[0]', '[0,0]')},}`), 'lacks a "'],
    ['something behind', file('{}{}'), 'goes on after its closing }'],
    ['a zero byte behind', file('{}\u0000'), 'goes on after its closing }'],
    ['trailing bytes', file('{}', 1), '1 bytes follow its last tensor'],
    ['a number as tensor', file('{"a":1}'), 'lacks a {'],
    ['null as tensor', file('{"a":null}'), 'lacks a {'],
    ['no dtype', file('{"a":{"shape":[],"data_offsets":[0,0]}}'), 'lacks dtype, shape or data_offsets'],
    [
      'unknown field',
      file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,0],"x":1}}', 4),
      'unknown field "x"',
    ],
    ['unknown dtype', file(`{"a":${tensor('F31', '[1]', '[0,4]')}}`, 4), 'unknown dtype "F31"'],
    ['dtype of the prototype', file(`{"a":${tensor('constructor', '[1]', '[0,4]')}}`, 4), 'unknown dtype'],
    ['one offset', file(`{"a":${tensor('F32', '[1]', '[0]')}}`, 4), 'no pair'],
    ['three offsets', file(`{"a":${tensor('F32', '[1]', '[0,4,4]')}}`, 4), 'no pair'],
    ['a negative size', file(`{"a":${tensor('F32', '[-1]', '[0,4]')}}`, 4), 'lacks a whole number'],
    ['a fraction', file(`{"a":${tensor('F32', '[1.0]', '[0,4]')}}`, 4), 'lacks a ]'],
    ['an exponent', file(`{"a":${tensor('F32', '[1e0]', '[0,4]')}}`, 4), 'lacks a ]'],
    ['a leading zero', file(`{"a":${tensor('F32', '[01]', '[0,4]')}}`, 4), 'lacks a whole number'],
    [
      'a size of 2^64',
      file(`{"a":${tensor('F32', '[18446744073709551616]', '[0,4]')}}`, 4),
      'number too large',
    ],
    [
      'a size times a size of 2^64',
      file(`{"a":${tensor('F32', '[4294967296,4294967296]', '[0,0]')}}`),
      'more than any file has',
    ],
    [
      'an offset of 2^64 − 1',
      file(`{"a":${tensor('F32', '[1]', '[0,18446744073709551615]')}}`, 4),
      'number too large',
    ],
    [
      'shape and bytes',
      file(`{"a":${tensor('F32', '[2]', '[0,4]')}}`, 4),
      'has 4 bytes, but F32 of shape [2] takes 8',
    ],
    [
      'half an element',
      file(`{"a":${tensor('F32', '[1]', '[0,3]')}}`, 3),
      'has 3 bytes, but F32 of shape [1] takes 4',
    ],
    ['past the file', file(`{"a":${tensor('F32', '[2]', '[0,8]')}}`, 4), 'ends at byte 8 of 4'],
    ['backwards', file(`{"a":${tensor('F32', '[1]', '[4,0]')}}`, 4), 'ends before it begins'],
    [
      'a hole at the start',
      file(`{"a":${tensor('F32', '[1]', '[4,8]')}}`, 8),
      'no tensor covers the bytes 0 to 4',
    ],
    [
      'a hole inside',
      file(`{"a":${tensor('F32', '[1]', '[0,4]')},"b":${tensor('F32', '[1]', '[8,12]')}}`, 12),
      'no tensor covers the bytes 4 to 8',
    ],
    [
      'an overlap',
      file(`{"a":${tensor('F32', '[2]', '[0,8]')},"b":${tensor('F32', '[2]', '[4,12]')}}`, 12),
      '"b" overlaps',
    ],
    [
      'the same bytes twice',
      file(`{"a":${tensor('F32', '[1]', '[0,4]')},"b":${tensor('F32', '[1]', '[0,4]')}}`, 4),
      '"b" overlaps',
    ],
    [
      'a tensor twice',
      file(`{"a":${tensor('F32', '[1]', '[0,4]')},"a":${tensor('F32', '[1]', '[4,8]')}}`, 8),
      'gives the tensor "a" twice',
    ],
    [
      'a tensor twice, spelt differently',
      file(`{"a":${tensor('F32', '[1]', '[0,4]')},"\\u0061":${tensor('F32', '[1]', '[4,8]')}}`, 8),
      'gives the tensor "a" twice',
    ],
    [
      'a field twice',
      file('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      'gives dtype of the tensor "a" twice',
    ],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), 'gives __metadata__ twice'],
    ['a metadata key twice', file('{"__metadata__":{"a":"1","a":"2"}}'), 'gives the metadata "a" twice'],
    ['metadata that is no text', file('{"__metadata__":{"a":1}}'), 'lacks a "'],
    ['a bad escape', file('{"\\x":{}}'), 'a string that is not JSON'],
    ['a raw control character', file('{"\u0001":{}}'), 'a string that is not JSON'],
    ['a string that never ends', file('{"abc\\"'), 'lacks a "'],
  ])('%s', (_what, bytes, words) => {
    let error: unknown;
    try {
      readSafetensors(bytes, 'my.safetensors');
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(/^my\.safetensors is not a valid safetensors file: /);
    expect((error as Error).message).toContain(words);
  });

  test('a deep list and a megabyte of name do no harm', () => {
    expect(() => readSafetensors(file(`{"a":${'['.repeat(1_000_000)}`))).toThrow(CheckpointError);
    const name = 'x'.repeat(1_000_000);
    let message = '';
    try {
      readSafetensors(file(`{"${name}":${tensor('F31', '[1]', '[0,4]')}}`, 4));
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message.length).toBeLessThan(300);
  });
});

describe('what looks odd but is right', () => {
  test.each<[string, Uint8Array, number]>([
    ['nothing', file('{}'), 0],
    ['only metadata', file('{"__metadata__":{"a":"b"}}'), 0],
    ['spaces behind', file('{}      '), 0],
    [
      'white space everywhere',
      file(` {"a" : { "shape":[ 1 ] ,"data_offsets": [0 , 4],\n"dtype":\t"F32" } } `.trimStart(), 4),
      1,
    ],
    [
      'empty tensors at one place',
      file(
        `{"a":${tensor('F32', '[0]', '[0,0]')},"b":${tensor('F32', '[1]', '[0,4]')},"c":${tensor('I64', '[3,0]', '[4,4]')}}`,
        4,
      ),
      3,
    ],
    [
      'not in the order of bytes',
      file(`{"a":${tensor('F32', '[1]', '[4,8]')},"b":${tensor('F32', '[1]', '[0,4]')}}`, 8),
      2,
    ],
  ])('%s', (_what, bytes, count) => {
    expect(readSafetensors(bytes).tensors.size).toBe(count);
  });
});

test('a damaged file is refused or is another sound file, never anything else', () => {
  const original = golden('names');
  const headerEnd = 8 + Number(new DataView(original.buffer).getBigUint64(0, true));
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  let refused = 0;
  for (let round = 0; round < 5000; round++) {
    let bytes = original.slice();
    for (let change = 0; change <= random(3); change++) {
      const at = random(headerEnd);
      const kind = random(4);
      if (kind === 0) bytes[at] = random(256);
      else if (kind === 1) bytes[at] = bytes[at]! ^ (1 << random(8));
      else if (kind === 2) bytes = bytes.slice(0, random(bytes.length));
      else bytes.copyWithin(at, random(headerEnd), headerEnd);
    }
    try {
      const { tensors } = readSafetensors(bytes);
      let covered = 0;
      for (const { bytes: content } of tensors.values()) covered += content.length;
      const header = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
      expect(covered).toBe(bytes.length - 8 - header);
    } catch (error) {
      expect(error).toBeInstanceOf(CheckpointError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(3000);
});
