/**
 * What the PyTorch fixtures of test/golden/models cannot show: gradients through dropout, in every place that a model has,
 * against differences of the loss under the same masks; and that nothing is dropped outside training.
 */
import { describe, expect, test } from 'vitest';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { Evaluator } from '../../src/train/evaluator.ts';
import { expectClose, forwardTolerance } from '../setup/compare.ts';
import { type GivenModel, goldenBatch, goldenNetwork, loadGoldenNetwork } from '../setup/golden-networks.ts';
import { testGpu } from '../setup/gpu.ts';
import { createStepRunner } from '../setup/step-runner.ts';

const gpu = await testGpu();

/** A fixture's model, weights and rows, with dropout in every place. */
const fixtures = [
  'tagger-lstm-bi-characters-crf',
  'tagger-rnn-bi-residual-learned',
  'classifier-lstm-bi-last-weights',
  'classifier-lstm-bi-max-frames',
  'generator-gru-class-first-2layer',
  'seq2seq-rnn-mean-both-residual',
  'language-model-gru-tied-residual',
];

type Section = Readonly<Record<string, unknown>>;

function dropping(model: GivenModel): GivenModel {
  const { encoder, decoder, ...rest } = model as unknown as Section & {
    encoder?: Section;
    decoder?: Section;
  };
  const dropped = (section: Section, more: Section = {}) => ({
    ...section,
    ...more,
    dropout: 0.3,
    embeddings: { ...(section.embeddings as Section), dropout: 0.4 },
  });
  return {
    ...rest,
    ...(encoder && { encoder: dropped(encoder) }),
    ...(decoder ? { decoder: dropped(decoder, { hidden_dropout: 0.3 }) } : { hidden_dropout: 0.3 }),
  } as unknown as GivenModel;
}

describe.each(fixtures)('%s with dropout', (name) => {
  const golden = loadGoldenNetwork(name);
  const { classWeights } = golden.batch;
  const batch = goldenBatch(golden, 1, 1);

  test('gradients are the slopes of the loss under the same masks', async () => {
    const network = goldenNetwork(gpu, { ...golden, model: dropping(golden.model) });
    const options = { scale: 1, classWeights };
    const step = await createStepRunner(gpu, new ScratchPool(gpu), network, batch, options);
    const gradients = await step.run();
    const lossOf = (left: ReadonlyMap<string, Float32Array>) => left.get('statistics')![statistic.loss]!;
    if (golden.labelSmoothing === 0) expect(lossOf(gradients)).not.toBeCloseTo(golden.loss.sum, 3);
    for (const [parameter, values] of await network.parameters.read()) {
      // Along the gradient itself, where the slope is its length.
      const gradient = gradients.get(parameter)!;
      const length = Math.hypot(...gradient);
      expect(length, parameter).toBeGreaterThan(0.01);
      const distance = 0.01;
      const moved = async (sign: number) => {
        const there = values.map((value, i) => value + (sign * distance * gradient[i]!) / length);
        network.parameters.write(parameter, there);
        return lossOf(await step.run());
      };
      const slope = ((await moved(1)) - (await moved(-1))) / (2 * distance);
      network.parameters.write(parameter, values);
      // Two float32 losses of about 30, 2 · distance apart, tell slopes to 3e-4.
      const error = Math.abs(slope - length);
      expect(error, `${parameter}: slope ${slope}, gradient ${length}`).toBeLessThan(0.02 * length + 5e-4);
    }
    step.dispose();
    network.dispose();
  });

  test('evaluation drops nothing', async () => {
    const losses: number[] = [];
    for (const model of [dropping(golden.model), golden.model]) {
      const network = goldenNetwork(gpu, { ...golden, model });
      const evaluator = new Evaluator(gpu, network, new ScratchPool(gpu));
      losses.push((await evaluator.run([batch])).loss);
      evaluator.dispose();
      network.dispose();
    }
    expect(losses[0]).toBe(losses[1]);
    // Where the fixture's loss is the plain one, it is that.
    if (golden.labelSmoothing === 0 && !classWeights) {
      expectClose([losses[0]!], [golden.loss.sum], forwardTolerance, 'loss');
    }
  });
});
