/** The next token of each row: the most probable one, a draw, or (scheduled sampling) the teacher's or the model's own. */
import { type OwnToken, recordChooseToken } from '../../ops/choose-token.ts';
import { recordGreedyStep } from '../../ops/greedy-step.ts';
import { recordSampleStep } from '../../ops/sample-step.ts';
import { chooseToken, sampleStep } from '../../reference/choose-token.ts';
import { greedyStep } from '../../reference/greedy-step.ts';
import { drawFlops, type KernelCase, kernelBench, transcendental, type Work } from './kernel.ts';
import type { RandomValues } from './random-values.ts';
import { spreadOut } from './samples.ts';

export const samplingBench = kernelBench({
  name: 'sampling',
  summary: 'The next token: greedy, drawn, or as scheduled sampling chooses',
  cases: ({ dimensions: { B, V } }) => [
    greedyCase(B, V),
    sampleCase(B, V),
    chooseCase('argmax', B, V),
    chooseCase('sample', B, V),
  ],
});

const specials = { padding: 0, begin: 1, end: 2 };
const firstWord = 3;
const [step, site] = [1, 6] as const;
const random = { data: Uint32Array.of(5, 2 ** 8, 11, 0), shape: [4] };
const numbers = { step, site, random: [5, 2 ** 8, 11, 0], ...specials } as const;

/** `draws`: every logit gets a random number and two logarithms (Gumbel's way to draw). */
function workOf(B: number, V: number, draws: boolean): Work {
  const flops = B * V * (1 + (draws ? drawFlops + 2 * transcendental + 2 : 0));
  return { flops, bytes: 4 * (B * V + 2 * B) };
}

/** Rows whose choice is checked: the reference draws slowly. The others count as over there. */
function sampled(B: number, V: number, draws: boolean): number[] {
  return spreadOut(B, draws ? Math.max(2, Math.floor(5e4 / V)) : B);
}

function withOnly(rows: readonly number[], tokens: Uint32Array, others: number): Uint32Array {
  const kept = new Uint32Array(tokens.length).fill(others);
  for (const row of rows) kept[row] = tokens[row]!;
  return kept;
}

/** tokens [3, B]: the step before in slot `step`, room for the next one. */
function tokensAfter(last: Uint32Array, B: number) {
  const tokens = { data: new Uint32Array(3 * B), shape: [3, B] };
  tokens.data.set(last, step * B);
  return tokens;
}

function chosen(rows: readonly number[], expected: readonly number[], B: number) {
  const at = rows.map((row) => (step + 1) * B + row);
  return { values: [{ tensor: 'tokens', at, expected: rows.map((row) => expected[row]!) }] };
}

function inputsOf(values: RandomValues, B: number, V: number) {
  return { logits: values.floats([B, V], 4), last: values.ids([B], firstWord, V) };
}

function greedyCase(B: number, V: number): KernelCase {
  return {
    title: 'greedy step',
    sizes: { B, V },
    forward: workOf(B, V, false),
    setup(values) {
      const { logits, last } = inputsOf(values, B, V);
      return {
        inputs: { logits, tokens: tokensAfter(last.data, B) },
        build(tape, { logits, tokens }) {
          recordGreedyStep(tape, logits!, tokens!, step, specials);
          return { tokens: tokens! };
        },
        check: () => chosen(sampled(B, V, false), greedyStep(logits.data, last.data, V, specials), B),
      };
    },
  };
}

function sampleCase(B: number, V: number): KernelCase {
  return {
    title: 'sample step',
    sizes: { B, V },
    forward: workOf(B, V, true),
    setup(values) {
      const { logits, last } = inputsOf(values, B, V);
      const temperature = { data: Float32Array.of(0.7), shape: [1] };
      return {
        inputs: { logits, tokens: tokensAfter(last.data, B), temperature, random },
        build(tape, { logits, tokens, temperature, random }) {
          const options = { ...specials, temperature: temperature!, random: random!, site };
          recordSampleStep(tape, logits!, tokens!, step, options);
          return { tokens: tokens! };
        },
        check() {
          const rows = sampled(B, V, true);
          const known = withOnly(rows, last.data, specials.end);
          const given = { ...numbers, logits: logits.data, vocabulary: V, last: known };
          return chosen(rows, sampleStep({ ...given, temperature: Math.fround(0.7) }), B);
        },
      };
    },
  };
}

function chooseCase(mode: OwnToken, B: number, V: number): KernelCase {
  const draws = mode === 'sample';
  return {
    title: `choose token, ${mode}`,
    sizes: { B, V },
    forward: workOf(B, V, draws),
    setup(values) {
      const { logits } = inputsOf(values, B, V);
      const teacher = values.ids([3, B], firstWord, V);
      const probability = 1; // the model's own: all the work there can be
      return {
        inputs: {
          logits,
          teacher,
          tokens: { data: new Uint32Array(3 * B), shape: [3, B] },
          sampling: { data: Float32Array.of(probability), shape: [1] },
          random,
        },
        build(tape, { logits, teacher, tokens, sampling, random }) {
          const tensors = { logits: logits!, teacher: teacher!, tokens: tokens!, sampling: sampling! };
          recordChooseToken(tape, { ...tensors, random: random!, step, site, mode, specials });
          return { tokens: tokens! };
        },
        check() {
          const rows = sampled(B, V, draws);
          const taught = withOnly(rows, teacher.data.subarray((step + 1) * B), specials.padding);
          const given = { ...numbers, logits: logits.data, vocabulary: V, teacher: taught, probability };
          return chosen(rows, chooseToken({ ...given, temperature: draws ? 1 : 0 }), B);
        },
      };
    },
  };
}
