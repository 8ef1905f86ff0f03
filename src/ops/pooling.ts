/** Pooling over time: one vector of each row's steps, their mean or their maximum. */
import { ShapeError } from '../errors.ts';
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import { expectShape, type Tensor } from '../scheduler/tensor.ts';

export const poolings = ['mean', 'max'] as const;
export type Pooling = (typeof poolings)[number];

/**
 * The mean or the maximum over time of x [T, B, H], as far as `lengths` (u32 [B]): [B, H]. A row of length 0 gives
 * zeros. The gradient of a maximum goes to the first of equals. What lies beyond a row's length is not read.
 *
 * @throws ShapeError where the tensors do not fit together
 */
export function pooling(tape: Tape, x: Tensor, lengths: Tensor, kind: Pooling): Tensor {
  if (x.shape.length !== 3) throw new ShapeError(`pooling: x should be [T, B, H], not ${x}`);
  if (!poolings.includes(kind)) throw new ShapeError(`pooling: '${kind}' is none of ${poolings.join(', ')}`);
  const [steps, batch, width] = x.shape as [number, number, number];
  expectShape(lengths, batch);
  if (lengths.dtype !== 'u32') throw new ShapeError(`pooling: ${lengths} must be u32`);
  const y = tape.result(`${kind} pooling`, [batch, width], x);
  const grid = (size: number, accumulate: 0 | 1 = 0) => {
    const { groups, stride } = linearGroups(size, 64);
    return { params: { steps, batch, width, accumulate, stride }, workgroups: groups };
  };
  let places: Tensor | undefined;
  if (kind === 'mean') {
    tape.dispatch('pooling', 'mean_forward', { bindings: { x, lengths, y }, ...grid(batch * width) });
  } else {
    places = tape.tensor('places of maxima', [batch, width], { dtype: 'u32' });
    tape.dispatch('pooling', 'max_forward', { bindings: { x, lengths, y, places }, ...grid(batch * width) });
  }
  tape.onBackward(() => {
    const dy = tape.gradientOf(y);
    const target = dy && tape.gradientTarget(x);
    if (!target) return;
    const { tensor: dx, accumulate } = target;
    const call = grid(x.size, accumulate);
    if (places) tape.dispatch('pooling', 'max_backward', { bindings: { lengths, places, dy, dx }, ...call });
    else tape.dispatch('pooling', 'mean_backward', { bindings: { lengths, dy, dx }, ...call });
  });
  return y;
}
