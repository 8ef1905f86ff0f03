/** score(h_t, m_s) = h_t · m_s (Luong et al. 2015, equation 8, dot): sizes must be equal, nothing is learnt. */
import { recordProductScore } from './product.ts';
import type { Score } from './score.ts';

export const dot: Score = {
  product: true,
  keys: (_tape, memory) => memory,
  record: recordProductScore,
};
