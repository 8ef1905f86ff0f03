/**
 * Inverted dropout from a counter-based generator: the mask is a function of seed, step, site and element, so the
 * backward pass computes it anew, a range of steps gets the same mask as the whole, and a resumed run the same masks.
 */
import { ShapeError } from '../errors.ts';
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

export interface DropoutOptions {
  /** Of an element being dropped, in [0, 1). */
  readonly probability: number;
  /** Distinguishes the masks of one step: every place that drops has its own number below 2³². */
  readonly site: number;
  /** u32 [4]: seed low, seed high, step low, step high. */
  readonly random: Tensor;
}

/**
 * y ← dropout(x), or y ← y + dropout(x) with `accumulate`, for the steps `start` to `end` (exclusive) of two
 * sequences of equal shape [T, ...]. On gradients (from y's to x's) it is the backward pass.
 */
export function recordDropout(
  tape: Tape,
  x: Tensor,
  y: Tensor,
  start: number,
  end: number,
  options: DropoutOptions & { readonly accumulate?: 0 | 1 },
): void {
  const { probability, site, random, accumulate = 0 } = options;
  if (!(probability >= 0 && probability < 1)) {
    throw new ShapeError(`dropout: the probability must be at least 0 and below 1, not ${probability}`);
  }
  if (x.size !== y.size || x.dim(0) !== y.dim(0))
    throw new ShapeError(`dropout: ${x} and ${y} differ in shape`);
  if (random.dtype !== 'u32' || random.size !== 4) {
    throw new ShapeError(`dropout: ${random} should be u32 [4]: seed and step`);
  }
  const width = x.size / x.dim(0);
  const [first, last] = [start * width, end * width];
  const { groups, stride } = linearGroups(Math.ceil(last / 4) - Math.floor(first / 4), 64);
  const params = {
    start: first,
    end: last,
    site,
    threshold: Math.min(Math.round(probability * 2 ** 32), 2 ** 32 - 1),
    scale: 1 / (1 - probability),
    accumulate,
    stride,
  };
  if (width % 4 === 0) {
    const bindings = { random, xFours: x, yFours: y };
    tape.dispatch('dropout', 'fours', { bindings, params, workgroups: groups });
  } else {
    tape.dispatch('dropout', 'main', { bindings: { random, x, y }, params, workgroups: groups });
  }
}

/** dropout(x) while training; x itself otherwise, or where nothing is dropped. */
export function dropout(tape: Tape, x: Tensor, options: DropoutOptions): Tensor {
  if (!tape.training || options.probability === 0) return x;
  const y = tape.result('dropout', x.shape, x);
  const steps = x.dim(0);
  recordDropout(tape, x, y, 0, steps, options);
  tape.onBackward(() => {
    const upstream = tape.gradientOf(y);
    const target = upstream && tape.gradientTarget(x);
    if (target)
      recordDropout(tape, upstream, target.tensor, 0, steps, {
        ...options,
        accumulate: target.accumulate,
      });
  });
  return y;
}
