/**
 * A checkpoint, carried as bytes into a new model and a new trainer, goes on bit-equal to never having stopped: reports,
 * weights and moments. With dropout, a plateau schedule, validation, and stops of every kind.
 */
import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../src/errors.ts';
import { restoreCheckpoint, saveCheckpoint } from '../../src/models/checkpoint.ts';
import { Seq2Seq } from '../../src/models/kinds.ts';
import { type ModelFiles, readModelDescription } from '../../src/models/model-files.ts';
import type { TrainingReport } from '../../src/train/reports.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { expectSameBits } from '../setup/bits.ts';
import { testGpu } from '../setup/gpu.ts';
import { everythingOf, type ToyOptions, toyConfig, toyModel, toyPairs, toyTraining } from '../setup/toy.ts';

const gpu = await testGpu();

/** 8 updates an epoch. Validations every 3 and reports every 4 updates fall between the stops. */
const training: ToyOptions['training'] = {
  ...{ epochs: 2, logging_freq: 4, save_freq: 5, validation_freq: 3, validation_unit: 'updates' },
  ...{ scheduling: 'plateau', patience: 0, decrease_factor: 0.5, early_stopping_metric: 'accuracy' },
};
const dev = toyPairs(2, 5, 7);

const stops: Record<string, (report: TrainingReport) => boolean> = {
  'a checkpoint between two reports (5)': ({ kind, update }) => kind === 'checkpoint' && update === 5,
  'the report of an epoch’s last update (8)': ({ kind, update }) => kind === 'progress' && update === 8,
  'a validation (9)': ({ kind, update }) => kind === 'validation' && update === 9,
  'the checkpoint after it (9)': ({ kind, update }) => kind === 'checkpoint' && update === 9,
  'a report whose validation is still due (12)': ({ kind, update }) => kind === 'progress' && update === 12,
  'the last update’s report, its validation due (16)': ({ kind, update }) =>
    kind === 'progress' && update === 16,
};

const runs: Record<string, { options: ToyOptions; stops: string[] }> = {
  'adam, dropout, plateau': {
    options: { training, testing: { eval_metrics: ['wer'] } },
    stops: Object.keys(stops),
  },
  'sgd with momentum, two micro-batches, warm-up': {
    options: {
      model: {
        cell: 'gru',
        encoder: { num_layers: 1, dropout: 0 },
        decoder: { dropout: 0, input_feeding: true },
      },
      training: {
        ...{ ...training, optimizer: 'sgd', momentum: 0.9, learning_rate: 0.2 },
        ...{ batch_size: 4, batch_multiplier: 2, scheduling: 'inverse_sqrt', learning_rate_warmup: 5 },
      },
      testing: { eval_metrics: ['token_accuracy'] },
    },
    stops: Object.keys(stops).slice(0, 2),
  },
};

/** How long a thing took is not part of what must be equal. */
const untimed = (report: TrainingReport): TrainingReport =>
  report.kind === 'progress' ? { ...report, seconds: 0 } : report;

interface Training {
  readonly model: Seq2Seq;
  readonly trainer: Trainer;
}

async function begin(options: ToyOptions): Promise<Training> {
  const model = toyModel(gpu, toyConfig(options));
  return { model, trainer: await model.trainer(model.encodeTraining(toyTraining), dev) };
}

function end({ model, trainer }: Training): void {
  trainer.dispose();
  model.dispose();
}

/** Reports until `stop` says so or training ends. */
async function reportsOf(
  { trainer }: Training,
  stop: (report: TrainingReport) => boolean = () => false,
  signal?: AbortSignal,
): Promise<TrainingReport[]> {
  const reports: TrainingReport[] = [];
  for await (const report of trainer.run(signal)) {
    reports.push(untimed(report));
    if (stop(report)) break;
  }
  return reports;
}

/** A new model and trainer from nothing but the bytes. */
async function restored(options: ToyOptions, description: ModelFiles, files: ModelFiles): Promise<Training> {
  const model = Seq2Seq.create(gpu, toyConfig(options), readModelDescription(description).vocabularies);
  const trainer = await model.trainer(model.encodeTraining(toyTraining), dev);
  restoreCheckpoint(model, trainer, files, 'the checkpoint');
  return { model, trainer };
}

