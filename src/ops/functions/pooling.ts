/** `pooling`, `attentionPooling` and `broadcast` on plain arrays: one vector from a row's steps, and the way back. */
import { attentionPooling as attentionPoolingOp } from '../attention-pooling.ts';
import { broadcast as broadcastOp } from '../broadcast.ts';
import { type Pooling, pooling as poolingOp } from '../pooling.ts';
import { defineOp, type FloatTensor, type IdTensor } from './define-op.ts';
import { lengthsInput, withLengths } from './lengths.ts';

export type { Pooling } from '../pooling.ts';

export interface PoolingInputs {
  readonly x: FloatTensor;
  readonly lengths?: IdTensor;
}

export interface PoolingOptions {
  readonly kind?: Pooling;
}

export const pooling = defineOp<PoolingInputs, 'y', PoolingOptions>({
  name: 'pooling',
  doc: 'y = the mean or the maximum over time of each row’s real steps; zeros of a row of length 0',
  inputs: { x: { shape: 'T B H' }, lengths: lengthsInput },
  outputs: { y: { shape: 'B H' } },
  options: { kind: "`'mean'` (default) or `'max'`, whose gradient goes to the first of equals" },
  activations: ['x'],
  complete: (inputs, _options, letters) => {
    const { T, B } = letters as { T: number; B: number };
    return withLengths('pooling', inputs, T, B);
  },
  build: (tape, { x, lengths }, { kind = 'mean' }) => ({ y: poolingOp(tape, x!, lengths!, kind) }),
});

export interface AttentionPoolingInputs {
  readonly memory: FloatTensor;
  readonly lengths?: IdTensor;
  readonly weight: FloatTensor;
  readonly bias?: FloatTensor;
  readonly v: FloatTensor;
}

export const attentionPooling = defineOp<
  AttentionPoolingInputs,
  'context' | 'alignments',
  Record<never, never>
>({
  name: 'attentionPooling',
  doc: 'alignments = softmax over t of v · tanh(weight · memory_t + bias); context = Σ alignments · memory (Yang et al. 2016)',
  inputs: {
    memory: { shape: 'T B M' },
    lengths: lengthsInput,
    weight: { shape: 'A M' },
    bias: { shape: 'A', optional: true },
    v: { shape: 'A', doc: 'the learned query' },
  },
  outputs: { context: { shape: 'B M' }, alignments: { shape: 'B T' } },
  options: {},
  activations: ['memory'],
  complete: (inputs, _options, letters) => {
    const { T, B } = letters as { T: number; B: number };
    return withLengths('attentionPooling', inputs, T, B);
  },
  build: (tape, { memory, lengths, weight, bias, v }) =>
    attentionPoolingOp(tape, memory!, lengths!, { weight: weight!, bias, v: v! }),
});

export interface BroadcastInputs {
  readonly x: FloatTensor;
}

export interface BroadcastOptions {
  readonly steps?: number;
}

export const broadcast = defineOp<BroadcastInputs, 'y', BroadcastOptions>({
  name: 'broadcast',
  doc: 'y = x at each of T time steps',
  inputs: { x: { shape: 'B C' } },
  outputs: { y: { shape: 'T B C' } },
  options: { steps: 'T; default 1' },
  activations: ['x'],
  build: (tape, { x }, { steps = 1 }) => ({ y: broadcastOp(tape, x!, steps) }),
});
