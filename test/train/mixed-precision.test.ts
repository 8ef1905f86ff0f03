/**
 * Mixed precision: gradients of every type of model against PyTorch's in float64, loss scaling on the device, and
 * checkpoints. It needs 16-bit floats; on an adapter without them what must happen is a clear error.
 */
import { describe, expect, test } from 'vitest';
import { DivergedError, LimitsError } from '../../src/errors.ts';
import { restoreCheckpoint, saveCheckpoint } from '../../src/models/checkpoint.ts';
import { Seq2Seq } from '../../src/models/kinds.ts';
import { readModelDescription } from '../../src/models/model-files.ts';
import { statistic } from '../../src/ops/cross-entropy.ts';
import { luongAttention } from '../../src/ops/functions/attention.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import type { ProgressReport } from '../../src/train/reports.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { expectSameBits } from '../setup/bits.ts';
import { expectClose } from '../setup/compare.ts';
import {
  goldenBatch,
  goldenNetwork,
  goldenNetworkNames,
  loadGoldenNetwork,
} from '../setup/golden-networks.ts';
import { testGpu } from '../setup/gpu.ts';
import { createStepRunner } from '../setup/step-runner.ts';
import { everythingOf, type ToyOptions, toyBatches, toyConfig, toyModel, toyTraining } from '../setup/toy.ts';

const gpu = await testGpu();
const mixed = (training: ToyOptions['training'] = {}): ToyOptions => ({
  training: { precision: 'mixed', epochs: 1, ...training },
});

async function begun(options: ToyOptions): Promise<{ model: Seq2Seq; trainer: Trainer; end: () => void }> {
  const model = toyModel(gpu, toyConfig(options));
  const trainer = await model.trainer(model.encodeTraining(toyTraining));
  const end = () => {
    trainer.dispose();
    model.dispose();
  };
  return { model, trainer, end };
}

async function progressOf(trainer: Trainer, until = Number.POSITIVE_INFINITY): Promise<ProgressReport[]> {
  const reports: ProgressReport[] = [];
  for await (const report of trainer.run()) {
    if (report.kind === 'progress') reports.push({ ...report, seconds: 0 });
    if (report.update >= until) break;
  }
  return reports;
}

// What a binary16 rounds by, relative to the value; the largest of a gradient stands for all of it.
const rounding = 2 ** -11;