describe.each(Object.entries(runs))('%s', (_, { options, stops: stopped }) => {
  const whole = (async () => {
    const run = await begin(options);
    const reports = await reportsOf(run);
    const tensors = await everythingOf(run.model, run.trainer.engine);
    const { state } = run.trainer;
    end(run);
    return { reports, tensors, state };
  })();

  test('the run has what the stops need', async () => {
    const { reports, state } = await whole;
    expect(reports.at(-1)).toMatchObject({ kind: 'end', reason: 'epochs', update: 16, epoch: 2 });
    const rates = reports.flatMap((report) => (report.kind === 'progress' ? [report.learningRate] : []));
    expect(new Set(rates).size, 'several learning rates').toBeGreaterThan(1);
    expect(state).toMatchObject({ epoch: 2, updatesInEpoch: 0, validated: true });
    const { batch_multiplier = 1 } = options.training ?? {};
    // The last update of an epoch of 15 batches has one micro-batch alone.
    expect(state.engine).toMatchObject({ updates: 16, microSteps: batch_multiplier === 1 ? 16 : 30 });
    for (const stop of Object.values(stops)) expect(reports.filter(stop).length).toBe(1);
  });

  test.each(stopped)('stopped at %s', async (name) => {
    const stop = stops[name]!;
    const expected = await whole;
    const first = await begin(options);
    const before = await reportsOf(first, stop);
    const files = await saveCheckpoint(first.model, first.trainer);
    const description = first.model.description();
    end(first);

    const second = await restored(options, description, files);
    const after = await reportsOf(second);
    expectSameBits(
      await everythingOf(second.model, second.trainer.engine),
      expected.tensors,
      'weights and moments',
    );
    expect(withoutFollowers([...before, ...after])).toEqual(withoutFollowers(expected.reports));
    expect(second.trainer.state).toEqual(expected.state);
    end(second);
  });

  /** A loop that is left at a validation does not see the checkpoint report that follows it: the caller saved. */
  function withoutFollowers(reports: readonly TrainingReport[]): TrainingReport[] {
    return reports.filter(({ kind, update }) => !(kind === 'checkpoint' && update === 9));
  }

  test('aborted between two validations', async () => {
    const expected = await whole;
    const first = await begin(options);
    const abort = new AbortController();
    const before = await reportsOf(
      first,
      ({ update }) => {
        if (update === 4) abort.abort();
        return false;
      },
      abort.signal,
    );
    expect(before.at(-1)).toEqual({ kind: 'end', reason: 'aborted', update: 4, epoch: 1 });
    const files = await saveCheckpoint(first.model, first.trainer);
    const description = first.model.description();
    end(first);
    const second = await restored(options, description, files);
    const after = await reportsOf(second);
    expect([...before.slice(0, -1), ...after]).toEqual(expected.reports);
    expectSameBits(
      await everythingOf(second.model, second.trainer.engine),
      expected.tensors,
      'weights and moments',
    );
    end(second);
  });
});

test('a checkpoint loaded and saved again is the same bytes', async () => {
  const options = runs['adam, dropout, plateau']!.options;
  const first = await begin(options);
  await reportsOf(first, ({ update }) => update === 5);
  const files = await saveCheckpoint(first.model, first.trainer);
  const second = await restored(options, first.model.description(), files);
  expect(await saveCheckpoint(second.model, second.trainer)).toEqual(files);
  end(first);
  end(second);
});

describe('a checkpoint that does not fit is named, and changes nothing', () => {
  const options: ToyOptions = { training: { epochs: 1 } };

  async function checkpoint(): Promise<{ files: ModelFiles; description: ModelFiles }> {
    const run = await begin(options);
    await reportsOf(run, ({ update }) => update === 2);
    const files = await saveCheckpoint(run.model, run.trainer);
    const description = run.model.description();
    end(run);
    return { files, description };
  }

  async function refused(files: ModelFiles, other: ToyOptions = options): Promise<string> {
    const run = await begin(other);
    const before = await everythingOf(run.model, run.trainer.engine);
    const { state } = run.trainer;
    let message = '';
    try {
      restoreCheckpoint(run.model, run.trainer, files, 'runs/x');
    } catch (error) {
      expect(error).toBeInstanceOf(CheckpointError);
      message = (error as Error).message;
    }
    expectSameBits(await everythingOf(run.model, run.trainer.engine), before, 'the refusing model');
    expect(run.trainer.state).toEqual(state);
    end(run);
    return message;
  }

  test('of another optimiser', async () => {
    const { files } = await checkpoint();
    expect(await refused(files, { training: { optimizer: 'sgd' } })).toBe(
      'runs/x was trained with adam, not sgd: set training.optimizer to adam, or training.reset_optimizer to true',
    );
  });

  test('of another size', async () => {
    const { files } = await checkpoint();
    expect(await refused(files, { model: { encoder: { hidden_size: 6 } } })).toContain('runs/x');
  });

  test.each(['model.safetensors', 'optimizer.safetensors', 'state.json'])('without %s', async (name) => {
    const { files } = await checkpoint();
    files.delete(name);
    expect(await refused(files)).toContain(`runs/x has no ${name}`);
  });

  test.each(['model.safetensors', 'optimizer.safetensors', 'state.json'])('with half of %s', async (name) => {
    const { files } = await checkpoint();
    files.set(name, files.get(name)!.subarray(0, files.get(name)!.length / 2));
    expect(await refused(files)).toContain(`runs/x: ${name}`);
  });

  test('weights alone may be taken over, without the optimiser’s moments', async () => {
    const { files, description } = await checkpoint();
    const model = Seq2Seq.create(
      gpu,
      toyConfig({ training: { optimizer: 'sgd' } }),
      readModelDescription(description).vocabularies,
    );
    const trainer = await model.trainer(model.encodeTraining(toyTraining));
    restoreCheckpoint(model, trainer, files, 'runs/x', { resetOptimizer: true, startOver: true });
    expect(trainer.state).toMatchObject({ engine: { updates: 0, microSteps: 0 }, epoch: 0 });
    expect(await model.saveWeights()).toEqual(files.get('model.safetensors'));
    end({ model, trainer });
  });

  test('moments that are taken over keep their step counts, also those of parameters that are frozen at first', async () => {
    const { files, description } = await checkpoint();
    const model = Seq2Seq.create(
      gpu,
      toyConfig({ training: { epochs: 2, parameter_groups: [{ pattern: 'encoder.*', frozen_epochs: 1 }] } }),
      readModelDescription(description).vocabularies,
    );
    const trainer = await model.trainer(model.encodeTraining(toyTraining));
    restoreCheckpoint(model, trainer, files, 'runs/x', { startOver: true });
    const { updates } = trainer.engine.state;
    expect(updates).toBeGreaterThan(0);
    for await (const _ of trainer.run());
    expect(trainer.engine.state.updates).toBeGreaterThan(updates);
    expect(trainer.engine.state.stepOffsets).toEqual({ 'encoder.*': 0, '*': 0 });
    end({ model, trainer });
  });
});
