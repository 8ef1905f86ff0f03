/** `crossEntropy` on plain arrays: projection to the vocabulary and summed loss in one. */
import { slice } from '../copy.ts';
import { crossEntropy as crossEntropyOp, statistic, statisticsSize } from '../cross-entropy.ts';
import { checkIds, defineOp, type FloatTensor, type IdTensor } from './define-op.ts';

export interface CrossEntropyInputs {
  readonly hidden: FloatTensor;
  readonly weight: FloatTensor;
  readonly bias?: FloatTensor;
  readonly targets: IdTensor;
  readonly classWeights?: FloatTensor;
}

export interface CrossEntropyOptions {
  readonly ignoreIndex?: number;
  readonly labelSmoothing?: number;
}

const none = 0xffff_ffff;
const scale = 'upstream scale';

export const crossEntropy = defineOp<
  CrossEntropyInputs,
  'loss' | 'nll' | 'tokens' | 'correct',
  CrossEntropyOptions
>({
  name: 'crossEntropy',
  doc: 'loss = Σ −log softmax(hidden · weightᵀ + bias)[target], in nats',
  inputs: {
    hidden: { shape: '... H' },
    weight: { shape: 'V H' },
    bias: { shape: 'V', optional: true },
    targets: { shape: '...', dtype: 'u32', doc: 'each below V, or `ignoreIndex`' },
    classWeights: {
      shape: 'V',
      optional: true,
      doc: 'what the loss of each class counts, as PyTorch’s `weight`; a constant: its gradient is 0',
    },
  },
  outputs: {
    loss: { shape: '', doc: 'summed; the only output whose gradient can be given' },
    nll: { shape: '', doc: 'the same without label smoothing and class weights' },
    tokens: { shape: '', doc: 'rows that count' },
    correct: { shape: '', doc: 'of them, those whose target has the largest logit' },
  },
  options: {
    ignoreIndex: 'the target of rows that count for nothing; default: none',
    labelSmoothing: 'the share of probability spread evenly over the vocabulary; default 0',
  },
  complete: (inputs, { ignoreIndex }, { V }, upstream) => {
    checkIds('crossEntropy', 'targets', inputs.targets!, V!, ignoreIndex);
    return { ...inputs, [scale]: upstream?.loss ?? { data: Float32Array.of(0), shape: [] } };
  },
  activations: ['hidden'],
  differentiable: ['loss'],
  isLoss: true,
  build: (tape, tensors, { ignoreIndex = none, labelSmoothing = 0 }) => {
    const { hidden, weight, bias, targets, classWeights } = tensors;
    const statistics = tape.tensor('statistics', [statisticsSize]);
    tape.fill(statistics, 0);
    crossEntropyOp(tape, {
      hidden: hidden!,
      weight: weight!,
      bias,
      targets: targets!,
      classWeights,
      ignoreIndex,
      labelSmoothing,
      scale: tensors[scale]!.reshape(1),
      statistics,
    });
    const read = (name: 'loss' | 'nll' | 'tokens' | 'correct') =>
      slice(tape, name, statistics, { offset: statistic[name], row: 1 }, 1, 1).reshape();
    return { loss: read('loss'), nll: read('nll'), tokens: read('tokens'), correct: read('correct') };
  },
});
