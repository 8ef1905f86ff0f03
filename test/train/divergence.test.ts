/** Where a loss or a gradient is not finite nothing is changed, and it is told. */
import { describe, expect, test } from 'vitest';
import { DivergedError } from '../../src/errors.ts';
import type { Seq2Seq } from '../../src/models/kinds.ts';
import type { TrainingReport } from '../../src/train/reports.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { expectSameBits } from '../setup/bits.ts';
import { testGpu } from '../setup/gpu.ts';
import { everythingOf, type ToyOptions, toyConfig, toyModel, toyTraining } from '../setup/toy.ts';

const gpu = await testGpu();

async function started(options: ToyOptions, updates: number) {
  const model = toyModel(gpu, toyConfig(options));
  const trainer = await model.trainer(model.encodeTraining(toyTraining));
  for await (const report of trainer.run()) if (report.update === updates) break;
  return { model, trainer };
}

async function runOn(trainer: Trainer): Promise<TrainingReport[]> {
  const reports: TrainingReport[] = [];
  for await (const report of trainer.run()) reports.push(report);
  return reports;
}

async function breakParameter(
  model: Seq2Seq,
  name: string,
  value: number,
  index: number,
): Promise<() => void> {
  const values = (await model.network.parameters.read()).get(name)!;
  const broken = values.slice();
  broken[index] = value;
  model.network.parameters.write(name, broken);
  return () => model.network.parameters.write(name, values);
}

/** Ids 4 and up are letters: every one of them is in the first batches. */
const cases = [
  { name: 'encoder.embedding.weight', value: Number.NaN, index: 4 * 6 },
  { name: 'encoder.rnn.weight_hh_l0_reverse', value: Number.NaN, index: 3 },
  { name: 'decoder.rnn.weight_ih_l1', value: Number.NaN, index: 25 },
  { name: 'decoder.attention.linear_in.weight', value: Number.NaN, index: 0 },
  { name: 'decoder.output.weight', value: Number.POSITIVE_INFINITY, index: 4 * 10 },
  { name: 'decoder.output.bias', value: Number.NaN, index: 4 },
  // Of <pad>, which is never a target: max and exp may swallow it.
  { name: 'decoder.output.bias', value: Number.NaN, index: 1 },
];

describe.each(cases)('$value in $name at $index', ({ name, value, index }) => {
  test('ends training with an error and changes neither weights nor moments', async () => {
    const { model, trainer } = await started({ training: { epochs: 1 } }, 3);
    const repair = await breakParameter(model, name, value, index);
    const before = await everythingOf(model, trainer.engine);
    const failure = runOn(trainer);
    await expect(failure).rejects.toThrow(DivergedError);
    await expect(failure).rejects.toThrow(/^the loss or its gradient is no longer finite.*up to update 4\b/);
    expectSameBits(await everythingOf(model, trainer.engine), before, 'after the broken update');
    for (const [parameter, gradient] of await model.network.parameters.readGradients()) {
      expect(
        gradient.every((each) => each === 0),
        `d ${parameter} is cleared`,
      ).toBe(true);
    }
    // Nothing of it is left: with the weight repaired, training goes on.
    repair();
    const reports = await runOn(trainer);
    expect(reports.at(-1)).toMatchObject({ kind: 'end', reason: 'epochs' });
    for (const report of reports) {
      if (report.kind === 'progress') expect(Number.isFinite(report.loss)).toBe(true);
    }
    trainer.dispose();
    model.dispose();
  });
});

test('a gradient whose norm overflows is left out too', async () => {
  // Finite weights and a finite loss, but squares beyond float32.
  const training = { normalization: 'none', clip_grad_norm: null } as const;
  const { model, trainer } = await started({ training }, 2);
  model.network.parameters.write(
    'decoder.output.weight',
    new Float32Array(model.network.outputWeight.size).map((_, i) => (i % 2 === 0 ? 1e30 : -1e30)),
  );
  const before = await everythingOf(model, trainer.engine);
  await expect(runOn(trainer)).rejects.toThrow(DivergedError);
  expectSameBits(await everythingOf(model, trainer.engine), before, 'after the broken update');
  trainer.dispose();
  model.dispose();
});

test('is told at the next report, however far that is', async () => {
  const { model, trainer } = await started({ training: { logging_freq: 100, epochs: 3 } }, 8);
  await breakParameter(model, 'decoder.output.bias', Number.NaN, 4);
  const before = await everythingOf(model, trainer.engine);
  await expect(runOn(trainer)).rejects.toThrow(/\b8\b.*up to update 16\b/);
  expectSameBits(await everythingOf(model, trainer.engine), before, 'after an epoch of broken updates');
  trainer.dispose();
  model.dispose();
});
