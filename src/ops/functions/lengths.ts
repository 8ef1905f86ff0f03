/** What ops on padded sequences have in common: lengths of the rows that the caller may leave out. */
import type { InputDescription, Inputs } from './define-op.ts';
import { checkIds } from './define-op.ts';

export const lengthsInput: InputDescription = {
  shape: 'B',
  dtype: 'u32',
  optional: true,
  doc: 'steps of each row; default: all T',
};

/** `inputs` with lengths, each at most T: those of the caller or T for every row. */
export function withLengths(op: string, inputs: Inputs, T: number, B: number): Inputs {
  const lengths = inputs.lengths ?? { data: new Uint32Array(B).fill(T), shape: [B] };
  checkIds(op, 'lengths', lengths, T + 1);
  return { ...inputs, lengths };
}
