/** The loss of a conditional random field, which counts its own errors, and Viterbi's best path alone. */
import { crfLoss } from '../../ops/crf.ts';
import { statistic, statisticsSize } from '../../ops/cross-entropy.ts';
import { crfDecode } from '../../ops/viterbi.ts';
import { crfReference, viterbi } from '../../reference/crf.ts';
import type { Tensor } from '../../scheduler/tensor.ts';
import { type KernelCase, kernelBench, transcendental } from './kernel.ts';
import type { RandomValues } from './random-values.ts';
import { whole } from './samples.ts';

export const crfBench = kernelBench({
  name: 'crf',
  summary: 'Loss of a conditional random field with 45 tags, and its best paths',
  cases: ({ dimensions: { B, S } }) => [lossCase(S, B, tags), viterbiCase(S, B, tags)],
});

/** As many as the Penn Treebank has. */
const tags = 45;
const scale = 0.25;
const parameters = ['emissions', 'transitions', 'start', 'end'] as const;

function scoresOf(random: RandomValues, T: number, B: number, C: number) {
  return {
    emissions: random.floats([T, B, C], 2),
    transitions: random.floats([C, C]),
    start: random.floats([C]),
    end: random.floats([C]),
    lengths: { data: new Uint32Array(B).fill(T), shape: [B] },
  };
}

type Scores = ReturnType<typeof scoresOf>;

function referenceScores({ emissions, transitions, start, end, lengths }: Scores) {
  const [steps, batch, tags] = emissions.shape as [number, number, number];
  return {
    steps,
    batch,
    tags,
    emissions: emissions.data,
    transitions: transitions.data,
    start: start.data,
    end: end.data,
    lengths: lengths.data,
  };
}

function tensorsOf(tensors: Readonly<Record<string, Tensor>>) {
  const { emissions, transitions, start, end, lengths } = tensors;
  return {
    emissions: emissions!,
    transitions: transitions!,
    start: start!,
    end: end!,
    lengths: lengths!,
  };
}

function lossCase(T: number, B: number, C: number): KernelCase {
  const pairs = T * B * C * C;
  return {
    title: 'crf',
    sizes: { T, B, C },
    // Log-sum-exp of each pair of tags, and Viterbi's comparison of them.
    forward: { flops: pairs * (2 + transcendental + 2), bytes: 4 * (T * B * C + C * C + 2 * T * B) },
    // An exponential of each pair on the way back, another for its probability.
    backward: { flops: pairs * 2 * (2 + transcendental), bytes: 4 * (3 * T * B * C + 2 * C * C) },
    setup(random) {
      const scores = scoresOf(random, T, B, C);
      const labels = random.ids([T, B], 0, C);
      return {
        inputs: {
          ...scores,
          tags: labels,
          scale: { data: Float32Array.of(scale), shape: [1] },
          statistics: { data: new Float32Array(statisticsSize), shape: [statisticsSize] },
        },
        build(tape, tensors) {
          const statistics = tensors.statistics!;
          const given = { tags: tensors.tags!, scale: tensors.scale!, statistics };
          crfLoss(tape, { ...tensorsOf(tensors), ...given });
          return { statistics };
        },
        upstream: 'loss',
        check() {
          const expected = crfReference({ ...referenceScores(scores), labels: labels.data, scale });
          return {
            values: (['loss', 'tokens', 'correct'] as const).map((name) => {
              return { tensor: 'statistics', at: [statistic[name]], expected: [expected[name]] };
            }),
            gradients: parameters.map((name) => whole(`d ${name}`, expected.gradients[name])),
          };
        },
      };
    },
  };
}

function viterbiCase(T: number, B: number, C: number): KernelCase {
  return {
    title: 'viterbi',
    sizes: { T, B, C },
    forward: { flops: T * B * C * C * 2, bytes: 4 * (T * B * C + C * C + T * B) },
    setup(random) {
      const scores = scoresOf(random, T, B, C);
      return {
        inputs: scores,
        build: (tape, tensors) => ({ ...crfDecode(tape, tensorsOf(tensors)) }),
        check() {
          const expected = viterbi(referenceScores(scores));
          return { values: [whole('tags', expected.tags), whole('score', expected.scores)] };
        },
      };
    },
  };
}
