/**
 * A model's parameters: values and gradients in parallel arenas, cut into segments that fit one binding. An optimiser
 * walks the segments (one dispatch each), the ops see one tensor a parameter. Between parameters the arena holds
 * zeros (256-byte alignment), which no norm and no update notices.
 */
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { destroyTensor, persistentTensor, place, readTensor, writeTensor } from './persistent.ts';
import { type Shape, sizeOf, Tensor } from './tensor.ts';

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Of a matrix whose columns belong to several inputs: these, from the left. */
  readonly inputs?: readonly { readonly name: string; readonly width: number }[];
}

/** One arena segment as flat tensors of equal length. */
export interface Segment {
  readonly values: Tensor;
  readonly gradients: Tensor;
}

/** Where a parameter lies in its segment's values, and in every arena parallel to them. */
export interface ParameterPlace {
  readonly name: string;
  readonly segment: number;
  /** In bytes, both multiples of 256: up to the next parameter there are zeros. */
  readonly offset: number;
  readonly bytes: number;
  /** Where columns belong to several inputs: whose, each named after parameter and input. */
  readonly parts?: readonly ColumnPart[];
}

/** Columns of a matrix. */
export interface Columns {
  readonly rows: number;
  /** Numbers in a whole row. */
  readonly row: number;
  /** The first column. */
  readonly column: number;
  readonly width: number;
}

export interface ColumnPart extends Columns {
  readonly name: string;
}

interface Place {
  readonly spec: ParameterSpec;
  readonly segment: number;
  readonly offset: number;
}

const alignment = 256;

export class ParameterStore {
  readonly segments: readonly Segment[];
  readonly #gpu: Gpu;
  readonly #tensors = new Map<string, Tensor>();
  readonly #places = new Map<string, Place>();
  readonly #arenas: Tensor[] = [];

  /** @throws LimitsError, before anything is allocated, where a parameter is larger than what the device binds */
  constructor(gpu: Gpu, specs: readonly ParameterSpec[]) {
    this.#gpu = gpu;
    const names = new Set<string>();
    for (const { name, shape } of specs) {
      if (names.has(name)) throw new ShapeError(`two parameters are called '${name}'`);
      names.add(name);
      gpu.expectFits(`the parameter ${name} [${shape}]`, alignedBytes(shape));
    }
    const { places, sizes } = layOut(specs, gpu.largestBuffer);
    this.segments = sizes.map((bytes, index) => ({
      values: this.#arena(`parameters/${index}`, bytes),
      gradients: this.#arena(`gradients/${index}`, bytes),
    }));
    for (const place of places) {
      const { name, shape } = place.spec;
      const segment = this.segments[place.segment]!;
      const gradient = slice(segment.gradients, place.offset, `d ${name}`, shape);
      this.#places.set(name, place);
      this.#tensors.set(name, slice(segment.values, place.offset, name, shape, gradient));
    }
  }

  #arena(label: string, bytes: number): Tensor {
    const arena = persistentTensor(this.#gpu, label, [bytes / 4]);
    this.#arenas.push(arena);
    return arena;
  }

  get names(): string[] {
    return [...this.#tensors.keys()];
  }

  /** In the order in which they lie. */
  get places(): ParameterPlace[] {
    return [...this.#places.values()].map(({ spec, segment, offset }) => ({
      name: spec.name,
      segment,
      offset,
      bytes: alignedBytes(spec.shape),
      ...(spec.inputs && { parts: columnParts(spec) }),
    }));
  }

  /** Number of trained values. */
  get count(): number {
    return [...this.#tensors.values()].reduce((sum, tensor) => sum + tensor.size, 0);
  }

  get(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new ShapeError(`no parameter is called '${name}'`);
    return tensor;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  write(name: string, values: Float32Array): void {
    writeTensor(this.#gpu, this.get(name), values);
  }

  /** Replaces one row of a matrix. */
  writeRow(name: string, row: number, values: Float32Array): void {
    const tensor = this.get(name);
    const { shape } = tensor;
    const [rows, width] = [shape[0]!, sizeOf(shape.slice(1))];
    if (row >= rows || values.length !== width) {
      throw new ShapeError(`'${name}' [${shape}] has no row ${row} of ${values.length} values`);
    }
    const { buffer, offset } = place(tensor);
    this.#gpu.write(buffer, offset + row * width * 4, values);
  }

  /** All values by name, or whatever lies in arenas parallel to them (gradients, an optimiser's moments). */
  async read(
    arenas: readonly Tensor[] = this.segments.map(({ values }) => values),
  ): Promise<Map<string, Float32Array<ArrayBuffer>>> {
    const contents = await Promise.all(arenas.map((arena) => readTensor(this.#gpu, arena)));
    const named = new Map<string, Float32Array<ArrayBuffer>>();
    for (const [name, { spec, segment, offset }] of this.#places) {
      named.set(name, contents[segment]!.slice(offset / 4, offset / 4 + sizeOf(spec.shape)));
    }
    return named;
  }

  async readGradients(): Promise<Map<string, Float32Array<ArrayBuffer>>> {
    return this.read(this.segments.map(({ gradients }) => gradients));
  }

  /** Writes named values into arenas parallel to the parameters'. */
  writeAll(
    values: ReadonlyMap<string, Float32Array>,
    arenas: readonly Tensor[] = this.segments.map((segment) => segment.values),
  ): void {
    for (const [name, { spec, segment, offset }] of this.#places) {
      const data = values.get(name);
      if (!data) throw new ShapeError(`no values for the parameter '${name}'`);
      if (data.length !== sizeOf(spec.shape)) {
        throw new ShapeError(`'${name}' holds ${sizeOf(spec.shape)} values, not ${data.length}`);
      }
      const arena = place(arenas[segment]!);
      this.#gpu.write(arena.buffer, arena.offset + offset, data);
    }
  }

  /** Tensors of the segments' sizes, zero at first, for an optimiser's moments. The caller destroys them. */
  createArenas(label: string): Tensor[] {
    return this.segments.map(({ values }, index) =>
      persistentTensor(this.#gpu, `${label}/${index}`, values.shape),
    );
  }

  dispose(): void {
    for (const arena of this.#arenas) destroyTensor(arena);
  }
}

function alignedBytes(shape: Shape): number {
  return Math.ceil((sizeOf(shape) * 4) / alignment) * alignment;
}

function columnParts({ name, shape, inputs = [] }: ParameterSpec): ColumnPart[] {
  const [rows, row] = [shape[0]!, shape[1]!];
  let column = 0;
  return inputs.map(({ name: input, width }) => {
    const part = { name: `${name}.${input}`, rows, row, column, width };
    column += width;
    return part;
  });
}

function layOut(specs: readonly ParameterSpec[], limit: number): { places: Place[]; sizes: number[] } {
  const sizes: number[] = [];
  const places = specs.map((spec) => {
    const bytes = alignedBytes(spec.shape);
    const last = sizes.at(-1);
    if (last === undefined || last + bytes > limit) sizes.push(0);
    const segment = sizes.length - 1;
    const offset = sizes[segment]!;
    sizes[segment] = offset + bytes;
    return { spec, segment, offset };
  });
  return { places, sizes };
}

function slice(arena: Tensor, offset: number, label: string, shape: Shape, gradient?: Tensor): Tensor {
  if (arena.storage.kind !== 'buffer') throw new ShapeError(`${arena} is no arena`);
  const storage = { ...arena.storage, label, offset, bytes: sizeOf(shape) * 4 };
  return new Tensor(shape, 'f32', storage, gradient !== undefined, gradient);
}
