/**
 * A language model on a stream against PyTorch: chunks that start from the states which the one before left, an update
 * after each, twice over the stream; the chunks are those that training cuts. Two residual layers, tied embeddings.
 */
import { expect, test } from 'vitest';
import type { LanguageModelNetwork } from '../../src/nn/language-model.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { resolveConfig } from '../../src/train/config/resolve-config.ts';
import { TrainingEngine } from '../../src/train/engine.ts';
import { Evaluator } from '../../src/train/evaluator.ts';
import { streamBatches, trainingSet } from '../../src/train/training-set.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { datasetOf, loadStream, networkOfModel, sgdOptions, weightsOf } from '../setup/golden-networks.ts';
import { testGpu } from '../setup/gpu.ts';

const gpu = await testGpu();
const golden = loadStream();
const { bptt, rows, learningRate, momentum } = golden;
const dataset = datasetOf('language_model', { source: golden.lines.map(() => []), target: golden.lines });
const { training } = resolveConfig({
  model: { type: 'language_model' },
  training: { bptt_length: bptt, batch_size: rows },
});

function networkWith(parameters: typeof golden.parameters): LanguageModelNetwork {
  const network = networkOfModel(gpu, golden.model, golden.sizes);
  network.parameters.writeAll(weightsOf(parameters));
  return network as LanguageModelNetwork;
}

test('losses before and weights after each chunk are those of PyTorch', async () => {
  const network = networkWith(golden.parameters);
  const options = sgdOptions(momentum, { carriesStates: true });
  const engine = await TrainingEngine.create(gpu, network, new ScratchPool(gpu), options);
  const set = trainingSet(dataset, training);
  const chunks = [0, 1].flatMap((epoch) => set.plan(training, epoch));
  expect(chunks.length).toBe(golden.updates.length);
  for (const [index, plan] of chunks.entries()) {
    const expected = golden.updates[index]!;
    await engine.update([set.fill(plan)], learningRate);
    const { loss, tokens } = await engine.statistics();
    expect(tokens, `tokens of chunk ${index}`).toBe(expected.tokens);
    expectClose([loss], [expected.loss], forwardTolerance, `loss of chunk ${index}`);
    for (const [name, values] of await network.parameters.read()) {
      const { data } = expected.parameters[name]!;
      expectClose(values, data, gradientTolerance, `${name} after chunk ${index}`);
    }
  }
  await engine.dispose();
  network.dispose();
});

test.each([
  { batchSize: 1, bptt: 4 },
  { batchSize: 1, bptt: 7 },
])('evaluated in chunks of $bptt steps every token is given all before it', async (cut) => {
  const network = networkWith(golden.updates.at(-1)!.parameters);
  const evaluator = new Evaluator(gpu, network, new ScratchPool(gpu));
  const batches = [...streamBatches(dataset, { ...cut, remainder: 'keep' })];
  const count = dataset.target.totalLength;
  expect(batches.length).toBe(Math.ceil(count / cut.bptt));
  // Again, to see that it starts from nothing.
  for (const _ of [1, 2]) {
    const { loss, tokens } = await evaluator.run(batches);
    expect(tokens).toBe(count);
    expectClose([loss], [golden.finalLoss], forwardTolerance, 'loss');
  }
  evaluator.dispose();
  network.dispose();
});
