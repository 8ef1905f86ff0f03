/**
 * The tape: op functions record their forward dispatches on it and leave behind, with `onBackward`, what records
 * their backward dispatches; `backward()` plays those in reverse. Nothing runs while recording. The result is a flat
 * list of dispatches that `Plan.build` freezes.
 *
 * Gradients: the first write to a tensor's gradient stores, later ones accumulate, so that a tensor used more than
 * once gets the sum. A parameter's gradient lives in an arena and always accumulates; the optimiser clears it.
 */
import { ShapeError } from '../errors.ts';
import {
  type Bindings,
  type EntryName,
  type Params,
  packParams,
  type Shader,
  type ShaderInfo,
  shaderInfo,
} from '../gpu/shader.ts';
import { storedAsHalf } from '../gpu/stored-as.ts';
import type { Tuning } from '../gpu/tuning.ts';
import {
  type BufferStorage,
  bytesOf,
  type DType,
  type Shape,
  type Storage,
  sizeOf,
  Tensor,
} from './tensor.ts';

export type Workgroups = readonly [x: number, y?: number, z?: number];

export interface Binding {
  readonly name: string;
  readonly binding: number;
  readonly access: 'read' | 'read_write';
  /** See `StorageBinding`. */
  readonly element: string;
  readonly tensor: Tensor;
}

/** One recorded kernel call. */
export interface Dispatch {
  readonly shader: ShaderInfo;
  readonly entry: string;
  readonly bindings: readonly Binding[];
  readonly params: ArrayBuffer | undefined;
  readonly workgroups: readonly [number, number, number];
  readonly constants: Readonly<Record<string, number>>;
}

export interface DispatchOptions<S extends Shader, E extends EntryName<S>> {
  readonly bindings: Bindings<S, E, Tensor>;
  readonly params: Params<S>;
  readonly workgroups: Workgroups;
  readonly constants?: Readonly<Record<string, number>>;
}

/** Where an op writes a gradient, and whether it adds to what is there. */
export interface GradientTarget {
  readonly tensor: Tensor;
  readonly accumulate: 0 | 1;
}

export interface TapeOptions {
  /** What the adapter is, for kernels that come in variants. */
  readonly software: boolean;
  /** The device has the feature `subgroups`; false if not given. */
  readonly subgroups?: boolean;
  /** What was measured on the device, where anything was. */
  readonly tuning?: Tuning | undefined;
  /** False: nothing needs a gradient, dropout is off. */
  readonly training: boolean;
  /** How activations and their gradients are stored; f32 if not given. f16 needs the feature `shader-f16`. */
  readonly stored?: StoredType;
}

export type StoredType = 'f32' | 'f16';

const maxWorkgroups = 65_535;

export class Tape {
  readonly software: boolean;
  readonly subgroups: boolean;
  readonly tuning: Tuning | undefined;
  readonly training: boolean;
  /**
   * The type of what ops compute and of its gradients, where nothing speaks against it. Sums over many terms or steps
   * (weights' gradients, an LSTM's c, losses and what a softmax is made of) are f32 in any case.
   */
  readonly stored: StoredType;
  readonly dispatches: Dispatch[] = [];
  readonly #backward: (() => void)[] = [];
  readonly #gradients = new Map<Storage, Tensor>();
  readonly #rounded = new Map<Storage, Tensor>();

  constructor(options: TapeOptions) {
    this.software = options.software;
    this.subgroups = options.subgroups ?? false;
    this.tuning = options.tuning;
    this.training = options.training;
    this.stored = options.stored ?? 'f32';
  }

  /** A scratch tensor, f32 unless another type is given. Its content is undefined until a dispatch writes it. */
  tensor(label: string, shape: Shape, options: { dtype?: DType; needsGradient?: boolean } = {}): Tensor {
    const { dtype = 'f32', needsGradient = false } = options;
    // Bindings are whole words.
    const bytes = Math.max(1, Math.ceil((sizeOf(shape) * bytesOf(dtype)) / 4)) * 4;
    return new Tensor(shape, dtype, { kind: 'scratch', label, bytes }, this.training && needsGradient);
  }

