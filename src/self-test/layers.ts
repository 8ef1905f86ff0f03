/** Self-tests of softmax, attention, embedding, dropout, the loss, and the choice of the next token. */
import { LuongAttention } from '../ops/attention.ts';
import { evaluate } from '../ops/evaluate.ts';
import { luongAttention } from '../ops/functions/attention.ts';
import { crossEntropy } from '../ops/functions/cross-entropy.ts';
import { dropout } from '../ops/functions/dropout.ts';
import { embedding } from '../ops/functions/embedding.ts';
import { softmax } from '../ops/functions/softmax.ts';
import { recordGreedyStep } from '../ops/greedy-step.ts';
import * as attentionReference from '../reference/attention.ts';
import { crossEntropyReference } from '../reference/cross-entropy.ts';
import { dropoutMask } from '../reference/dropout.ts';
import * as embeddingReference from '../reference/embedding.ts';
import { greedyStep } from '../reference/greedy-step.ts';
import { philox } from '../reference/philox.ts';
import * as softmaxReference from '../reference/softmax.ts';
import { inPrecision, type TestCase } from './test-case.ts';

function softmaxCase(software: boolean): TestCase {
  return {
    kernel: 'softmax',
    name: `rows that end early${software ? ', CPU variant' : ''}`,
    variant: { software, subgroups: false },
    async run(gpu, random) {
      const [T, B, S] = [3, 7, 37];
      const x = random.floats([T, B, S], 8);
      const lengths = { data: Uint32Array.of(0, 1, 36, 37, 20, 3, 31), shape: [B] };
      const y = random.floats([T, B, S]);
      const { outputs, gradients } = await softmax(gpu, { x, lengths }, {}, { y });
      const expected = softmaxReference.softmax(x.data, S, lengths.data);
      const slope = softmaxReference.softmaxGradient(expected, y.data, S);
      return { values: [outputs, { y: expected }], gradients: [gradients, { x: slope }] };
    },
  };
}

function attentionCase(score: 'dot' | 'general' | 'concat'): TestCase {
  return {
    kernel: 'attention',
    name: `${score} score`,
    roundings: 8,
    async run(gpu, random, precision) {
      const [T, B, S, H, A] = [3, 5, 7, 9, 11];
      const M = score === 'dot' ? H : 6;
      const own = {
        dot: {},
        general: { linearIn: random.floats([H, M]) },
        concat: {
          linearQuery: random.floats([A, H]),
          linearContext: random.floats([A, M]),
          v: random.floats([1, A]),
        },
      }[score];
      const tensors = {
        query: random.floats([T, B, H]),
        memory: random.floats([S, B, M]),
        linearOut: random.floats([H, M + H], 0.5),
        ...own,
      };
      const lengths = { data: Uint32Array.of(7, 1, 3, 6, 2), shape: [B] };
      const upstream = { output: random.floats([T, B, H]), weights: random.floats([T, B, S]) };
      const { outputs, gradients } = await inPrecision(luongAttention, precision)(
        gpu,
        { ...tensors, lengths },
        { score },
        upstream,
      );
      const arrays = Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, data]));
      const sizes = { T, B, S, H, M, A };
      const values = attentionReference.attention(score, sizes, arrays, lengths.data);
      const slopes = attentionReference.attentionGradients(score, sizes, arrays, values, {
        output: upstream.output.data,
        weights: upstream.weights.data,
      });
      return {
        values: [outputs, { output: values.output, weights: values.weights }],
        gradients: [gradients, slopes],
      };
    },
  };
}

/** One step at a time, as decoders with input feeding go; both shapes of the workgroups. */
const attentionStepCase = (software: boolean): TestCase => ({
  kernel: 'attention',
  name: `step by step${software ? ', CPU variant' : ''}`,
  variant: { software, subgroups: false },
  roundings: 8,
  async run(gpu, random, precision) {
    const [T, B, S, H, M] = [3, 4, 19, 12, 20];
    const tensors = {
      query: random.floats([T, B, H]),
      memory: random.floats([S, B, M]),
      linearIn: random.floats([H, M], 0.5),
      linearOut: random.floats([H, M + H], 0.5),
    };
    const lengths = { data: Uint32Array.of(19, 0, 17, 2), shape: [B] };
    const upstream = { output: random.floats([T, B, H]) };
    const { outputs, gradients } = await evaluate(
      gpu,
      { ...tensors, lengths },
      (tape, { query, memory, lengths, ...weights }) => {
        const own = { label: 'attention', score: 'general', query, memory, weights, stepwise: true } as const;
        const attention = new LuongAttention(tape, { ...own, memoryLengths: lengths });
        for (let step = 0; step < T; step++) attention.forward(step, step + 1);
        tape.onBackward(() => {
          for (let step = T - 1; step >= 0; step--) attention.backward(step, step + 1);
          attention.finishBackward();
        });
        return { output: attention.output, weights: attention.weights };
      },
      upstream,
      { halves: precision === 'mixed' ? ['query', 'memory'] : undefined },
    );
    const arrays = Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, data]));
    const sizes = { T, B, S, H, M, A: 0 };
    const values = attentionReference.attention('general', sizes, arrays, lengths.data);
    const slopes = attentionReference.attentionGradients('general', sizes, arrays, values, {
      output: upstream.output.data,
    });
    return {
      values: [outputs, { output: values.output, weights: values.weights }],
      gradients: [gradients as Readonly<Record<string, { data: ArrayLike<number> }>>, slopes],
    };
  },
});

