/**
 * Every type of model against PyTorch (test/golden/models): outputs, loss, the gradient of every parameter and the losses
 * of some updates, with rows of different lengths, rows of nothing but padding, and steps that no row has.
 */
import { describe, expect, test } from 'vitest';
import type { Batch } from '../../src/data/batches.ts';
import { ForwardRunner } from '../../src/decode/forward-runner.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { TrainingEngine } from '../../src/train/engine.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { forwardWords } from '../setup/generating.ts';
import type { GoldenTensor } from '../setup/golden.ts';
import {
  type GoldenNetwork,
  goldenBatch,
  goldenNetwork,
  goldenNetworkNames,
  loadGoldenNetwork,
  sgdOptions,
} from '../setup/golden-networks.ts';
import { testGpu } from '../setup/gpu.ts';
import { createStepRunner } from '../setup/step-runner.ts';

const gpu = await testGpu();

interface Result {
  readonly data: Float32Array | Uint32Array;
  readonly shape: readonly number[];
}
type Results = Readonly<Record<string, Result | undefined>>;

async function forward(network: ReturnType<typeof goldenNetwork>, batch: Batch): Promise<Results> {
  if ('spec' in network) return forwardWords(gpu, network, batch);
  type Named = Readonly<Record<string, Tensor | undefined>>;
  const runner = new ForwardRunner<string>(
    gpu,
    network,
    new ScratchPool(gpu),
    (tape, sources, random): Named => {
      if ('recordTags' in network) {
        const hidden = network.recordHidden(tape, sources, random);
        return { hidden, ...network.recordTags(tape, sources, random) };
      }
      const { context } = network.recordPooled(tape, sources, random);
      return { context, ...network.recordProbabilities(tape, sources, random) };
    },
  );
  const results = await runner.run(batch);
  runner.dispose();
  return results;
}

/** Rows [B][length] of a result [steps, B, columns], or [B, columns] and [B, S] of one that has no steps. */
function rowsOf(name: string, { data, shape }: Result, lengths: readonly number[]): number[][] {
  const byStep = name !== 'alignments' && shape.length >= 2 && (shape.length === 3 || name === 'tags');
  const width = shape.at(-1)!;
  if (!byStep) return lengths.map((_, b) => [...data.subarray(b * width, (b + 1) * width)]);
  const columns = shape.length === 3 ? width : 1;
  const at = (t: number, b: number) => (t * shape[1]! + b) * columns;
  return lengths.map((length, b) =>
    Array.from({ length }, (_, t) => [...data.subarray(at(t, b), at(t, b) + columns)]).flat(),
  );
}

/** The same of a fixture's tensor: [B, steps, columns] or [B, columns]. */
function goldenRows({ data, shape }: GoldenTensor, lengths: readonly number[], padded?: number): number[][] {
  const [, steps, columns = 1] = shape as [number, number, number?];
  return lengths.map((length, b) => {
    const row = [...data.subarray(b * steps * columns, (b + 1) * steps * columns)];
    if (shape.length === 3) return row.slice(0, length * columns);
    return padded === undefined ? row : [...row, ...new Array<number>(padded - steps).fill(0)];
  });
}

function expectOutputs(golden: GoldenNetwork, results: Results, batch: Batch): void {
  const writes = !['tagger', 'classifier'].includes(golden.model.type);
  const lengths = [...(writes ? batch.targetLengths : batch.sourceLengths)].slice(0, batch.sentences);
  expect(Object.keys(golden.outputs).length).toBeGreaterThan(1);
  for (const [name, expected] of Object.entries(golden.outputs)) {
    const actual = rowsOf(name, results[name]!, lengths);
    if (Array.isArray(expected)) {
      expect(actual, `${golden.name}: ${name}`).toEqual(expected);
      continue;
    }
    const rows = goldenRows(expected, lengths, name === 'alignments' ? batch.S : undefined);
    expectClose(actual.flat(), rows.flat(), forwardTolerance, `${golden.name}: ${name}`);
  }
}

describe.each(goldenNetworkNames())('%s', (name) => {
  const golden = loadGoldenNetwork(name);
  const { labelSmoothing, loss } = golden;
  const { classWeights } = golden.batch;

  test('outputs, loss and gradients', async () => {
    const network = goldenNetwork(gpu, golden);
    expect(network.parameters.names.sort()).toEqual(Object.keys(golden.parameters).sort());
    const batch = goldenBatch(golden, 2, 3);
    expectOutputs(golden, await forward(network, batch), batch);

    const options = { labelSmoothing, classWeights, scale: 1 / loss.count };
    const step = await createStepRunner(gpu, new ScratchPool(gpu), network, batch, options);
    const gradients = await step.run();
    const statistics = gradients.get('statistics')!;
    expectClose([statistics[statistic.loss]!], [loss.sum], forwardTolerance, `${name}: loss`);
    expect(statistics[statistic.tokens], 'what counts').toBe(batch.targetTokens);
    for (const [parameter, { data }] of Object.entries(golden.gradients)) {
      expectClose(gradients.get(parameter)!, data, gradientTolerance, `${name}: d ${parameter}`);
    }
    step.dispose();
    network.dispose();
  });

  test('the losses of some updates', async () => {
    const network = goldenNetwork(gpu, golden);
    const { learningRate, momentum, losses } = golden.training;
    const options = sgdOptions(momentum, {
      labelSmoothing,
      classWeights: classWeights && Float32Array.from(classWeights),
    });
    const engine = await TrainingEngine.create(gpu, network, new ScratchPool(gpu), options);
    const batch = goldenBatch(golden, 1);
    const found: number[] = [];
    for (const _ of losses) {
      await engine.update([batch], learningRate);
      found.push((await engine.statistics()).loss / loss.count);
    }
    for (const [step, expected] of losses.entries()) {
      // PyTorch's float32 and these losses agree to about 1e-6.
      expectClose([found[step]!], [expected], 1e-5, `${name}: loss ${step}`);
    }
    await engine.dispose();
    network.dispose();
  });
});
