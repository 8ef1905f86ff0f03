/**
 * One optimiser update on plain arrays, with the signature of the ops: `sgd`, `adam` and `adamw`, each after scaling the
 * gradient down to `maxNorm`. Nothing of it is differentiable.
 */

import { ConfigError } from '../errors.ts';
import { slice } from '../ops/copy.ts';
import { statisticsSize } from '../ops/cross-entropy.ts';
import {
  defineOp,
  type FloatTensor,
  type InputDescription,
  type Inputs,
  type OutputDescription,
  type UndifferentiableOp,
} from '../ops/functions/define-op.ts';
import type { Tape } from '../scheduler/tape.ts';
import { sizeOf, type Tensor } from '../scheduler/tensor.ts';
import { hyperSize, type OptimizerName, updateSize } from './optimizer.ts';
import { createOptimizer } from './registry.ts';
import { allAlike, recordUpdate } from './update.ts';

export interface UpdateInputs {
  readonly values: FloatTensor;
  readonly gradients: FloatTensor;
}

export interface SgdInputs extends UpdateInputs {
  readonly momentumBuffer?: FloatTensor;
}

export interface AdamInputs extends UpdateInputs {
  readonly expAvg?: FloatTensor;
  readonly expAvgSq?: FloatTensor;
}

export interface UpdateOptions {
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly maxNorm?: number;
}

export interface SgdOptions extends UpdateOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
}

export interface AdamOptions extends UpdateOptions {
  readonly step?: number;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
}

type AnyOptions = SgdOptions & AdamOptions;
const hyperName = 'numbers of the update';

const common = {
  learningRate: 'default 0.001',
  weightDecay: 'default 0',
  maxNorm: 'the gradient is scaled down to this Euclidean norm where it is longer; default: never',
};

function inputs(...moments: string[]): Record<string, InputDescription> {
  const moment = { shape: '...', optional: true, doc: 'what the last update gave; default: zeros' } as const;
  return {
    values: { shape: '...' },
    gradients: { shape: '...' },
    ...Object.fromEntries(moments.map((name) => [name, moment])),
  };
}

const norm: OutputDescription = { shape: '', doc: 'of the gradient before it is scaled down' };

function optimizerOf(name: OptimizerName, options: AnyOptions, momentum: number) {
  const { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, nesterov = false } = options;
  return createOptimizer({
    optimizer: name,
    momentum,
    nesterov,
    adam_betas: betas,
    eps,
    weight_decay: weightDecay,
  });
}

/** Everything as one arena: flat, and padded with zeros to whole vectors of four. */
function complete(name: OptimizerName, moments: readonly string[]) {
  return (given: Inputs, options: AnyOptions): Inputs => {
    const { learningRate = 0.001, step = 1, momentum = 0, maxNorm } = options;
    if (!(Number.isSafeInteger(step) && step > 0)) {
      throw new ConfigError(`${name}: step counts updates from 1, but is ${step}`);
    }
    if (maxNorm !== undefined && !(maxNorm > 0)) {
      throw new ConfigError(`${name}: maxNorm must be above 0, but is ${maxNorm}`);
    }
    const size = Math.ceil(sizeOf(given.values!.shape) / 4) * 4;
    const flat = (input: string) => {
      const data = new Float32Array(size);
      const value = given[input];
      if (value) data.set(value.data);
      return { data, shape: [size] };
    };
    const names = ['values', 'gradients', ...moments];
    const hyper = optimizerOf(name, options, momentum).hyper(step, learningRate);
    return {
      ...Object.fromEntries(names.map((input) => [input, flat(input)])),
      [hyperName]: { data: hyper, shape: [hyperSize] },
      'shape of the values': {
        data: new Uint32Array(sizeOf(given.values!.shape)),
        shape: given.values!.shape,
      },
    };
  };
}

function build<Output extends string>(
  tape: Tape,
  tensors: Readonly<Record<string, Tensor>>,
  name: OptimizerName,
  options: AnyOptions,
  { values }: Inputs,
  moments: readonly Output[],
): Record<Output | 'values' | 'norm', Tensor> {
  const optimizer = optimizerOf(name, options, options.momentum ?? 0);
  const update = tape.tensor('update', [updateSize]);
  const statistics = tape.tensor('statistics', [statisticsSize]);
  tape.fill(update, 0);
  tape.fill(statistics, 0);
  const store = { segments: [{ values: tensors.values!, gradients: tensors.gradients! }] };
  recordUpdate(tape, store, {
    optimizer,
    moments: moments.slice(0, optimizer.moments.length).map((moment) => [tensors[moment]!]),
    groups: allAlike(store, tensors[hyperName]!),
    update,
    statistics,
    maxNorm: options.maxNorm ?? 0,
  });
  const { shape } = values!;
  const all = { offset: 0, row: sizeOf(shape) };
  const unpadded = (from: string) =>
    slice(tape, from, tensors[from]!, all, 1, sizeOf(shape)).reshape(...shape);
  const norm = slice(tape, 'norm', update, { offset: 0, row: 1 }, 1, 1).reshape();
  const kept = ['values', ...moments].map((output) => [output, unpadded(output)] as const);
  return { ...Object.fromEntries(kept), norm } as Record<Output | 'values' | 'norm', Tensor>;
}

const same: OutputDescription = { shape: '...' };

export const sgd: UndifferentiableOp<SgdInputs, 'values' | 'momentumBuffer' | 'norm', SgdOptions> = defineOp<
  SgdInputs,
  'values' | 'momentumBuffer' | 'norm',
  SgdOptions
>({
  name: 'sgd',
  doc: 'one update of `torch.optim.SGD`',
  inputs: inputs('momentumBuffer'),
  outputs: { values: same, momentumBuffer: same, norm },
  options: { ...common, momentum: 'default 0', nesterov: 'default false' },
  complete: complete('sgd', ['momentumBuffer']),
  differentiable: [],
  build: (tape, tensors, options, inputs) => build(tape, tensors, 'sgd', options, inputs, ['momentumBuffer']),
});

const adamOptions = {
  ...common,
  step: 'the number of this update, from 1; default 1',
  betas: 'default [0.9, 0.999]',
  eps: 'default 1e-8',
};

function adamOp(
  name: 'adam' | 'adamw',
  doc: string,
): UndifferentiableOp<AdamInputs, 'values' | 'expAvg' | 'expAvgSq' | 'norm', AdamOptions> {
  const moments = ['expAvg', 'expAvgSq'] as const;
  return defineOp<AdamInputs, 'values' | 'expAvg' | 'expAvgSq' | 'norm', AdamOptions>({
    name,
    doc,
    inputs: inputs(...moments),
    outputs: { values: same, expAvg: same, expAvgSq: same, norm },
    options: adamOptions,
    complete: complete(name, moments),
    differentiable: [],
    build: (tape, tensors, options, inputs) => build(tape, tensors, name, options, inputs, moments),
  });
}

export const adam = adamOp('adam', 'one update of `torch.optim.Adam` (weight decay added to the gradient)');
export const adamw = adamOp(
  'adamw',
  'one update of `torch.optim.AdamW` (weight decay taken off the weights; default 0)',
);
