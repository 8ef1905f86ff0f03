/**
 * Whole models against PyTorch (test/golden): every cell, score, bridge and direction, with and without input feeding,
 * padded batches. The forward pass is recorded as training records it, gradients come from a training plan's own run, and
 * the ten losses of each optimiser from the training engine.
 */
import { describe, expect, test } from 'vitest';
import type { Batch } from '../../src/data/batches.ts';
import { PAD_ID } from '../../src/data/special-tokens.ts';
import { recordEncoder } from '../../src/nn/encoder.ts';
import type { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { evaluate } from '../../src/ops/evaluate.ts';
import { linear } from '../../src/ops/matmul.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import type { Tensor } from '../../src/scheduler/tensor.ts';
import { TrainingEngine } from '../../src/train/engine.ts';
import { expectClose, forwardTolerance, gradientTolerance } from '../setup/compare.ts';
import { type GoldenSeq2Seq, type GoldenTensor, loadSeq2Seq, seq2seqNames } from '../setup/golden.ts';
import { batchOf, engineOptionsOf, networkOf } from '../setup/golden-model.ts';
import { testGpu } from '../setup/gpu.ts';
import { createStepRunner } from '../setup/step-runner.ts';

/** PyTorch's own float32 stays within 3e-7; this still tells AdamW's decay of 0.01 from none (1.4e-4). */
const lossTolerance = 1e-5;

/** A result [steps, B, columns] of the device as the fixture has it: [B, steps, columns], zeros past each row's length. */
function likeGolden(
  data: Float32Array,
  golden: GoldenTensor,
  lengths: readonly number[],
  width = golden.shape[2]!,
): Float32Array {
  const [batch, steps, columns] = golden.shape as [number, number, number];
  const result = new Float32Array(golden.data.length);
  for (const [b, length] of lengths.entries()) {
    for (let t = 0; t < Math.min(length, steps); t++) {
      const from = (t * batch + b) * width;
      result.set(data.subarray(from, from + columns), (b * steps + t) * columns);
    }
  }
  return result;
}

function weightsOf(golden: GoldenSeq2Seq): Map<string, Float32Array> {
  return new Map(
    Object.entries(golden.parameters).map(([name, { data }]) => [name, Float32Array.from(data)]),
  );
}

async function networkFor(golden: GoldenSeq2Seq): Promise<Seq2SeqNetwork> {
  return networkOf(await testGpu(), golden.config, weightsOf(golden));
}

async function forward(network: Seq2SeqNetwork, batch: Batch) {
  const { B, S, T } = batch;
  const inputs = {
    source: { data: batch.source, shape: [S, B] },
    sourceLengths: { data: batch.sourceLengths, shape: [B] },
    targetInput: { data: batch.targetInput, shape: [T, B] },
    targetOutput: { data: batch.targetOutput, shape: [T, B] },
    random: { data: new Uint32Array(4), shape: [4] },
    sampling: { data: new Float32Array(1), shape: [1] },
  };
  const { outputs } = await evaluate(await testGpu(), inputs, (tape, tensors) => {
    const { config, parameters, outputWeight, outputBias } = network;
    const { memory, finalStates } = recordEncoder(tape, parameters, config, {
      source: tensors.source,
      lengths: tensors.sourceLengths,
      random: tensors.random,
      paddingIndex: PAD_ID,
    });
    const { output, alignments } = network.recordForward(tape, tensors, {
      random: tensors.random,
      sampling: tensors.sampling,
    });
    const states = finalStates().flatMap((perState, layer) =>
      perState.map((state, index) => [`${'hc'[index]}${layer}`, state] as const),
    );
    const logits = linear(tape, output, outputWeight, outputBias);
    return { memory, output, alignments, logits, ...Object.fromEntries(states) } as Record<string, Tensor>;
  });
  return outputs;
}

function expectForward(golden: GoldenSeq2Seq, outputs: Awaited<ReturnType<typeof forward>>): void {
  const { sourceLengths, targetLengths } = golden.batch;
  const compare = (name: string, result: string, expected: GoldenTensor, lengths: readonly number[]) =>
    expectClose(
      likeGolden(outputs[result]!.data, expected, lengths),
      expected.data,
      forwardTolerance,
      `${golden.name}: ${name}`,
    );
  compare('memory', 'memory', golden.memory, sourceLengths);
  compare('attention', 'alignments', golden.attention, targetLengths);
  compare('attentional', 'output', golden.attentional, targetLengths);
  compare('logits', 'logits', golden.logits, targetLengths);
  for (const [name, { shape, data }] of Object.entries(golden.finalStates)) {
    const size = shape[1]! * shape[2]!;
    for (let layer = 0; layer < golden.config.layers; layer++) {
      const expected = data.subarray(layer * size, (layer + 1) * size);
      const actual = outputs[`${name}${layer}`]!.data;
      expectClose(actual, expected, forwardTolerance, `${golden.name}: final ${name} of layer ${layer}`);
    }
  }
}

/** Alignments beyond a source's length are exactly zero, those within sum to one. */
function expectMasked(golden: GoldenSeq2Seq, { data }: { data: Float32Array }): void {
  const [B, T, S] = golden.attention.shape as [number, number, number];
  for (let t = 0; t < T; t++) {
    for (let b = 0; b < B; b++) {
      const row = [...data.subarray((t * B + b) * S, (t * B + b + 1) * S)];
      const length = golden.batch.sourceLengths[b]!;
      expect(row.slice(length)).toEqual(new Array<number>(S - length).fill(0));
      expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
    }
  }
}

async function lossAndGradients(network: Seq2SeqNetwork, golden: GoldenSeq2Seq) {
  const gpu = await testGpu();
  const { labelSmoothing, normalization } = golden.config;
  const batch = batchOf(golden.batch);
  const count = normalization === 'sentences' ? batch.sentences : batch.targetTokens;
  const options = { labelSmoothing, scale: 1 / count };
  const step = await createStepRunner(gpu, new ScratchPool(gpu), network, batch, options);
  const gradients = await step.run();
  const statistics = gradients.get('statistics')!;
  gradients.delete('statistics');
  step.dispose();
  return { statistics, gradients, count };
}

describe.each(seq2seqNames())('%s', (name) => {
  const golden = loadSeq2Seq(name);

  test('forward, loss and gradients', async () => {
    const network = await networkFor(golden);
    const outputs = await forward(network, batchOf(golden.batch));
    expectForward(golden, outputs);
    expectMasked(golden, outputs.alignments!);
    const { statistics, gradients, count } = await lossAndGradients(network, golden);
    expect(statistics[statistic.tokens]).toBe(golden.batch.targetLengths.reduce((a, b) => a + b, 0));
    expectClose([statistics[statistic.loss]!], [golden.loss.sum], forwardTolerance, `${name}: loss`);
    expectClose(
      [statistics[statistic.loss]! / count],
      [golden.loss.normalized],
      forwardTolerance,
      `${name}: normalised loss`,
    );
    expect([...gradients.keys()].sort()).toEqual(Object.keys(golden.gradients).sort());
    for (const [parameter, expected] of Object.entries(golden.gradients)) {
      expectClose(gradients.get(parameter)!, expected.data, gradientTolerance, `${name}: d ${parameter}`);
    }
    network.dispose();
  });

  test.each(golden.trainings.map((training) => ({ label: trainingLabel(training), training })))(
    'ten losses: $label',
    async ({ training }) => {
      const gpu = await testGpu();
      const network = await networkFor(golden);
      const options = engineOptionsOf(golden.config, training);
      const engine = await TrainingEngine.create(gpu, network, new ScratchPool(gpu), options);
      const batch = batchOf(golden.batch);
      const count = options.normalization === 'batch' ? batch.sentences : batch.targetTokens;
      const losses: number[] = [];
      const norms: number[] = [];
      for (let step = 0; step < training.losses.length; step++) {
        await engine.update([batch], training.learningRate);
        const { loss, gradientNorm } = await engine.statistics();
        losses.push(loss / count);
        norms.push(gradientNorm);
      }
      await engine.dispose();
      network.dispose();
      for (const [step, expected] of training.losses.entries()) {
        expectClose([losses[step]!], [expected], lossTolerance, `${name}: loss ${step}`);
        const norm = training.gradientNorms[step]!;
        expectClose([norms[step]!], [norm], gradientTolerance, `${name}: gradient norm ${step}`);
      }
    },
  );
});

function trainingLabel({
  optimizer,
  maxGradientNorm,
  weightDecay,
}: GoldenSeq2Seq['trainings'][number]): string {
  const clip = maxGradientNorm === undefined ? '' : `, clipped at ${maxGradientNorm}`;
  return `${optimizer}, decay ${weightDecay}${clip}`;
}
