/** `matmul` and `linear` on plain arrays. */
import type { Activation } from '../activation.ts';
import { linear as linearOp, matmul as matmulOp } from '../matmul.ts';
import { defineOp, type FloatTensor } from './define-op.ts';

export type { Activation } from '../activation.ts';

const activation = "`'none'` (default), `'tanh'`, `'sigmoid'` or `'relu'`, applied last";

export interface MatmulInputs {
  readonly a: FloatTensor;
  readonly b: FloatTensor;
  readonly bias?: FloatTensor;
}

export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly activation?: Activation;
}

export const matmul = defineOp<MatmulInputs, 'c', MatmulOptions>({
  name: 'matmul',
  doc: 'c = activation(a · b + bias), one product or a batch of them',
  inputs: {
    a: { shape: '... M K', doc: '`...`: nothing, or one batch dimension; `[..., K, M]` if transposed' },
    b: { shape: '... K N', doc: '`[..., N, K]` if transposed' },
    bias: { shape: 'N', optional: true },
  },
  outputs: { c: { shape: '... M N' } },
  options: {
    transposeA: 'use the transpose of each `a`; default false',
    transposeB: 'use the transpose of each `b`; default false',
    activation,
  },
  shapes: ({ transposeA, transposeB }) => ({
    a: transposeA ? '... K M' : '... M K',
    b: transposeB ? '... N K' : '... K N',
  }),
  activations: ['a', 'b', 'bias'],
  build: (tape, { a, b, bias }, options) => ({ c: matmulOp(tape, a!, b!, { ...options, bias }) }),
});

export interface LinearInputs {
  readonly x: FloatTensor;
  readonly weight: FloatTensor;
  readonly bias?: FloatTensor;
}

export interface LinearOptions {
  readonly activation?: Activation;
}

export const linear = defineOp<LinearInputs, 'y', LinearOptions>({
  name: 'linear',
  doc: 'y = activation(x · weightᵀ + bias), as `torch.nn.Linear`',
  inputs: { x: { shape: '... I' }, weight: { shape: 'O I' }, bias: { shape: 'O', optional: true } },
  outputs: { y: { shape: '... O' } },
  options: { activation },
  activations: ['x'],
  build: (tape, { x, weight, bias }, options) => ({
    y: linearOp(tape, x!, weight!, bias, options.activation),
  }),
});
