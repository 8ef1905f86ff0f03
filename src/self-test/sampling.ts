/** Self-tests of the tokens that a decoder draws by itself: scheduled sampling, and generation with a temperature. */
import { recordChooseToken } from '../ops/choose-token.ts';
import { evaluate } from '../ops/evaluate.ts';
import { recordSampleStep } from '../ops/sample-step.ts';
import { chooseToken, sampleStep } from '../reference/choose-token.ts';
import type { TestCase } from './test-case.ts';

const specials = { padding: 1, begin: 2, end: 3 };
const [B, V, step, site] = [9, 301, 1, 6] as const;
const random = { data: Uint32Array.of(5, 2 ** 8, 11, 0), shape: [4] };
const numbers = { vocabulary: V, step, site, random: [5, 2 ** 8, 11, 0], ...specials } as const;

function scheduledCase(mode: 'argmax' | 'sample'): TestCase {
  return {
    kernel: 'choose-token',
    name: `own or teacher, ${mode}`,
    async run(gpu, draws) {
      const logits = draws.floats([B, V], 4);
      const teacher = draws.ids([3, B], 4, V);
      teacher.data.set([1, 1], 2 * B + 3); // two rows are over
      const probability = 0.5;
      const inputs = {
        logits,
        teacher,
        random,
        sampling: { data: Float32Array.of(probability), shape: [1] },
        tokens: { data: new Uint32Array(3 * B), shape: [3, B] },
      };
      const { outputs } = await evaluate(gpu, inputs, (tape, tensors) => {
        recordChooseToken(tape, { ...tensors, step, site, mode, specials });
        return { chosen: tensors.tokens };
      });
      const expected = chooseToken({
        ...numbers,
        logits: logits.data,
        teacher: teacher.data.subarray(2 * B),
        probability,
        temperature: mode === 'sample' ? 1 : 0,
      });
      const chosen = { data: new Uint32Array(outputs.chosen.data.buffer).subarray(2 * B) };
      return { values: [{ chosen }, { chosen: expected }] };
    },
  };
}

const sampledCase = (software: boolean): TestCase => ({
  kernel: 'choose-token',
  name: `generation at temperature 0.7, on ${software ? 8 : 64} lanes`,
  variant: { software, subgroups: false },
  async run(gpu, draws) {
    const logits = draws.floats([B, V], 4);
    const last = Uint32Array.of(2, 50, 8, 3, 9, 1, 60, 70, 80);
    const tokens = { data: new Uint32Array(3 * B), shape: [3, B] };
    tokens.data.set(last, step * B);
    const temperature = { data: Float32Array.of(0.7), shape: [1] };
    const inputs = { logits, tokens, temperature, random };
    const { outputs } = await evaluate(gpu, inputs, (tape, tensors) => {
      recordSampleStep(tape, tensors.logits, tensors.tokens, step, { ...specials, ...tensors, site });
      return { drawn: tensors.tokens };
    });
    const drawn = { data: new Uint32Array(outputs.drawn.data.buffer).subarray(2 * B) };
    const expected = sampleStep({ ...numbers, logits: logits.data, last, temperature: Math.fround(0.7) });
    return { values: [{ drawn }, { drawn: expected }] };
  },
});

export const samplingCases: readonly TestCase[] = [
  scheduledCase('argmax'),
  scheduledCase('sample'),
  sampledCase(true),
  sampledCase(false),
];