  /** A scratch tensor of the type `stored`, computed from `sources`: it needs a gradient where any of them does. */
  result(label: string, shape: Shape, ...sources: (Tensor | undefined)[]): Tensor {
    const needsGradient = sources.some((source) => source?.needsGradient);
    return this.tensor(label, shape, { dtype: this.stored, needsGradient });
  }

  /**
   * What a product reads of a parameter: itself or, where activations are f16, a copy rounded to that, made where it is
   * first asked for and good for this run of the plan. So nobody has to remember to round anew what was updated, loaded
   * or restored. Other tensors come back as they are.
   */
  rounded(tensor: Tensor): Tensor {
    if (this.stored === 'f32' || !tensor.parameterGradient) return tensor;
    const known = this.#rounded.get(tensor.storage);
    if (known) return known.reshape(...tensor.shape);
    const half = this.tensor(`${tensor.label} (f16)`, tensor.shape, { dtype: 'f16' });
    this.#rounded.set(tensor.storage, half);
    const inFours = tensor.size % 4 === 0;
    const columns = tensor.size / (inFours ? 4 : 1);
    const { groups: workgroups, stride } = linearGroups(columns, 64);
    const params = { rows: 1, columns, xOffset: 0, xRow: 0, yOffset: 0, yRow: 0, accumulate: 0, stride };
    if (inFours) {
      const bindings = { xFours: tensor, yFours: half };
      this.dispatch('convert', 'fours', { bindings, params, workgroups });
    } else {
      this.dispatch('convert', 'main', { bindings: { x: tensor, y: half }, params, workgroups });
    }
    return half;
  }

  /**
   * Records one kernel call of a shader of `shaders/`, or of one's own (`defineShader`). Bindings and parameters are typed
   * from the shader.
   */
  dispatch<S extends Shader, E extends EntryName<S>>(
    shader: S,
    entry: E,
    options: DispatchOptions<S, E>,
  ): void {
    const info = shaderInfo(shader);
    const where = `${info.name}/${entry}`;
    const [x, y = 1, z = 1] = options.workgroups;
    if (x === 0 || y === 0 || z === 0) return;
    if (x > maxWorkgroups || y > maxWorkgroups || z > maxWorkgroups) {
      throw new ShapeError(`${where}: ${x}×${y}×${z} workgroups are more than ${maxWorkgroups}`);
    }
    const tensors = options.bindings as Readonly<Record<string, Tensor>>;
    const bindings = Object.entries(info.entries[entry]?.bindings ?? {}).map(
      ([name, { binding, access, element }]) => {
        const tensor = tensors[name];
        if (!tensor) throw new ShapeError(`${where}: no tensor given for '${name}'`);
        return { name, binding, access, element, tensor };
      },
    );
    rejectAliases(where, bindings);
    this.dispatches.push({
      shader: storedAsHalf(info, halfTypes(where, bindings)),
      entry,
      bindings,
      params: info.entries[entry]?.usesParams ? packGivenParams(where, info, options.params) : undefined,
      workgroups: [x, y, z],
      constants: options.constants ?? {},
    });
  }

  /** Leaves behind what records an op's backward dispatches. Ignored outside training. */
  onBackward(record: () => void): void {
    if (this.training) this.#backward.push(record);
  }

