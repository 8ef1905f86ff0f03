/**
 * What a kernel bench declares, and what is done with it: inputs are made, the op is recorded, run once and checked
 * against float64, and only then are its forward and its backward dispatches timed, each alone.
 */

import type { Value } from '../../ops/evaluate.ts';
import type { Dispatch, Tape } from '../../scheduler/tape.ts';
import type { Tensor } from '../../scheduler/tensor.ts';
import type { Bench, BenchCase, BenchContext } from '../bench.ts';
import type { BenchRow, Sizes } from '../report.ts';
import type { SizeSet } from '../sizes.ts';
import { type RandomValues, randomTensors } from './random-values.ts';
import { runKernel } from './run-kernel.ts';

/** What one repeat has to do at least, whatever computes it. */
export interface Work {
  /** A multiplication and an addition are two; an exponential or a tanh counts as `transcendental`. */
  readonly flops: number;
  /** Every operand read once and every result written once. */
  readonly bytes: number;
}

/** Flops that a transcendental function counts as: about what a polynomial of it takes. */
export const transcendental = 10;

/** Operations of Philox for one number: ten rounds of two wide products and four exclusive ors make four. */
export const drawFlops = 30;

/** Some elements of a tensor and what they should be. */
export interface Sample {
  /** Name of an output; `d x`: the gradient of the input x. */
  readonly tensor: string;
  /** Flat indices. */
  readonly at: ArrayLike<number>;
  readonly expected: ArrayLike<number>;
}

export interface KernelSetup<Inputs extends string = string> {
  readonly inputs: Readonly<Record<Inputs, Value>>;
  /** Records the op; results by name. */
  build(tape: Tape, tensors: Readonly<Record<Inputs, Tensor>>): Readonly<Record<string, Tensor>>;
  /** Gradients of results, or `'loss'` where the op starts the backward pass by itself. Absent: there is none. */
  readonly upstream?: Readonly<Record<string, Value>> | 'loss';
  /** The dispatches that count, where the op needs others first. All, where absent. */
  readonly timed?: (dispatch: Dispatch) => boolean;
  /** What the results should be. `values` of forward, `gradients` of backward. */
  check(): { readonly values: readonly Sample[]; readonly gradients?: readonly Sample[] };
}

export interface KernelCase {
  /** Without the direction, which is added. */
  readonly title: string;
  readonly sizes: Sizes;
  readonly forward?: Work;
  readonly backward?: Work;
  setup(random: RandomValues): KernelSetup;
}

/** A bench of kernels from its cases for a set of sizes. */
export function kernelBench(spec: {
  readonly name: string;
  readonly summary: string;
  cases(sizes: SizeSet): readonly KernelCase[];
}): Bench {
  const { name, summary } = spec;
  return {
    name,
    summary,
    cases(context: BenchContext): BenchCase[] {
      const cases = context.sizes.flatMap((sizes) => spec.cases(sizes));
      return cases.map((one) => ({
        title: one.title,
        sizes: one.sizes,
        run: (): Promise<BenchRow[]> => runKernel(name, one, one.setup(randomTensors()), context),
      }));
    },
  };
}
