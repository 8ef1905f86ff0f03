/** score(h_t, m_s) = h_tᵀ W m_s (Luong et al. 2015, equation 8, general), with W [H, M] applied to the memory once. */
import { ShapeError } from '../../errors.ts';
import { linear } from '../matmul.ts';
import { recordProductScore } from './product.ts';
import type { Score } from './score.ts';

export const general: Score = {
  product: true,
  keys(tape, memory, { linearIn }) {
    if (!linearIn) throw new ShapeError('attention: the general score needs the weight linearIn [H, M]');
    return linear(tape, memory, linearIn);
  },
  record: recordProductScore,
};
