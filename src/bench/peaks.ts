/** The kernels of the roofline: nothing but multiply-adds, nothing but copies. */
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

/** As in the shaders. */
const lanes = 64;
const perInvocation = 8;

export interface PeakFma {
  /** A multiple of 4. */
  readonly rounds: number;
  readonly start: number;
  readonly factor: number;
  readonly summand: number;
}

/** Floating-point operations of a round of one invocation. */
const flopsPerRound = 24;

/** y[i] ← the sum of twelve chains; y [a multiple of 64]. Returns the operations done. */
export function recordPeakFma(tape: Tape, entry: 'fused' | 'separate', y: Tensor, params: PeakFma): number {
  const workgroups = [y.size / lanes] as const;
  tape.dispatch('peak-fma', entry, { bindings: { y }, params: { ...params }, workgroups });
  return y.size * params.rounds * flopsPerRound;
}

/** y ← x, both [a multiple of 2048]. Returns the bytes read and written. */
export function recordPeakCopy(tape: Tape, entry: 'vectors' | 'scalars', x: Tensor, y: Tensor): number {
  const width = entry === 'vectors' ? 4 : 1;
  const groups = x.size / (lanes * perInvocation * width);
  const { groups: workgroups } = linearGroups(groups, 1);
  const params = { groups, stride: workgroups[0] };
  if (entry === 'scalars') tape.dispatch('peak-copy', entry, { bindings: { x, y }, params, workgroups });
  else {
    tape.dispatch('peak-copy', entry, { bindings: { xVectors: x, yVectors: y }, params, workgroups });
  }
  return 2 * 4 * x.size;
}
