/**
 * An opened WebGPU device as the rest of Couplet sees it: compiled kernels by name, buffers, read-back, and the
 * promise that nothing fails in silence. Openers (`open-browser.ts`, `../node/open-gpu.ts`) make it.
 */
import { type CoupletError, DeviceLostError, KernelError, LimitsError } from '../errors.ts';
import type { AdapterReport } from './adapter-report.ts';
import { compilePipeline, type Kernel } from './compile.ts';
import type { ShaderInfo } from './shader.ts';
import type { Tuning } from './tuning.ts';

const scratchUsage = 0x0004 | 0x0008 | 0x0080; // COPY_SRC | COPY_DST | STORAGE
const stagingUsage = 0x0001 | 0x0008; // MAP_READ | COPY_DST
/** Larger reads (whole parameter arenas, once a checkpoint) do not hold a second copy's memory in between. */
const largestKeptStaging = 2 ** 24;

/** What stands by while a promise of the device's is pending, and hands it on. */
export type Waiting = <T>(pending: Promise<T>) => Promise<T>;

export class Gpu {
  readonly device: GPUDevice;
  readonly report: AdapterReport;
  /** What was measured on this device, for kernels that come in variants. Plans recorded later go by it. */
  tuning: Tuning | undefined;
  readonly #owns: boolean;
  readonly #waiting: Waiting;
  readonly #kernels = new WeakMap<ShaderInfo, Map<string, Promise<Kernel>>>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  #failure: CoupletError | undefined;
  #disposed = false;

  /** `owns`: whether disposing destroys the device; an adopted device stays its owner's. */
  constructor(
    device: GPUDevice,
    report: AdapterReport,
    owns: boolean,
    waiting: Waiting = (pending) => pending,
  ) {
    this.device = device;
    this.report = report;
    this.#owns = owns;
    this.#waiting = waiting;
    device.addEventListener('uncapturederror', this.#onUncapturedError);
    void device.lost.then((info) => {
      if (!this.#disposed) this.#fail(new DeviceLostError(`the GPU device was lost: ${info.message}`));
    });
  }

  readonly #onUncapturedError = (event: Event): void => {
    if (this.#owns) event.preventDefault(); // else it is printed too
    const { error } = event as GPUUncapturedErrorEvent;
    this.#fail(
      error.constructor.name === 'GPUOutOfMemoryError'
        ? new LimitsError(`the device is out of memory: ${error.message}`)
        : new KernelError(`the device rejected a command: ${error.message}`),
    );
  };

  /** The first failure wins: later ones mostly follow from it. */
  #fail(error: CoupletError): void {
    this.#failure ??= error;
  }

  /** True on an adapter that runs shaders on the CPU; kernels choose their tiles by it. */
  get software(): boolean {
    return this.report.kind === 'software';
  }

  /** Lanes can exchange values; kernels that want to come in a variant of their own. */
  get subgroups(): boolean {
    return this.report.features.includes('subgroups');
  }

  /** What a tape needs to know of the device. */
  get traits(): { software: boolean; subgroups: boolean; tuning: Tuning | undefined } {
    return { software: this.software, subgroups: this.subgroups, tuning: this.tuning };
  }

  /** Shaders can load and store 16-bit floats: the feature `shader-f16`. */
  get halves(): boolean {
    return this.report.features.includes('shader-f16');
  }

  /** Throws LimitsError, saying what to do, where shaders cannot load and store 16-bit floats. */
  expectHalves(): void {
    if (this.halves) return;
    throw new LimitsError(
      `mixed precision stores 16-bit floats, and ${this.report.name} has none (the WebGPU feature shader-f16): set ` +
        'training.precision to f32, or run on an adapter that has it',
    );
  }

  /** Throws what went wrong on the device since it was opened. Call it before trusting a result. */
  check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#disposed) throw new DeviceLostError('this Gpu was disposed');
  }

  /** The compiled kernel, from the cache after its first use. Rejects with a KernelError that quotes the source. */
  kernel(
    shader: ShaderInfo,
    entry: string,
    constants: Readonly<Record<string, number>> = {},
  ): Promise<Kernel> {
    // By the shader itself, not its name: two that are called the same are still two.
    const kernels = this.#kernels.get(shader) ?? new Map<string, Promise<Kernel>>();
    this.#kernels.set(shader, kernels);
    const key = `${entry}/${JSON.stringify(constants)}`;
    const kernel = kernels.get(key) ?? this.#waiting(compilePipeline(this.device, shader, entry, constants));
    kernels.set(key, kernel);
    return kernel;
  }

  /** Bytes of the largest storage buffer that the device can make and bind whole. */
  get largestBuffer(): number {
    return Math.min(this.device.limits.maxBufferSize, this.device.limits.maxStorageBufferBindingSize);
  }

  /** Throws LimitsError, saying what `label` needs, where the device cannot hold or bind that much in one buffer. */
  expectFits(label: string, bytes: number): void {
    if (bytes <= this.largestBuffer) return;
    throw new LimitsError(
      `${label} needs ${formatBytes(bytes)}, but this device binds at most ${formatBytes(this.largestBuffer)}: ` +
        'make the batch, the vocabulary or the layer smaller',
    );
  }

  /** A storage buffer that can be copied from and to. Throws LimitsError where the device cannot hold or bind it. */
  createBuffer(label: string, bytes: number): GPUBuffer {
    this.expectFits(label, bytes);
    return this.device.createBuffer({
      label,
      size: Math.max(4, Math.ceil(bytes / 4) * 4),
      usage: scratchUsage,
    });
  }

  write(buffer: GPUBuffer, offset: number, data: Float32Array | Uint32Array): void {
    this.device.queue.writeBuffer(buffer, offset, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Resolves once all that has been submitted so far is done; what went wrong there `check` tells. */
  finished(): Promise<undefined> {
    return this.#waiting(this.device.queue.onSubmittedWorkDone());
  }

  /** Copies `bytes` out of a buffer once all submitted work is done. Small staging buffers are kept and used again. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.check();
    const kept = bytes <= largestKeptStaging;
    const size = kept ? stagingSize(bytes) : bytes;
    const free = this.#staging.get(size) ?? [];
    if (kept) this.#staging.set(size, free);
    const staging =
      free.pop() ?? this.device.createBuffer({ label: `staging/${size}`, size, usage: stagingUsage });
    const encoder = this.device.createCommandEncoder({ label: 'read back' });
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    try {
      await this.#waiting(staging.mapAsync(0x0001, 0, bytes));
    } catch (cause) {
      await Promise.resolve(); // lets the loss or the error be reported first
      this.check();
      throw new DeviceLostError('reading back from the GPU failed', { cause });
    }
    this.check();
    const copy = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    if (kept) free.push(staging);
    else staging.destroy();
    return copy;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.device.removeEventListener('uncapturederror', this.#onUncapturedError);
    for (const free of this.#staging.values()) for (const buffer of free) buffer.destroy();
    this.#staging.clear();
    if (this.#owns) this.device.destroy();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Powers of two, so that reads of nearby sizes share their staging buffers. */
function stagingSize(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(256, bytes)));
}

export function formatBytes(bytes: number): string {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  if (bytes >= 2 ** 20) return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  if (bytes >= 2 ** 10) return `${(bytes / 2 ** 10).toFixed(1)} KiB`;
  return `${bytes} B`;
}
