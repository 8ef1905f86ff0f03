/**
 * The one signature of every public op function, and what they have in common: checks with names in their messages,
 * defaults, running on a tape of their own, and gradients for every floating-point input.
 */
import { ShapeError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import type { Tape } from '../../scheduler/tape.ts';
import { type Shape, sizeOf, type Tensor } from '../../scheduler/tensor.ts';
import { evaluate, type OutputValue, type Value } from '../evaluate.ts';
import { type Letters, matchShapes } from './shape-patterns.ts';

export type { OutputValue } from '../evaluate.ts';

/** Floating-point numbers with their shape, in C order (the last dimension is contiguous). */
export interface FloatTensor {
  readonly data: Float32Array;
  readonly shape: Shape;
}

/** Token ids or lengths with their shape. */
export interface IdTensor {
  readonly data: Uint32Array;
  readonly shape: Shape;
}

/** Of each floating-point input that was given. */
export type Gradients<Inputs> = {
  readonly [Name in keyof Inputs as NonNullable<Inputs[Name]> extends FloatTensor
    ? Name
    : never]: OutputValue;
};

/** Ids that an op makes. */
export interface IdOutputValue {
  readonly data: Uint32Array<ArrayBuffer>;
  readonly shape: Shape;
}

/** By name; those among `Ids` are u32. */
export type OutputValues<Outputs extends string, Ids extends string> = {
  [Name in Outputs]: Name extends Ids ? IdOutputValue : OutputValue;
};

/** An op that has no gradient. */
export interface UndifferentiableOp<Inputs, Outputs extends string, Options, Ids extends string = never> {
  (gpu: Gpu, inputs: Inputs, options?: Options): Promise<{ readonly outputs: OutputValues<Outputs, Ids> }>;
  readonly description: OpDescription;
}

/** Calls of an op that has gradients. */
interface Differentiable<Inputs, Outputs extends string, Options, Ids extends string> {
  (gpu: Gpu, inputs: Inputs, options?: Options): Promise<{ readonly outputs: OutputValues<Outputs, Ids> }>;
  /** Values, and gradients from those of some of the outputs (of the others it is zero). */
  (
    gpu: Gpu,
    inputs: Inputs,
    options: Options | undefined,
    upstream: Readonly<Partial<Record<Outputs, FloatTensor>>>,
  ): Promise<{ readonly outputs: OutputValues<Outputs, Ids>; readonly gradients: Gradients<Inputs> }>;
}

export interface Op<Inputs, Outputs extends string, Options, Ids extends string = never>
  extends UndifferentiableOp<Inputs, Outputs, Options, Ids>,
    Differentiable<Inputs, Outputs, Options, Ids> {
  /**
   * The same as a training in mixed precision computes it: activations and their gradients are stored as f16, parameters
   * and their gradients as f32. Throws LimitsError where the device has no `shader-f16`.
   */
  readonly half: Differentiable<Inputs, Outputs, Options, Ids>;
}

export interface OpDescription {
  readonly name: string;
  /** One sentence, or the formula. */
  readonly doc: string;
  readonly inputs: Readonly<Record<string, InputDescription>>;
  readonly outputs: Readonly<Record<string, OutputDescription>>;
  /** By name: what it means and its default. */
  readonly options: Readonly<Record<string, string>>;
}

export interface InputDescription {
  /** See `shape-patterns.ts`. */
  readonly shape: string;
  /** `f32` unless it says otherwise. */
  readonly dtype?: 'f32' | 'u32';
  readonly optional?: true;
  readonly doc?: string;
}

export interface OutputDescription {
  readonly shape: string;
  /** `f32` unless it says otherwise. */
  readonly dtype?: 'f32' | 'u32';
  readonly doc?: string;
}

export type Inputs = Readonly<Record<string, Value>>;
type Tensors = Readonly<Record<string, Tensor>>;

export interface OpDefinition<Outputs extends string, Options> {
  readonly name: string;
  readonly doc: string;
  readonly inputs: Readonly<Record<string, InputDescription>>;
  readonly outputs: Readonly<Record<Outputs, OutputDescription>>;
  readonly options: Readonly<Record<keyof Options & string, string>>;
  /** Shapes that depend on the options, instead of those in `inputs`. */
  readonly shapes?: (options: Options) => Readonly<Record<string, string>>;
  /** Letters that no shape shows. */
  readonly letters?: (inputs: Inputs, options: Options) => Letters;
  /** Further checks, and inputs that the caller may leave out or never sees (names with a space are no input's). */
  readonly complete?: (inputs: Inputs, options: Options, letters: Letters, upstream?: Inputs) => Inputs;
  /** The outputs whose gradient can be given. Default: all. */
  readonly differentiable?: readonly Outputs[];
  /** The inputs that mixed precision stores as f16; the others are parameters. */
  readonly activations?: readonly string[];
  /** True where the op starts the backward pass by itself, from an input that `complete` makes of `upstream`. */
  readonly isLoss?: true;
  /** `inputs` are those the caller gave. */
  readonly build: (
    tape: Tape,
    tensors: Tensors,
    options: Options,
    inputs: Inputs,
  ) => Readonly<Record<Outputs, Tensor>>;
}

/**
 * A public function. `Inputs` and `Options` are its types as the caller sees them; `definition` checks them. `Ids` are
 * the outputs that it says are u32.
 */
export function defineOp<
  Inputs extends object,
  Outputs extends string,
  Options extends object,
  Ids extends Outputs = never,
>(definition: OpDefinition<Outputs, Options>): Op<Inputs, Outputs, Options, Ids> {
  const { name, doc, inputs, outputs, options } = definition;
  const runs =
    (isHalf: boolean) =>
    (gpu: Gpu, given: Inputs, chosen?: Options, upstream?: Record<string, FloatTensor>) =>
      runOp(gpu, definition, given as never, chosen ?? ({} as Options), upstream, isHalf);
  const description: OpDescription = { name, doc, inputs, outputs, options };
  return Object.assign(runs(false), { half: runs(true), description }) as never;
}

async function runOp<Outputs extends string, Options extends object>(
  gpu: Gpu,
  definition: OpDefinition<Outputs, Options>,
  given: Readonly<Record<string, Value | undefined>>,
  options: Options,
  upstream: Readonly<Record<string, Value>> | undefined,
  isHalf: boolean,
) {
  const { name, complete, build, isLoss } = definition;
  const inputs = checkInputs(definition, given);
  checkNames(name, 'option', options, definition.options);
  const shapes = definition.shapes?.(options) ?? {};
  const patterns = Object.entries(inputs).map(([input, { shape }]) => ({
    name: input,
    pattern: shapes[input] ?? definition.inputs[input]!.shape,
    shape,
  }));
  const letters = matchShapes(name, patterns, definition.letters?.(inputs, options));
  if (upstream) checkUpstream(definition, upstream);
  const all = complete?.(inputs, options, letters, upstream) ?? inputs;
  const { outputs, gradients } = await evaluate<string, Outputs>(
    gpu,
    all,
    (tape, tensors) => {
      const results = build(tape, tensors, options, inputs);
      for (const [output, { shape }] of Object.entries(upstream ?? {})) {
        const expected = results[output as Outputs].shape;
        if (expected.join() === shape.join()) continue;
        throw new ShapeError(
          `${name}: the gradient of ${output} is [${shape.join(', ')}], but ${output} is [${expected.join(', ')}]`,
        );
      }
      return results;
    },
    isLoss && upstream ? 'loss' : (upstream as Readonly<Partial<Record<Outputs, Value>>> | undefined),
    { halves: isHalf ? (definition.activations ?? []) : undefined },
  );
  for (const [output, { dtype }] of Object.entries<OutputDescription>(definition.outputs)) {
    // What was read back are bits.
    const value = outputs[output as Outputs];
    if (dtype === 'u32') Object.assign(value, { data: new Uint32Array(value.data.buffer) });
  }
  if (!upstream) return { outputs };
  // An input that the gradient does not reach has a gradient: zero.
  const full = Object.entries(inputs).flatMap(([input, { data, shape }]) => {
    if (!(data instanceof Float32Array)) return [];
    return [[input, gradients[input] ?? { data: new Float32Array(data.length), shape }] as const];
  });
  return { outputs, gradients: Object.fromEntries(full) };
}

/** The inputs that are there, each known, of the right type, and with as many numbers as its shape says. */
function checkInputs<Outputs extends string, Options>(
  { name, inputs }: OpDefinition<Outputs, Options>,
  given: Readonly<Record<string, Value | undefined>>,
): Inputs {
  checkNames(name, 'input', given, inputs);
  const entries = Object.entries(inputs).flatMap(([input, { dtype = 'f32', optional }]) => {
    const value = given[input];
    if (value === undefined && optional) return [];
    return [[input, checkTensor(name, input, value, dtype)] as const];
  });
  return Object.fromEntries(entries);
}

function checkUpstream<Outputs extends string, Options>(
  { name, outputs, differentiable = Object.keys(outputs) as Outputs[] }: OpDefinition<Outputs, Options>,
  upstream: Readonly<Record<string, Value>>,
): void {
  if (differentiable.length === 0) throw new ShapeError(`${name} has no gradients`);
  const known = Object.fromEntries(differentiable.map((output) => [output, true]));
  checkNames(name, 'differentiable output', upstream, known);
  if (Object.keys(upstream).length === 0) {
    throw new ShapeError(`${name}: upstream is empty: give the gradient of ${differentiable.join(' or ')}`);
  }
  for (const [output, value] of Object.entries(upstream)) {
    checkTensor(name, `the gradient of ${output}`, value, 'f32');
  }
}

function checkTensor(op: string, name: string, value: Value | undefined, dtype: 'f32' | 'u32'): Value {
  const array = dtype === 'f32' ? Float32Array : Uint32Array;
  if (!(value?.data instanceof array) || !Array.isArray(value.shape)) {
    const is = value === undefined ? 'missing' : 'something else';
    throw new ShapeError(`${op}: ${name} must be { data: ${array.name}, shape: number[] }, but is ${is}`);
  }
  const { data, shape } = value;
  if (!shape.every((length) => Number.isSafeInteger(length) && length > 0)) {
    throw new ShapeError(
      `${op}: ${name} has the shape [${shape.join(', ')}]: every length must be a positive integer`,
    );
  }
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(`${op}: ${name} has ${data.length} values, but the shape [${shape.join(', ')}]`);
  }
  return value;
}

function checkNames(op: string, what: string, given: object, known: object): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).join(', ') || 'none';
    throw new ShapeError(`${op} has no ${what} '${name}'; it has ${names}`);
  }
}

/** Throws ShapeError unless every id is below `end` or the one that is let through. */
export function checkIds(op: string, name: string, { data }: Value, end: number, exception?: number): void {
  const index = data.findIndex((id: number) => id >= end && id !== exception);
  if (index >= 0) {
    throw new ShapeError(`${op}: ${name}[${index}] is ${data[index]}, but must be below ${end}`);
  }
}
