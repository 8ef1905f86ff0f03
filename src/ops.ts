/**
 * `import … from 'couplet/ops'`: every op as a function on plain typed arrays, to play with and to test against. One
 * signature for all:
 *
 *     const { outputs, gradients } = await op(gpu, inputs, options, upstream);
 *
 * `inputs` and `outputs` are named tensors `{ data, shape }` in C order: `Float32Array` for numbers, `Uint32Array` for
 * ids and lengths. With `upstream`, gradients of some outputs, come those of every floating-point input. Each call
 * records its kernels, runs them once and reads back: right, and slow.
 *
 * Shapes are checked: a ShapeError names the tensor and what it should be. `op.description` says the same as
 * docs/ops.md, as data.
 */
export {
  type AttentionScore,
  type LuongAttentionInputs,
  type LuongAttentionOptions,
  luongAttention,
} from './ops/functions/attention.ts';
export {
  type CrfDecodeInputs,
  type CrfLossInputs,
  crfDecode,
  crfLoss,
} from './ops/functions/crf.ts';
export {
  type CrossEntropyInputs,
  type CrossEntropyOptions,
  crossEntropy,
} from './ops/functions/cross-entropy.ts';
export type {
  FloatTensor,
  Gradients,
  IdOutputValue,
  IdTensor,
  InputDescription,
  Op,
  OpDescription,
  OutputDescription,
  OutputValue,
  OutputValues,
  UndifferentiableOp,
} from './ops/functions/define-op.ts';
export { type DropoutInputs, type DropoutOptions, dropout } from './ops/functions/dropout.ts';
export { type EmbeddingInputs, type EmbeddingOptions, embedding } from './ops/functions/embedding.ts';
export {
  type Activation,
  type LinearInputs,
  type LinearOptions,
  linear,
  type MatmulInputs,
  type MatmulOptions,
  matmul,
} from './ops/functions/matmul.ts';
export {
  type AttentionPoolingInputs,
  attentionPooling,
  type BroadcastInputs,
  type BroadcastOptions,
  broadcast,
  type Pooling,
  type PoolingInputs,
  type PoolingOptions,
  pooling,
} from './ops/functions/pooling.ts';
export {
  gru,
  gruResetBefore,
  type LstmInputs,
  lstm,
  type RecurrentInputs,
  type RecurrentOptions,
  type RnnOptions,
  rnn,
} from './ops/functions/recurrent.ts';
export { type SoftmaxInputs, softmax } from './ops/functions/softmax.ts';
export {
  type AdamInputs,
  type AdamOptions,
  adam,
  adamw,
  type SgdInputs,
  type SgdOptions,
  sgd,
} from './optim/functions.ts';
