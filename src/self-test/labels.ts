/** Self-tests of what taggers and classifiers add: CRF and Viterbi, pooling over time, the loss with class weights. */

import { crfDecode, crfLoss } from '../ops/functions/crf.ts';
import { crossEntropy } from '../ops/functions/cross-entropy.ts';
import { attentionPooling, pooling } from '../ops/functions/pooling.ts';
import { crfReference, viterbi } from '../reference/crf.ts';
import { crossEntropyReference } from '../reference/cross-entropy.ts';
import * as poolingReference from '../reference/pooling.ts';
import { inPrecision, type RandomTensors, type TestCase } from './test-case.ts';

function crfTensors(random: RandomTensors) {
  const [steps, batch, tags] = [9, 5, 13];
  const tensors = {
    emissions: random.floats([steps, batch, tags], 2),
    transitions: random.floats([tags, tags], 1.5),
    start: random.floats([tags]),
    end: random.floats([tags]),
  };
  const lengths = { data: Uint32Array.of(9, 0, 1, 8, 5), shape: [batch] };
  const arrays = Object.fromEntries(
    Object.entries(tensors).map(([name, { data }]) => [name, data]),
  ) as Record<keyof typeof tensors, Float32Array>;
  return {
    tensors: { ...tensors, lengths },
    scores: { steps, batch, tags, ...arrays, lengths: lengths.data },
  };
}

const crfCase: TestCase = {
  kernel: 'crf',
  name: 'rows of many lengths, an unknown tag',
  async run(gpu, random) {
    const { tensors, scores } = crfTensors(random);
    const { steps, batch, tags: count } = scores;
    const tags = random.ids([steps, batch], 0, count);
    tags.data[4] = count;
    const scale = 0.25;
    const upstream = { loss: { data: Float32Array.of(scale), shape: [] } };
    const { outputs, gradients } = await crfLoss(gpu, { ...tensors, tags }, {}, upstream);
    const { loss, tokens, correct, ...expected } = crfReference({ ...scores, labels: tags.data, scale });
    return {
      values: [outputs, { loss: [loss], tokens: [tokens], correct: [correct] }],
      gradients: [gradients, expected.gradients],
    };
  },
};

const viterbiCase: TestCase = {
  kernel: 'viterbi',
  name: 'rows of many lengths',
  async run(gpu, random) {
    const { tensors, scores } = crfTensors(random);
    const { outputs } = await crfDecode(gpu, tensors);
    const expected = viterbi(scores);
    return { values: [outputs, { tags: expected.tags, score: expected.scores }] };
  },
};

function poolingCase(kind: 'mean' | 'max'): TestCase {
  return {
    kernel: 'pooling',
    name: `${kind} of rows that end early`,
    roundings: 2,
    async run(gpu, random, precision) {
      const [T, B, H] = [7, 5, 19];
      const [x, y] = [random.floats([T, B, H], 2), random.floats([B, H])];
      const lengths = { data: Uint32Array.of(7, 0, 1, 6, 4), shape: [B] };
      const { outputs, gradients } = await inPrecision(pooling, precision)(
        gpu,
        { x, lengths },
        { kind },
        { y },
      );
      const expected = poolingReference.pooling(kind, { T, B, H }, x.data, lengths.data, y.data);
      return { values: [outputs, { y: expected.y }], gradients: [gradients, { x: expected.dx }] };
    },
  };
}

const attentionPoolingCase: TestCase = {
  kernel: 'attention',
  name: 'pooling with a learned query',
  roundings: 8,
  async run(gpu, random, precision) {
    const [T, B, M, A] = [7, 5, 6, 11];
    const memory = random.floats([T, B, M]);
    const [weight, bias, v] = [random.floats([A, M]), random.floats([A]), random.floats([A], 2)];
    const lengths = { data: Uint32Array.of(7, 0, 1, 6, 4), shape: [B] };
    const upstream = { context: random.floats([B, M]), alignments: random.floats([B, T]) };
    const inputs = { memory, weight, bias, v };
    const { outputs, gradients } = await inPrecision(attentionPooling, precision)(
      gpu,
      { ...inputs, lengths },
      {},
      upstream,
    );
    const { context, alignments, ...expected } = poolingReference.attentionPooling(
      { T, B, M, A },
      { memory: memory.data, weight: weight.data, bias: bias.data, v: v.data },
      lengths.data,
      { context: upstream.context.data, alignments: upstream.alignments.data },
    );
    return {
      values: [outputs, { context, alignments }],
      gradients: [gradients, expected.gradients],
    };
  },
};

const classWeightsCase: TestCase = {
  kernel: 'cross-entropy',
  name: 'class weights, smoothed',
  async run(gpu, random) {
    const [N, H, V, smoothing, scale] = [23, 11, 37, 0.1, 0.25];
    const [hidden, weight, bias] = [random.floats([N, H]), random.floats([V, H]), random.floats([V])];
    const classWeights = { data: random.floats([V]).data.map(Math.abs), shape: [V] };
    const targets = random.ids([N], 0, V);
    const { outputs, gradients } = await crossEntropy(
      gpu,
      { hidden, weight, bias, targets, classWeights },
      { labelSmoothing: smoothing },
      { loss: { data: Float32Array.of(scale), shape: [] } },
    );
    const { loss, nll, tokens, correct, ...expected } = crossEntropyReference({
      hidden: hidden.data,
      weight: weight.data,
      bias: bias.data,
      targets: targets.data,
      classWeights: classWeights.data,
      size: H,
      vocabulary: V,
      ignoreIndex: -1,
      smoothing,
      scale,
    });
    return {
      values: [outputs, { loss: [loss], nll: [nll], tokens: [tokens], correct: [correct] }],
      gradients: [gradients, expected.gradients],
    };
  },
};

export const labelCases: readonly TestCase[] = [
  crfCase,
  viterbiCase,
  poolingCase('mean'),
  poolingCase('max'),
  attentionPoolingCase,
  classWeightsCase,
];
