/** Nothing fails in silence: what a shader or a command does wrong comes out as an error that says where. */
import { afterEach, describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import { DeviceLostError, KernelError, LimitsError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { type ShaderInfo, shaderInfo, shaderNames } from '../../src/gpu/shader.ts';
import { openGpu } from '../../src/node/open-gpu.ts';
import { testGpu } from '../setup/gpu.ts';

const copy = shaderInfo('copy');
const storageUsage = 0x0080 | 0x0008 | 0x0004; // STORAGE | COPY_DST | COPY_SRC

/** A Gpu of its own, because a failure stays with it. */
const opened: Gpu[] = [];
async function freshGpu(): Promise<Gpu> {
  const gpu = await openGpu({ adapter: process.env.COUPLET_ADAPTER ?? 'swiftshader' });
  opened.push(gpu);
  return gpu;
}

afterEach(() => {
  for (const gpu of opened.splice(0)) gpu.dispose();
});

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('no error'),
    (error: Error) => error,
  );
}

describe('a shader', () => {
  test('that does not compile is named, with the line and what stands there', async () => {
    const broken: ShaderInfo = { ...copy, code: copy.code.replace('let row =', 'let row: f32 =') };
    const line = broken.code.split('\n').findIndex((text) => text.includes('let row: f32 ='));
    const error = await rejection((await freshGpu()).kernel(broken, 'main'));
    expect(error).toBeInstanceOf(KernelError);
    expect(error.message).toContain('shaders/copy.wgsl does not compile');
    expect(error.message).toMatch(new RegExp(`line ${line + 1}:\\d+: .*f32`));
    expect(error.message).toContain('let row: f32 = index / params.columns;');
  });

  test('that lacks an entry point is named', async () => {
    const error = await rejection((await testGpu()).kernel(copy, 'absent'));
    expect(error).toEqual(new KernelError("shaders/copy.wgsl has no entry point 'absent'"));
  });

  test('whose pipeline the device refuses is named, with the entry and the reason', async () => {
    const code = copy.code.replace('@workgroup_size(64)', '@workgroup_size(100000)');
    const error = await rejection((await freshGpu()).kernel({ ...copy, code }, 'main'));
    expect(error).toBeInstanceOf(KernelError);
    expect(error.message).toMatch(/^shaders\/copy\.wgsl/);
    expect(error.message).toMatch(/workgroup/i);
  });

  test('whose bindings do not fit the generated table is named', async () => {
    const code = copy.code.replace(
      '@binding(2) var<storage, read_write> y',
      '@binding(7) var<storage, read_write> y',
    );
    const error = await rejection((await freshGpu()).kernel({ ...copy, code }, 'main'));
    expect(error).toBeInstanceOf(KernelError);
    expect(error.message).toContain("shaders/copy.wgsl, entry 'main'");
  });

  test('is compiled once', async () => {
    const gpu = await testGpu();
    const first = await gpu.kernel(copy, 'main');
    const calls = countCalls(gpu.device);
    try {
      expect(await gpu.kernel(copy, 'main')).toBe(first);
      expect(calls.made()).toEqual([]);
    } finally {
      calls.stop();
    }
  });

  test.each(shaderNames())('%s compiles, every entry of it', async (name) => {
    const shader = shaderInfo(name);
    for (const entry of Object.keys(shader.entries)) {
      await expect((await testGpu()).kernel(shader, entry)).resolves.toHaveProperty('pipeline');
    }
  });
});

describe('a command that the device rejects', () => {
  /** Copies beyond the end of a buffer: WebGPU reports it to nobody but `uncapturederror`. */
  function misuse(gpu: Gpu): void {
    const [from, to] = [8, 4].map((size) => gpu.device.createBuffer({ size, usage: storageUsage }));
    const encoder = gpu.device.createCommandEncoder({ label: 'misuse' });
    encoder.copyBufferToBuffer(from!, 0, to!, 0, 8);
    gpu.device.queue.submit([encoder.finish()]);
  }

  test('makes the next read back fail with what the device said', async () => {
    const gpu = await freshGpu();
    const buffer = gpu.createBuffer('fine', 4);
    misuse(gpu);
    const error = await rejection(gpu.read(buffer, 0, 4));
    expect(error).toBeInstanceOf(KernelError);
    expect(error.message).toMatch(/^the device rejected a command: .*misuse/s);
  });

  test('stays known, and the first one wins', async () => {
    const gpu = await freshGpu();
    const buffer = gpu.createBuffer('fine', 4);
    misuse(gpu);
    const first = await rejection(gpu.read(buffer, 0, 4));
    gpu.device.createBuffer({ size: 4, usage: 0xffff_0000 });
    expect(await rejection(gpu.read(buffer, 0, 4))).toBe(first);
    expect(() => gpu.check()).toThrow(first);
  });
});

