/**
 * Runs any op on plain typed arrays: values in, values and, given an upstream gradient, gradients out. The public
 * `couplet/ops` functions and the tests stand on it. Slow on purpose (it records, runs once and throws away).
 */
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../scheduler/persistent.ts';
import { Plan, submit } from '../scheduler/plan.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';
import { type DType, type Shape, sizeOf, Tensor } from '../scheduler/tensor.ts';
import { recordCopy } from './copy.ts';

/** A plain array with its shape, C order. `Uint32Array` data makes a u32 tensor (token ids, lengths). */
export interface Value {
  readonly data: Float32Array | Uint32Array;
  readonly shape: Shape;
}

export interface OutputValue {
  readonly data: Float32Array<ArrayBuffer>;
  readonly shape: Shape;
}

export interface Evaluation<Inputs extends string, Outputs extends string> {
  readonly outputs: Readonly<Record<Outputs, OutputValue>>;
  /** By input name; only where an upstream gradient was given and reached the input. */
  readonly gradients: Readonly<Partial<Record<Inputs, OutputValue>>>;
}

export interface EvaluateOptions {
  /**
   * As in a step of mixed precision: these inputs and what is computed of them are stored as f16, the other floats are
   * parameters. Absent: everything is f32.
   */
  readonly halves?: readonly string[] | undefined;
}

/**
 * Records `build` on a tape whose inputs are `inputs`, runs it and reads every output back. With `upstream` (a
 * gradient for some of the outputs, or `'loss'` where the op starts the backward pass by itself) the gradients of all
 * f32 inputs come too.
 */
export async function evaluate<Inputs extends string, Outputs extends string>(
  gpu: Gpu,
  inputs: Readonly<Record<Inputs, Value>>,
  build: (tape: Tape, tensors: Readonly<Record<Inputs, Tensor>>) => Readonly<Record<Outputs, Tensor>>,
  upstream?: Readonly<Partial<Record<Outputs, Value>>> | 'loss',
  { halves }: EvaluateOptions = {},
): Promise<Evaluation<Inputs, Outputs>> {
  if (halves) gpu.expectHalves();
  const owned: Tensor[] = [];
  const persistent = (label: string, shape: Shape, dtype: DType, needsGradient = false): Tensor => {
    const tensor = persistentTensor(gpu, label, shape, dtype, needsGradient);
    owned.push(tensor);
    return tensor;
  };
  const place = (label: string, { data, shape }: Value): Tensor => {
    if (data.length !== sizeOf(shape)) {
      throw new ShapeError(`${label}: ${data.length} values for the shape [${shape}]`);
    }
    const isFloat = data instanceof Float32Array;
    const tensor = persistent(label, shape, isFloat ? 'f32' : 'u32', isFloat && upstream !== undefined);
    writeTensor(gpu, tensor, data);
    return tensor;
  };
  const tape = new Tape({
    ...gpu.traits,
    training: upstream !== undefined,
    stored: halves ? 'f16' : 'f32',
  });
  /** An input as a step would have it: an activation of the step's type, or a parameter with a gradient that is kept. */
  const asInStep = (name: string, input: Tensor): Tensor => {
    if (!halves || input.dtype === 'u32') return input;
    if (halves.includes(name)) return halved(tape, input);
    const gradient = persistent(`d ${name}`, input.shape, 'f32');
    return new Tensor(input.shape, 'f32', input.storage, input.needsGradient, gradient);
  };
  const keep = (label: string, tensor: Tensor): Tensor => {
    const kept = persistent(label, tensor.shape, tensor.dtype);
    recordCopy(tape, tensor, kept);
    return kept;
  };
  const entries = <K extends string, T>(record: Readonly<Partial<Record<K, T>>>) =>
    Object.entries(record) as [K, T][];
  let plan: Plan | undefined;
  try {
    const tensors = Object.fromEntries(
      entries<Inputs, Value>(inputs).map(([name, value]) => [name, asInStep(name, place(name, value))]),
    ) as Record<Inputs, Tensor>;
    const results = build(tape, tensors);
    const kept = entries<Outputs, Tensor>(results).map(
      ([name, tensor]) => [name, keep(name, tensor)] as const,
    );
    if (upstream !== undefined && upstream !== 'loss') {
      for (const [name, value] of entries<Outputs, Value>(upstream)) {
        const gradient = place(`d ${name}`, value);
        tape.seedGradient(results[name], results[name].dtype === 'f16' ? halved(tape, gradient) : gradient);
      }
    }
    tape.backward();
    const gradients = entries<Inputs, Tensor>(tensors).flatMap(([name, tensor]) => {
      const gradient = tape.gradientOf(tensor) ?? tensor.parameterGradient;
      return gradient ? [[name, keep(`gradient of ${name}`, gradient)] as const] : [];
    });
    plan = await Plan.build(gpu, new ScratchPool(gpu), 'evaluate', tape);
    submit(gpu, 'evaluate', [plan]);
    const read = async <K extends string>(list: readonly (readonly [K, Tensor])[]) =>
      Object.fromEntries(
        await Promise.all(
          list.map(async ([name, tensor]) => [
            name,
            { data: await readTensor(gpu, tensor), shape: tensor.shape },
          ]),
        ),
      ) as Record<K, OutputValue>;
    const evaluation = { outputs: await read(kept), gradients: await read(gradients) };
    return evaluation as Evaluation<Inputs, Outputs>;
  } finally {
    plan?.dispose();
    for (const tensor of owned) destroyTensor(tensor);
  }
}

/** The same values rounded to f16, in scratch memory. */
function halved(tape: Tape, tensor: Tensor): Tensor {
  const { label, shape, needsGradient } = tensor;
  const half = tape.tensor(label, shape, { dtype: 'f16', needsGradient });
  recordCopy(tape, tensor, half);
  return half;
}
