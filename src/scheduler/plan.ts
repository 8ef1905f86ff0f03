/**
 * A frozen tape: pipelines compiled, memory assigned, bind groups made. Running it is a short loop that makes no GPU
 * object; what changes from run to run (inputs, learning rate, random counter) is written into buffers before.
 */
import { DisposedError } from '../errors.ts';
import type { Kernel } from '../gpu/compile.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { formatBytes } from '../gpu/gpu.ts';
import { type MemoryPlan, planMemory } from './memory-planner.ts';
import type { ScratchPool } from './scratch-pool.ts';
import type { Dispatch, Tape } from './tape.ts';
import type { Tensor } from './tensor.ts';

interface Command {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** Something that lives as long as a plan. */
export interface Disposer {
  dispose(): void;
}

const uniformAlignment = 256;

export class Plan {
  readonly name: string;
  readonly dispatches: readonly Dispatch[];
  readonly memory: MemoryPlan;
  readonly #commands: readonly Command[];
  readonly #pool: ScratchPool;
  readonly #slots: readonly GPUBuffer[];
  readonly #uniforms: GPUBuffer | undefined;
  readonly #owned: Disposer | undefined;
  #disposed = false;

  private constructor(
    name: string,
    dispatches: readonly Dispatch[],
    memory: MemoryPlan,
    pool: ScratchPool,
    slots: readonly GPUBuffer[],
    uniforms: GPUBuffer | undefined,
    owned: Disposer | undefined,
    commands: readonly Command[],
  ) {
    this.name = name;
    this.dispatches = dispatches;
    this.memory = memory;
    this.#pool = pool;
    this.#slots = slots;
    this.#uniforms = uniforms;
    this.#owned = owned;
    this.#commands = commands;
  }

  /**
   * Freezes a tape. `owned` (a plan's own inputs) is disposed with it. Rejects with KernelError where a
   * shader does not compile and LimitsError where the device cannot hold the plan.
   */
  static async build(gpu: Gpu, pool: ScratchPool, name: string, tape: Tape, owned?: Disposer): Promise<Plan> {
    const { dispatches } = tape;
    const kernels = await Promise.all(
      dispatches.map(({ shader, entry, constants }) => gpu.kernel(shader, entry, constants)),
    );
    const memory = planMemory(dispatches);
    for (const { label, bytes } of memory.slotOf.keys()) gpu.expectFits(`${name}: ${label}`, bytes);
    gpu.check();
    const slots = pool.acquire(memory.slots);
    const uniforms = packUniforms(gpu.device, name, dispatches);
    const commands = dispatches.map((dispatch, index) =>
      makeCommand(gpu.device, dispatch, kernels[index]!, memory, slots, uniforms, index),
    );
    return new Plan(name, dispatches, memory, pool, slots, uniforms.buffer, owned, commands);
  }

  /** Encodes every dispatch into an open pass. */
  encode(pass: GPUComputePassEncoder): void {
    if (this.#disposed) throw new DisposedError(`the plan '${this.name}' was disposed`);
    let current: GPUComputePipeline | undefined;
    for (const { pipeline, bindGroup, x, y, z } of this.#commands) {
      if (pipeline !== current) pass.setPipeline(pipeline);
      current = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#pool.release(this.#slots);
    this.#uniforms?.destroy();
    this.#owned?.dispose();
  }

  /** One line a dispatch: kernel, grid, and each binding with its memory. What `--dump-plan` prints. */
  toString(): string {
    const planned = this.memory.slots.reduce((sum, bytes) => sum + bytes, 0);
    const head =
      `plan ${this.name}: ${this.dispatches.length} dispatches, ${this.memory.slots.length} slots, ` +
      `${formatBytes(planned)} of scratch (lower bound ${formatBytes(this.memory.lowerBound)})`;
    const lines = this.dispatches.map(({ shader, entry, workgroups, bindings }, index) => {
      const operands = bindings.map(({ name, access, tensor }) => {
        const mark = access === 'read_write' ? '→' : '←';
        return `${name}${mark}${tensor}@${this.#place(tensor)}`;
      });
      return `${String(index).padStart(4)}  ${shader.name}/${entry} ${workgroups.join('×')}  ${operands.join('  ')}`;
    });
    return [head, ...lines].join('\n');
  }

  #place({ storage }: Tensor): string {
    return storage.kind === 'scratch' ? `slot ${this.memory.slotOf.get(storage)}` : 'buffer';
  }
}

/** Runs plans one after another: one encoder, one compute pass, one submit. */
export function submit(gpu: Gpu, label: string, plans: readonly Plan[]): void {
  const encoder = gpu.device.createCommandEncoder({ label });
  const pass = encoder.beginComputePass({ label });
  for (const plan of plans) plan.encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

interface Uniforms {
  readonly buffer: GPUBuffer | undefined;
  readonly offsets: readonly (number | undefined)[];
}

/** All uniforms of a plan in one buffer, equal ones once. */
function packUniforms(device: GPUDevice, name: string, dispatches: readonly Dispatch[]): Uniforms {
  const known = new Map<string, number>();
  const chunks: ArrayBuffer[] = [];
  let end = 0;
  const offsets = dispatches.map(({ params }) => {
    if (!params) return undefined;
    const key = new Uint32Array(params).join();
    let offset = known.get(key);
    if (offset === undefined) {
      offset = end;
      known.set(key, offset);
      chunks.push(params);
      end += Math.ceil(params.byteLength / uniformAlignment) * uniformAlignment;
    }
    return offset;
  });
  if (end === 0) return { buffer: undefined, offsets };
  const buffer = device.createBuffer({
    label: `${name}/params`,
    size: end,
    usage: 0x0040 | 0x0008, // UNIFORM | COPY_DST
    mappedAtCreation: true,
  });
  const mapped = new Uint8Array(buffer.getMappedRange());
  let offset = 0;
  for (const chunk of chunks) {
    mapped.set(new Uint8Array(chunk), offset);
    offset += Math.ceil(chunk.byteLength / uniformAlignment) * uniformAlignment;
  }
  buffer.unmap();
  return { buffer, offsets };
}

function makeCommand(
  device: GPUDevice,
  dispatch: Dispatch,
  kernel: Kernel,
  memory: MemoryPlan,
  slots: readonly GPUBuffer[],
  uniforms: Uniforms,
  index: number,
): Command {
  const entries: GPUBindGroupEntry[] = dispatch.bindings.map(({ binding, tensor: { storage } }) => ({
    binding,
    resource:
      storage.kind === 'buffer'
        ? { buffer: storage.buffer, offset: storage.offset, size: Math.ceil(storage.bytes / 4) * 4 }
        : { buffer: slots[memory.slotOf.get(storage)!]!, size: Math.ceil(storage.bytes / 4) * 4 },
  }));
  const offset = uniforms.offsets[index];
  if (dispatch.params && uniforms.buffer && offset !== undefined) {
    const resource = { buffer: uniforms.buffer, offset, size: dispatch.params.byteLength };
    entries.push({ binding: 0, resource });
  }
  const label = `${dispatch.shader.name}/${dispatch.entry}`;
  const [x, y, z] = dispatch.workgroups;
  const bindGroup = device.createBindGroup({ label, layout: kernel.layout, entries });
  return { pipeline: kernel.pipeline, bindGroup, x, y, z };
}