describe('buffers', () => {
  test('larger than the device binds are refused with both sizes, and none is made', async () => {
    const gpu = await testGpu();
    const calls = countCalls(gpu.device);
    try {
      expect(() => gpu.createBuffer('logits', gpu.largestBuffer + 1)).toThrow(LimitsError);
      expect(() => gpu.createBuffer('logits', 2 ** 40)).toThrow(
        /^logits needs 1024\.00 GiB, but this device binds at most [\d.]+ [MG]iB: make the batch/,
      );
      expect(calls.made()).toEqual([]);
    } finally {
      calls.stop();
    }
  });

  test('are read back as they were written, at any offset, reads at once among them', async () => {
    const gpu = await testGpu();
    const buffer = gpu.createBuffer('data', 4096);
    const data = Uint32Array.from({ length: 1024 }, (_, i) => i * i);
    gpu.write(buffer, 0, data);
    gpu.write(buffer, 8, data.subarray(500, 502)); // a view into a larger array
    data.set(data.subarray(500, 502), 2);
    const parts = await Promise.all(
      [
        [0, 4096],
        [4, 8],
        [4092, 4],
        [256, 300],
      ].map(([offset, bytes]) => gpu.read(buffer, offset!, bytes!)),
    );
    expect(parts.map((part) => [...new Uint32Array(part)])).toEqual([
      [...data],
      [...data.subarray(1, 3)],
      [data[1023]],
      [...data.subarray(64, 139)],
    ]);
    buffer.destroy();
  });

  test.each([
    ['kept and used again', 2 ** 12, { made: 1, destroyed: 0 }],
    ['freed at once where it is large', 2 ** 24 + 4, { made: 2, destroyed: 2 }],
  ])('are read through a buffer that is %s', async (_, bytes, expected) => {
    const gpu = await freshGpu();
    const buffer = gpu.createBuffer('data', bytes);
    gpu.write(buffer, bytes - 4, Uint32Array.of(7));
    const create = gpu.device.createBuffer.bind(gpu.device);
    const counts = { made: 0, destroyed: 0 };
    gpu.device.createBuffer = (descriptor) => {
      const made = create(descriptor);
      const destroy = made.destroy.bind(made);
      counts.made += 1;
      made.destroy = () => {
        counts.destroyed += 1;
        return destroy();
      };
      return made;
    };
    for (let i = 0; i < 2; i++) {
      const values = new Uint32Array(await gpu.read(buffer, 0, bytes));
      expect([values.length, values.at(-1)]).toEqual([bytes / 4, 7]);
    }
    expect(counts).toEqual(expected);
  });
});

describe('a device that is lost', () => {
  test('is told by every later use', async () => {
    const gpu = await freshGpu();
    const buffer = gpu.createBuffer('data', 4);
    gpu.device.destroy();
    await gpu.device.lost;
    await Promise.resolve();
    expect(() => gpu.check()).toThrow(DeviceLostError);
    expect(await rejection(gpu.read(buffer, 0, 4))).toBeInstanceOf(DeviceLostError);
  });

  test('in the middle of a read back is told by that one', async () => {
    const gpu = await freshGpu();
    const buffer = gpu.createBuffer('data', 4);
    const reading = rejection(gpu.read(buffer, 0, 4));
    gpu.device.destroy();
    expect(await reading).toBeInstanceOf(DeviceLostError);
  });

  test('by dispose is nobody’s failure, but nothing can be read any more', async () => {
    const gpu = await freshGpu();
    const buffer = gpu.createBuffer('data', 4);
    gpu.dispose();
    gpu.dispose();
    await expect(gpu.read(buffer, 0, 4)).rejects.toThrow('this Gpu was disposed');
  });
});