  /** Records the backward pass: what the ops left behind, last first. Loss ops start it by themselves. */
  backward(): void {
    for (const record of this.#backward.splice(0).reverse()) record();
  }

  /** The gradient that later ops left for `tensor`, shaped like it; undefined where nothing reached it. */
  gradientOf(tensor: Tensor): Tensor | undefined {
    return this.#gradients.get(tensor.storage)?.reshape(...tensor.shape);
  }

  /** Declares the gradient of an output from outside (an upstream gradient). */
  seedGradient(tensor: Tensor, gradient: Tensor): void {
    this.#gradients.set(tensor.storage, gradient);
  }

  /**
   * Where to write the whole gradient of `tensor`; undefined where it needs none. The kernel must write every
   * element, adding to the old value where `accumulate` is 1.
   */
  gradientTarget(tensor: Tensor): GradientTarget | undefined {
    if (!this.training || !tensor.needsGradient) return undefined;
    if (tensor.parameterGradient) return { tensor: tensor.parameterGradient, accumulate: 1 };
    const known = this.gradientOf(tensor);
    if (known) return { tensor: known, accumulate: 1 };
    const gradient = this.tensor(`d ${tensor.label}`, tensor.shape, { dtype: tensor.dtype });
    this.#gradients.set(tensor.storage, gradient);
    return { tensor: gradient, accumulate: 0 };
  }

  /** Where to add to a part of `tensor`'s gradient: cleared first if nothing was written yet. */
  gradientPart(tensor: Tensor): Tensor | undefined {
    const target = this.gradientTarget(tensor);
    if (target?.accumulate === 0) this.fill(target.tensor, 0);
    return target?.tensor;
  }

  fill(tensor: Tensor, value: number): void {
    const { groups, stride } = linearGroups(tensor.size, 64);
    this.dispatch('fill', 'main', {
      bindings: { y: tensor },
      params: { size: tensor.size, value, stride },
      workgroups: groups,
    });
  }
}

/** A shader of one's own has no types for its parameters: one that is left out is no zero. */
function packGivenParams(
  where: string,
  info: ShaderInfo,
  values: Readonly<Record<string, number>>,
): ArrayBuffer {
  const missing = info.params.find(({ name }) => values[name] === undefined);
  if (missing) throw new ShapeError(`${where}: no value given for '${missing.name}'`);
  return packParams(info, values);
}

/**
 * A grid for `size` independent elements, `perGroup` a workgroup. Beyond 65,535 groups the grid folds into y; a
 * kernel's index is then `id.y * stride + id.x`.
 */
export function linearGroups(size: number, perGroup: number): { groups: Workgroups; stride: number } {
  const total = Math.ceil(size / perGroup);
  const x = Math.min(total, maxWorkgroups);
  return { groups: [x, Math.ceil(total / Math.max(1, x))], stride: x * perGroup };
}

/**
 * The shader's types that the tensors bound make f16 (`stored-as.ts`). A buffer of u32 takes any tensor: bits, or what
 * stands in for lengths that are not there.
 */
function halfTypes(where: string, bindings: readonly Binding[]): string[] {
  const types = new Map<string, Binding>();
  for (const binding of bindings) {
    const { name, element, tensor } = binding;
    if (element === 'u32' || element === 'i32') continue;
    if (element === 'f32') {
      if (tensor.dtype === 'f16') throw new ShapeError(`${where}: '${name}' holds f32, but ${tensor} is f16`);
      continue;
    }
    const first = types.get(element) ?? binding;
    types.set(element, first);
    if ((first.tensor.dtype === 'f16') === (tensor.dtype === 'f16')) continue;
    throw new ShapeError(
      `${where}: '${first.name}' and '${name}' hold one type, but ${first.tensor} is ${first.tensor.dtype} and ` +
        `${tensor} ${tensor.dtype}`,
    );
  }
  return [...types].flatMap(([type, { tensor }]) => (tensor.dtype === 'f16' ? [type] : []));
}

/** WebGPU forbids binding one buffer both to read and to write, and overlapping ranges to write: say it by name. */
function rejectAliases(where: string, bindings: readonly Binding[]): void {
  for (const [index, a] of bindings.entries()) {
    for (const b of bindings.slice(index + 1)) {
      if (a.access === 'read' && b.access === 'read') continue;
      const clash = a.access === b.access ? overlaps(a.tensor.storage, b.tensor.storage) : sameBuffer(a, b);
      if (clash) throw new ShapeError(`${where}: '${a.name}' and '${b.name}' are both ${a.tensor}`);
    }
  }
}

function sameBuffer(a: Binding, b: Binding): boolean {
  const [x, y] = [a.tensor.storage, b.tensor.storage];
  return x === y || (x.kind === 'buffer' && y.kind === 'buffer' && x.buffer === y.buffer);
}

function overlaps(a: Storage, b: Storage): boolean {
  if (a.kind === 'scratch' || b.kind === 'scratch') return a === b;
  const before = (x: BufferStorage, y: BufferStorage) => x.offset + x.bytes <= y.offset;
  return a.buffer === b.buffer && !before(a, b) && !before(b, a);
}
