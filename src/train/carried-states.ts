/**
 * The states that one chunk of a stream leaves to the next: truncated back-propagation through time carries them, their
 * gradient stops there.
 */
import type { Gpu } from '../gpu/gpu.ts';
import type { StackConfig } from '../nn/model-config.ts';
import type { Network } from '../nn/network.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../scheduler/persistent.ts';
import type { Tensor } from '../scheduler/tensor.ts';

export class CarriedStates {
  /** By layer, then by state: [B, H]. */
  readonly tensors: readonly (readonly Tensor[])[];
  readonly #gpu: Gpu;

  constructor(gpu: Gpu, { num_layers, hidden_size }: StackConfig, stateCount: number, batch: number) {
    this.#gpu = gpu;
    this.tensors = Array.from({ length: num_layers }, (_, layer) =>
      Array.from({ length: stateCount }, (_, state) =>
        persistentTensor(gpu, `carried ${layer}.${state}`, [batch, hidden_size]),
      ),
    );
  }

  /** Nothing came before. */
  clear(): void {
    for (const tensor of this.tensors.flat()) writeTensor(this.#gpu, tensor, new Float32Array(tensor.size));
  }

  /** All values in one piece, once all submitted work is done. */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    const parts = await Promise.all(this.tensors.flat().map((tensor) => readTensor(this.#gpu, tensor)));
    const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  }

  write(values: Float32Array): void {
    let offset = 0;
    for (const tensor of this.tensors.flat()) {
      writeTensor(this.#gpu, tensor, values.slice(offset, offset + tensor.size));
      offset += tensor.size;
    }
  }

  dispose(): void {
    for (const tensor of this.tensors.flat()) destroyTensor(tensor);
  }
}

/**
 * Those of all the streams that a network has gone through, by their rows: plans keep the tensors that they were recorded
 * with, so all stay.
 */
export class CarriedByRows {
  readonly #gpu: Gpu;
  readonly #network: Pick<Network, 'carries'>;
  readonly #states = new Map<number, CarriedStates>();

  constructor(gpu: Gpu, network: Pick<Network, 'carries'>) {
    this.#gpu = gpu;
    this.#network = network;
  }

  /** Of a stream with so many rows; undefined where the network carries nothing. */
  of(rows: number): CarriedStates | undefined {
    const { carries } = this.#network;
    if (!carries) return undefined;
    let states = this.#states.get(rows);
    states ??= new CarriedStates(this.#gpu, carries.stack, carries.stateCount, rows);
    this.#states.set(rows, states);
    return states;
  }

  /** The rows of a stream whose states are so many numbers. */
  rowsOf(count: number): number {
    const { stack, stateCount } = this.#network.carries!;
    return count / (stack.num_layers * stateCount * stack.hidden_size);
  }

  dispose(): void {
    for (const states of this.#states.values()) states.dispose();
  }
}
