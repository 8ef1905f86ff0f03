/** `crfLoss` and `crfDecode` on plain arrays. */
import { slice } from '../copy.ts';
import { crfDecode as crfDecodeOp, crfLoss as crfLossOp } from '../crf.ts';
import { statistic, statisticsSize } from '../cross-entropy.ts';
import {
  defineOp,
  type FloatTensor,
  type IdTensor,
  type InputDescription,
  type UndifferentiableOp,
} from './define-op.ts';
import { lengthsInput, withLengths } from './lengths.ts';

export interface CrfDecodeInputs {
  readonly emissions: FloatTensor;
  readonly lengths?: IdTensor;
  readonly transitions: FloatTensor;
  readonly start: FloatTensor;
  readonly end: FloatTensor;
}

export interface CrfLossInputs extends CrfDecodeInputs {
  readonly tags: IdTensor;
}

const scores: Record<'emissions' | 'lengths' | 'transitions' | 'start' | 'end', InputDescription> = {
  emissions: { shape: 'T B C', doc: 'the score of each tag at each position' },
  lengths: lengthsInput,
  transitions: { shape: 'C C', doc: 'row i, column j: the score of tag j after tag i' },
  start: { shape: 'C', doc: 'the score of a row’s first tag' },
  end: { shape: 'C', doc: 'the score of a row’s last tag' },
};
const scale = 'upstream scale';

export const crfLoss = defineOp<CrfLossInputs, 'loss' | 'tokens' | 'correct', Record<never, never>>({
  name: 'crfLoss',
  doc: 'loss = Σ over the rows of log Σ exp(score of any tags) − score of the row’s tags, of a linear-chain CRF, in nats; score = start + Σ emissions + Σ transitions + end (Lafferty et al. 2001)',
  inputs: {
    ...scores,
    tags: {
      shape: 'T B',
      dtype: 'u32',
      doc: 'one that is not below C stands for the tag with the largest emission',
    },
  },
  outputs: {
    loss: { shape: '', doc: 'summed; the only output whose gradient can be given' },
    tokens: { shape: '', doc: 'positions within the lengths' },
    correct: { shape: '', doc: 'of them, those that the best path tags as given' },
  },
  options: {},
  complete: (inputs, _options, letters, upstream) => {
    const { T, B } = letters as { T: number; B: number };
    const factor = upstream?.loss ?? { data: Float32Array.of(0), shape: [] };
    return { ...withLengths('crfLoss', inputs, T, B), [scale]: factor };
  },
  differentiable: ['loss'],
  isLoss: true,
  build: (tape, tensors) => {
    const { emissions, tags, lengths, transitions, start, end } = tensors;
    const statistics = tape.tensor('statistics', [statisticsSize]);
    tape.fill(statistics, 0);
    crfLossOp(tape, {
      emissions: emissions!,
      tags: tags!,
      lengths: lengths!,
      transitions: transitions!,
      start: start!,
      end: end!,
      scale: tensors[scale]!.reshape(1),
      statistics,
    });
    const read = (name: 'loss' | 'tokens' | 'correct') =>
      slice(tape, name, statistics, { offset: statistic[name], row: 1 }, 1, 1).reshape();
    return { loss: read('loss'), tokens: read('tokens'), correct: read('correct') };
  },
});

export const crfDecode: UndifferentiableOp<
  CrfDecodeInputs,
  'tags' | 'score',
  Record<never, never>,
  'tags'
> = defineOp<CrfDecodeInputs, 'tags' | 'score', Record<never, never>, 'tags'>({
  name: 'crfDecode',
  doc: 'the tags with the largest score of each row, by Viterbi’s algorithm; the score as of `crfLoss`; of equals the lower tag wins, from a row’s last position to its first',
  inputs: scores,
  outputs: {
    tags: { shape: 'T B', dtype: 'u32', doc: '0 beyond a row’s length' },
    score: { shape: 'B', doc: '0 of a row of length 0' },
  },
  options: {},
  complete: (inputs, _options, letters) => {
    const { T, B } = letters as { T: number; B: number };
    return withLengths('crfDecode', inputs, T, B);
  },
  differentiable: [],
  build: (tape, tensors) => {
    const { emissions, lengths, transitions, start, end } = tensors;
    return crfDecodeOp(tape, {
      emissions: emissions!,
      lengths: lengths!,
      transitions: transitions!,
      start: start!,
      end: end!,
    });
  },
});