const embeddingCase = (rows: number, columns: number): TestCase => ({
  kernel: 'embedding',
  name: `repeated ids of ${rows}, ${columns} columns, a padding row`,
  roundings: 1,
  async run(gpu, random, precision) {
    const paddingIndex = 1;
    const ids = random.ids([9, 7], 0, rows);
    const [weight, y] = [random.floats([rows, columns]), random.floats([9, 7, columns])];
    const { outputs, gradients } = await inPrecision(embedding, precision)(
      gpu,
      { ids, weight },
      { paddingIndex },
      { y },
    );
    const slope = embeddingReference.embeddingGradient(ids.data, y.data, rows, columns, paddingIndex);
    return {
      values: [outputs, { y: embeddingReference.embedding(ids.data, weight.data, columns) }],
      gradients: [gradients, { weight: slope }],
    };
  },
});

const crossEntropyCase: TestCase = {
  kernel: 'cross-entropy',
  name: 'smoothed, with rows to ignore',
  roundings: 2,
  async run(gpu, random, precision) {
    const [N, H, V, ignoreIndex] = [37, 13, 301, 0];
    const [hidden, weight, bias] = [random.floats([N, H]), random.floats([V, H]), random.floats([V])];
    const targets = random.ids([N], 0, V);
    targets.data.fill(ignoreIndex, 5, 9);
    const scale = 0.25;
    const { outputs, gradients } = await inPrecision(crossEntropy, precision)(
      gpu,
      { hidden, weight, bias, targets },
      { ignoreIndex, labelSmoothing: 0.1 },
      { loss: { data: Float32Array.of(scale), shape: [] } },
    );
    const expected = crossEntropyReference({
      hidden: hidden.data,
      weight: weight.data,
      bias: bias.data,
      targets: targets.data,
      size: H,
      vocabulary: V,
      ignoreIndex,
      smoothing: 0.1,
      scale,
    });
    const { loss, nll, tokens, correct } = expected;
    return {
      values: [outputs, { loss: [loss], nll: [nll], tokens: [tokens], correct: [correct] }],
      gradients: [gradients, expected.gradients],
    };
  },
};

const dropoutCase = (columns: number): TestCase => ({
  kernel: 'dropout',
  name: `the mask of seed, step and site, ${columns} columns`,
  roundings: 1,
  async run(gpu, random, precision) {
    const [probability, site] = [0.3, 2];
    const [x, y] = [random.floats([5, columns]), random.floats([5, columns])];
    const options = { probability, seed: 2 ** 40 + 5, step: 11, site };
    const { outputs, gradients } = await inPrecision(dropout, precision)(gpu, { x }, options, { y });
    const mask = dropoutMask(x.data.length, probability, site, [5, 2 ** 8, 11, 0]);
    const kept = (values: Float32Array) =>
      Float64Array.from(values, (value, i) => (mask[i]! * value) / (1 - probability));
    return { values: [outputs, { y: kept(x.data) }], gradients: [gradients, { x: kept(y.data) }] };
  },
});

const generatorCase: TestCase = {
  kernel: 'dropout',
  name: 'the random generator, bit for bit',
  async run(gpu, random) {
    const count = 67;
    // Each a counter of four words and a key of two.
    const blocks = random.ids([count, 6], 0, 2 ** 32);
    const { outputs } = await evaluate(gpu, { blocks }, (tape, tensors) => {
      const words = tape.tensor('words', [count, 4], { dtype: 'u32' });
      tape.dispatch('dropout', 'generate', {
        bindings: { blocks: tensors.blocks, words },
        params: { start: 0, end: count, site: 0, threshold: 0, scale: 0, accumulate: 0, stride: 0 },
        workgroups: [Math.ceil(count / 64)],
      });
      return { words };
    });
    const words = { data: new Uint32Array(outputs.words.data.buffer) };
    const expected = Array.from({ length: count }, (_, i) => {
      const block = Array.from(blocks.data.subarray(i * 6, i * 6 + 6));
      return philox(block.slice(0, 4), block.slice(4));
    });
    return { values: [{ words }, { words: expected.flat() }] };
  },
};

const greedyCase = (software: boolean): TestCase => ({
  kernel: 'greedy-step',
  name: `ties, specials, ended rows, on ${software ? 8 : 64} lanes`,
  variant: { software, subgroups: false },
  async run(gpu, random) {
    const [B, V] = [9, 131];
    const specials = { padding: 1, begin: 2, end: 3 };
    const logits = random.floats([B, V]);
    for (let row = 0; row < B; row++) logits.data.set([9, 9], row * V + 1); // <pad> and <s> must not win
    logits.data[2 * V + 40] = 5;
    logits.data[2 * V + 7] = 5; // of equals the first wins
    const last = Uint32Array.of(2, 50, 8, 3, 9, 1, 60, 70, 80);
    const tokens = { data: new Uint32Array(2 * B), shape: [2, B] };
    tokens.data.set(last);
    const { outputs } = await evaluate(gpu, { logits, tokens }, (tape, tensors) => {
      recordGreedyStep(tape, tensors.logits, tensors.tokens, 0, specials);
      return { chosen: tensors.tokens };
    });
    const chosen = { data: new Uint32Array(outputs.chosen.data.buffer).subarray(B) };
    return { values: [{ chosen }, { chosen: greedyStep(logits.data, last, V, specials) }] };
  },
});

export const layerCases: readonly TestCase[] = [
  softmaxCase(false),
  softmaxCase(true),
  attentionCase('dot'),
  attentionCase('general'),
  attentionCase('concat'),
  attentionStepCase(true),
  attentionStepCase(false),
  embeddingCase(13, 19),
  embeddingCase(41, 36),
  crossEntropyCase,
  dropoutCase(27),
  dropoutCase(28),
  generatorCase,
  greedyCase(true),
  greedyCase(false),
];