if (gpu.halves) {
  describe('gradients are those of PyTorch', () => {
    test.each(goldenNetworkNames())('%s', async (name) => {
      const golden = loadGoldenNetwork(name);
      const network = goldenNetwork(gpu, golden);
      const pool = new ScratchPool(gpu);
      const { sum, count } = golden.loss;
      const runner = await createStepRunner(gpu, pool, network, goldenBatch(golden, 1, 1), {
        scale: 1 / count,
        labelSmoothing: golden.labelSmoothing,
        classWeights: golden.batch.classWeights,
        lossScale: 1024,
      });
      expect(runner.plan.dispatches.some(({ shader }) => shader.code.startsWith('enable f16;'))).toBe(true);
      const left = await runner.run();
      expectClose([left.get('statistics')![statistic.loss]! / sum], [1], 8 * rounding, 'loss');
      for (const [parameter, { data }] of Object.entries(golden.gradients)) {
        expectClose(left.get(parameter)!, data, 24 * rounding, `d ${parameter}`);
      }
      runner.dispose();
      network.dispose();
    });
  });

  test.each([
    { cell: 'lstm', decoder: { attention: { score: 'dot' }, num_layers: 2 }, encoder: { residual: true } },
    { cell: 'gru', decoder: { attention: { score: 'concat' }, input_feeding: true, bridge: 'linear' } },
    {
      cell: 'gru_reset_before',
      decoder: { attention: { score: 'general' }, embeddings: { embedding_dim: 10 } },
      tied_softmax: true,
    },
    { cell: 'rnn', nonlinearity: 'relu', decoder: { attention: { score: 'general' }, input_feeding: true } },
  ] satisfies ToyOptions['model'][])('gradients with attention are those of f32: %o', async (model) => {
    const toy = toyModel(gpu, toyConfig({ model }));
    const [batch] = toyBatches(toy, 16);
    const gradients = [];
    for (const lossScale of [undefined, 4096]) {
      const pool = new ScratchPool(gpu);
      const scale = 1 / batch!.targetTokens;
      const options = { scale, forcing: 'argmax', ...(lossScale && { lossScale }) } as const;
      const runner = await createStepRunner(gpu, pool, toy.network, batch!, options);
      gradients.push(await runner.run());
      runner.dispose();
    }
    const [full, half] = gradients;
    for (const [name, expected] of full!) expectClose(half!.get(name)!, expected, 32 * rounding, name);
    toy.dispose();
  });

  test('a whole training goes as in f32, on weights that are f32', async () => {
    const plain = { ...mixed({ epochs: 4 }), model: { encoder: { dropout: 0 } } };
    const [half, full] = await Promise.all(
      (['mixed', 'f32'] as const).map(async (precision) => {
        const { model, trainer, end } = await begun({
          ...plain,
          training: { ...plain.training, precision },
        });
        const reports = await progressOf(trainer);
        const validation = await model.evaluate(toyTraining);
        end();
        return { reports, validation };
      }),
    );
    for (const [index, { loss }] of half!.reports.entries()) {
      expect(Math.abs(loss / full!.reports[index]!.loss - 1)).toBeLessThan(0.02);
    }
    expect(half!.reports.at(-1)!.lossScale).toBe(2 ** 16);
    expect(full!.reports[0]).not.toHaveProperty('lossScale');
    expect(Math.abs(half!.validation.loss / full!.validation.loss - 1)).toBeLessThan(0.02);
  });

  test('a scale that is too large: the update is left out, the scale halved, training goes on', async () => {
    const { model, trainer, end } = await begun(mixed());
    trainer.engine.writeLossScale([2 ** 24, 2 ** -24, 1999, 0]);
    const before = await everythingOf(model, trainer.engine);
    const left = { overflows: 1, lossScale: 2 ** 23, gradientNorm: 0 };
    expect((await progressOf(trainer, 1))[0]).toMatchObject(left);
    expect(await trainer.engine.readLossScale()).toEqual([2 ** 23, 2 ** -23, 0, 0]);
    expectSameBits(await everythingOf(model, trainer.engine), before, 'after the overflow');
    const reports = await progressOf(trainer);
    const { lossScale, gradientNorm, loss } = reports.at(-1)!;
    expect(lossScale).toBeLessThanOrEqual(2 ** 23);
    expect(gradientNorm).toBeGreaterThan(0);
    expect(loss).toBeLessThan(reports[0]!.loss);
    end();
  });

  test('after 2000 good updates the scale is doubled; weights do not depend on it where nothing overflows', async () => {
    const runs = [];
    for (const made of [0, 1999]) {
      const { model, trainer, end } = await begun(mixed());
      trainer.engine.writeLossScale([256, 1 / 256, made, 0]);
      const [first] = await progressOf(trainer, 1);
      runs.push({ first, tensors: await everythingOf(model, trainer.engine) });
      end();
    }
    expect(runs.map(({ first }) => first!.lossScale)).toEqual([256, 512]);
    expectSameBits(runs[1]!.tensors, runs[0]!.tensors, 'the update before');
  });

  test('diverges where no scale is left, or where it is the loss that is not finite', async () => {
    for (const scale of [1, 2 ** 16]) {
      const { model, trainer, end } = await begun(mixed({ normalization: 'none' }));
      trainer.engine.writeLossScale([scale, 1 / scale, 0, 0]);
      const name = scale === 1 ? 'decoder.output.weight' : 'decoder.output.bias';
      const broken = (await model.network.parameters.read()).get(name)!;
      // At a scale of 1 a finite loss whose gradient is beyond f16; else a loss that is none.
      model.network.parameters.write(
        name,
        scale === 1 ? broken.map((_, i) => (i % 3 === 0 ? 6e4 : -6e4)) : broken.fill(Number.NaN),
      );
      const before = await everythingOf(model, trainer.engine);
      await expect(progressOf(trainer)).rejects.toThrow(DivergedError);
      expectSameBits(await everythingOf(model, trainer.engine), before, 'after the broken update');
      end();
    }
  });

  test('a checkpoint goes on bit-equal, scale and all, and holds what f32 can load', async () => {
    const options = mixed({ epochs: 2 });
    const overflow = [2 ** 24, 2 ** -24, 0, 0];
    const whole = await begun(options);
    whole.trainer.engine.writeLossScale(overflow);
    const expected = await progressOf(whole.trainer);
    const tensors = await everythingOf(whole.model, whole.trainer.engine);
    whole.end();
    const first = await begun(options);
    first.trainer.engine.writeLossScale(overflow);
    const before = await progressOf(first.trainer, 5);
    const files = await saveCheckpoint(first.model, first.trainer);
    const { vocabularies } = readModelDescription(first.model.description());
    first.end();
    const second = Seq2Seq.create(gpu, toyConfig(options), vocabularies);
    const trainer = await second.trainer(second.encodeTraining(toyTraining));
    restoreCheckpoint(second, trainer, files, 'the checkpoint');
    expect([...before, ...(await progressOf(trainer))]).toEqual(expected);
    expectSameBits(await everythingOf(second, trainer.engine), tensors, 'weights and moments');
    trainer.dispose();
    second.dispose();
    const third = await begun({ training: { epochs: 2 } });
    restoreCheckpoint(third.model, third.trainer, files, 'the checkpoint');
    expect((await progressOf(third.trainer)).every(({ loss }) => Number.isFinite(loss))).toBe(true);
    third.end();
  });

  test('a step takes less than four fifths of the memory', async () => {
    const bytes = [];
    for (const precision of ['f32', 'mixed'] as const) {
      const { trainer, end } = await begun({ training: { precision, batch_size: 60, pool_batches: 1 } });
      bytes.push(await trainer.prepare());
      end();
    }
    expect(bytes[1]! / bytes[0]!).toBeLessThan(0.8);
  });
} else {
  test('says that the adapter has no 16-bit floats, and what to do', async () => {
    const model = toyModel(gpu, toyConfig(mixed()));
    const trainer = model.trainer(model.encodeTraining(toyTraining));
    await expect(trainer).rejects.toThrow(LimitsError);
    await expect(trainer).rejects.toThrow(/shader-f16.*set training\.precision to f32/);
    model.dispose();
    const x = (shape: number[]) => ({ data: new Float32Array(shape.reduce((a, b) => a * b)), shape });
    const inputs = { query: x([1, 1, 2]), memory: x([1, 1, 2]), linearOut: x([2, 4]) };
    await expect(luongAttention.half(gpu, inputs)).rejects.toThrow(LimitsError);
  });
}
