import { describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import { LimitsError, ShapeError } from '../../src/errors.ts';
import { ParameterStore } from '../../src/scheduler/parameters.ts';
import { destroyTensor, partOf, readTensor } from '../../src/scheduler/persistent.ts';
import { sizeOf, type Tensor } from '../../src/scheduler/tensor.ts';
import { testGpu } from '../setup/gpu.ts';
import { limitedGpu } from '../setup/limited-gpu.ts';
import { randomFloats } from '../setup/random.ts';

/** Odd sizes, one of exactly 256 bytes, one of exactly a whole segment. */
const specs = [
  { name: 'embedding', shape: [33, 7] },
  { name: 'bias', shape: [1] },
  { name: 'square', shape: [8, 8] },
  { name: 'largest', shape: [16, 32] },
  { name: 'v', shape: [1, 5] },
  { name: 'output', shape: [100, 3] },
];
const segmentLimit = 16 * 32 * 4;

const gpu = await testGpu();
const smallStore = () =>
  new ParameterStore(limitedGpu(gpu, { maxStorageBufferBindingSize: segmentLimit }), specs);

function placeOf(tensor: Tensor | undefined) {
  if (tensor?.storage.kind !== 'buffer') throw new Error('no buffer');
  return tensor.storage;
}

const values = new Map(specs.map(({ name, shape }, index) => [name, randomFloats(index, shape).data]));

describe('parameters on a device that binds little', () => {
  test('lie in segments that fit one binding, each parameter whole and aligned', () => {
    const store = smallStore();
    expect(store.segments.length).toBeGreaterThan(1);
    expect(store.names).toEqual(specs.map(({ name }) => name));
    expect(store.count).toBe(specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    const spans = new Map<GPUBuffer, [number, number][]>();
    for (const { name, shape } of specs) {
      const tensor = store.get(name);
      expect(tensor.shape).toEqual(shape);
      expect(tensor.needsGradient).toBe(true);
      expect(tensor.parameterGradient?.shape).toEqual(shape);
      const [value, gradient] = [placeOf(tensor), placeOf(tensor.parameterGradient)];
      expect(value.offset % 256).toBe(0);
      expect(value.offset + value.bytes).toBeLessThanOrEqual(value.buffer.size);
      expect(value.buffer.size).toBeLessThanOrEqual(segmentLimit);
      // The gradient lies at the same place of an arena of its own.
      expect(gradient.offset).toBe(value.offset);
      expect(gradient.buffer).not.toBe(value.buffer);
      spans.set(value.buffer, [
        ...(spans.get(value.buffer) ?? []),
        [value.offset, value.offset + value.bytes],
      ]);
    }
    for (const list of spans.values()) {
      const sorted = list.toSorted((a, b) => a[0] - b[0]);
      for (const [index, [start]] of sorted.entries()) {
        if (index > 0) expect(start).toBeGreaterThanOrEqual(sorted[index - 1]![1]);
      }
    }
    expect(spans.size).toBe(store.segments.length);
    store.dispose();
  });

  test('are read as they were written, with zeros between them', async () => {
    const store = smallStore();
    store.writeAll(values);
    store.write('v', Float32Array.of(1, 2, 3, 4, 5));
    const read = await store.read();
    expect([...read.keys()]).toEqual(store.names);
    for (const [name, data] of values) expect(read.get(name)).toEqual(name === 'v' ? read.get('v') : data);
    expect([...read.get('v')!]).toEqual([1, 2, 3, 4, 5]);
    const arenas = await Promise.all(store.segments.map((segment) => readTensor(gpu, segment.values)));
    const nonZero = (data: Float32Array) => data.filter((value) => value !== 0).length;
    expect(arenas.map(nonZero).reduce((a, b) => a + b)).toBe(
      [...read.values()].map(nonZero).reduce((a, b) => a + b),
    );
    for (const data of (await store.readGradients()).values()) expect(nonZero(data)).toBe(0);
    store.dispose();
  });

  test('have places that say where they lie, and together fill their segments', async () => {
    const store = smallStore();
    store.writeAll(values);
    const ends = store.segments.map(() => 0);
    expect(store.places.map(({ name }) => name)).toEqual(store.names);
    for (const { name, segment, offset, bytes } of store.places) {
      const own = placeOf(store.get(name));
      const arena = store.segments[segment]!.values;
      expect(own.buffer).toBe(placeOf(arena).buffer);
      expect([own.offset, offset]).toEqual([offset, ends[segment]]);
      ends[segment] = offset + bytes;
      const part = await readTensor(gpu, partOf(arena, offset, bytes));
      expect(part.length).toBe(bytes / 4);
      const given = values.get(name)!;
      expect(part.subarray(0, given.length)).toEqual(given);
      expect(part.subarray(given.length).every((value) => value === 0)).toBe(true);
    }
    expect(ends).toEqual(store.segments.map((segment) => segment.values.size * 4));
    const arena = store.segments[0]!.values;
    expect(partOf(arena, 0, arena.size * 4)).toBe(arena);
    expect(() => partOf(arena, 128, 256)).toThrow(ShapeError);
    expect(() => partOf(arena, 256, arena.size * 4)).toThrow(ShapeError);
    store.dispose();
  });

  test('have moments of the same layout', async () => {
    const store = smallStore();
    const moments = store.createArenas('exp_avg');
    store.writeAll(values, moments);
    expect(await store.read(moments)).toEqual(values);
    for (const data of (await store.read()).values()) expect(data.every((value) => value === 0)).toBe(true);
    for (const arena of moments) destroyTensor(arena);
    store.dispose();
  });
});

describe('what cannot be', () => {
  test('a parameter larger than a binding: named, before anything is allocated', () => {
    const calls = countCalls(gpu.device);
    try {
      const small = limitedGpu(gpu, { maxStorageBufferBindingSize: 1024 });
      expect(() => new ParameterStore(small, specs.slice(0, 4))).toThrow(
        new LimitsError(
          'the parameter largest [16,32] needs 2.0 KiB, but this device binds at most 1.0 KiB: ' +
            'make the batch, the vocabulary or the layer smaller',
        ),
      );
      expect(calls.made()).toEqual([]);
    } finally {
      calls.stop();
    }
  });

  test('maxBufferSize counts too', () => {
    const small = limitedGpu(gpu, { maxBufferSize: 512 });
    expect(() => new ParameterStore(small, specs)).toThrow(LimitsError);
  });

  test('two of one name, unknown names, wrong sizes', () => {
    const store = new ParameterStore(gpu, specs);
    expect(() => new ParameterStore(gpu, [specs[0]!, specs[0]!])).toThrow(
      new ShapeError("two parameters are called 'embedding'"),
    );
    expect(() => store.get('missing')).toThrow(new ShapeError("no parameter is called 'missing'"));
    expect(store.has('missing')).toBe(false);
    expect(() => store.write('bias', new Float32Array(2))).toThrow(
      new ShapeError('bias[1] holds 1 values, not 2'),
    );
    expect(() => store.writeAll(new Map([...values, ['bias', new Float32Array(2)]]))).toThrow(
      new ShapeError("'bias' holds 1 values, not 2"),
    );
    expect(() => store.writeAll(new Map())).toThrow(
      new ShapeError("no values for the parameter 'embedding'"),
    );
    store.dispose();
  });
});
