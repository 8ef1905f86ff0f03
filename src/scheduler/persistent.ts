/** Tensors with a buffer of their own, which live before and after a plan: inputs, states, statistics. */
import { DisposedError, ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type DType, type Shape, sizeOf, Tensor } from './tensor.ts';

/** Bytes: what a binding's offset must be a multiple of on every device. */
const partAlignment = 256;

/** Zero at first. For what was f16 it is f32, as all that outlives a plan. Throws LimitsError where the device cannot bind it. */
export function persistentTensor(
  gpu: Gpu,
  label: string,
  shape: Shape,
  dtype: DType = 'f32',
  needsGradient = false,
): Tensor {
  const bytes = Math.max(4, sizeOf(shape) * 4);
  const buffer = gpu.createBuffer(label, bytes);
  const type = dtype === 'f16' ? 'f32' : dtype;
  return new Tensor(shape, type, { kind: 'buffer', label, bytes, buffer, offset: 0 }, needsGradient);
}

/** A range of a persistent tensor as a flat one over the same memory; the tensor itself where that is all of it. */
export function partOf(tensor: Tensor, offset: number, bytes: number): Tensor {
  if (offset === 0 && bytes === tensor.size * 4) return tensor;
  const { storage } = tensor;
  if (storage.kind !== 'buffer') throw new ShapeError(`${tensor} is scratch: it has no parts`);
  if (offset % partAlignment !== 0 || offset + bytes > storage.bytes) {
    throw new ShapeError(`${tensor} has no part of ${bytes} bytes at ${offset}`);
  }
  const part = { ...storage, label: `${storage.label}+${offset}`, offset: storage.offset + offset, bytes };
  return new Tensor([bytes / 4], tensor.dtype, part);
}

/** WebGPU reports the use of a destroyed buffer late and without a name, so it is told here. */
const destroyed = new WeakSet<GPUBuffer>();

/** Where a persistent tensor lies. Throws DisposedError where that is no more. */
export function place(tensor: Tensor): { buffer: GPUBuffer; offset: number } {
  if (tensor.storage.kind !== 'buffer') throw new ShapeError(`${tensor} is scratch: it has no buffer`);
  if (destroyed.has(tensor.storage.buffer)) throw new DisposedError(`${tensor} was disposed`);
  return tensor.storage;
}

/** Queues new values; what was submitted before still sees the old ones. */
export function writeTensor(gpu: Gpu, tensor: Tensor, values: Float32Array | Uint32Array): void {
  if (values.length !== tensor.size) {
    throw new ShapeError(`${tensor} holds ${tensor.size} values, not ${values.length}`);
  }
  const { buffer, offset } = place(tensor);
  if (values.length > 0) gpu.write(buffer, offset, values);
}

/** The values once all submitted work is done. */
export async function readTensor(gpu: Gpu, tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
  const { buffer, offset } = place(tensor);
  return new Float32Array(await gpu.read(buffer, offset, tensor.size * 4));
}

/** As `readTensor`, for token ids. */
export async function readIds(gpu: Gpu, tensor: Tensor): Promise<Uint32Array<ArrayBuffer>> {
  const { buffer, offset } = place(tensor);
  return new Uint32Array(await gpu.read(buffer, offset, tensor.size * 4));
}

/** Work that was submitted before still sees the values. Destroying twice does no harm. */
export function destroyTensor({ storage }: Tensor): void {
  if (storage.kind !== 'buffer') return;
  destroyed.add(storage.buffer);
  storage.buffer.destroy();
}
