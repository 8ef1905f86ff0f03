/** `softmax` on plain arrays. */
import { softmax as softmaxOp } from '../softmax.ts';
import { defineOp, type FloatTensor, type IdTensor } from './define-op.ts';

export interface SoftmaxInputs {
  readonly x: FloatTensor;
  readonly lengths?: IdTensor;
}

export const softmax = defineOp<SoftmaxInputs, 'y', Record<never, never>>({
  name: 'softmax',
  doc: 'y = softmax of each row of x; entries from a row’s length on are exactly 0',
  inputs: {
    x: { shape: '... N' },
    lengths: {
      shape: 'L',
      dtype: 'u32',
      optional: true,
      doc: 'entries that count: one for each row, or one for each index of the dimension before the last',
    },
  },
  outputs: { y: { shape: '... N' } },
  options: {},
  build: (tape, { x, lengths }) => ({ y: softmaxOp(tape, x!, lengths) }),
});
