/** The loop around the updates: when it ends, validates, reports, saves, and which learning rate it takes. */
import { describe, expect, test } from 'vitest';
import { countCalls } from '../../src/bench/watch-calls.ts';
import { ConfigError } from '../../src/errors.ts';
import type { Seq2Seq } from '../../src/models/kinds.ts';
import { initialScheduleState, learningRate } from '../../src/optim/schedules.ts';
import { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import type { TrainingConfig } from '../../src/train/config/types.ts';
import type {
  CheckpointReport,
  EndReport,
  ProgressReport,
  TextScores,
  TrainingReport,
  Validation,
  ValidationReport,
} from '../../src/train/reports.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { trainingSet } from '../../src/train/training-set.ts';
import { expectSameBits } from '../setup/bits.ts';
import { testGpu } from '../setup/gpu.ts';
import { everythingOf, plainModel, toyConfig, toyModel, toyPairs } from '../setup/toy.ts';

const gpu = await testGpu();
/** 5 updates an epoch. */
const pairs = toyPairs(21, 20, 5);
const updatesPerEpoch = 5;

/** What a scripted validation says; loss unless it is told otherwise. */
type Script = readonly (number | Partial<Validation>)[];

function scripted(script: Script): () => Promise<Validation> {
  let at = 0;
  return async () => {
    const step = script[at++];
    if (step === undefined) throw new Error(`validated ${at} times`);
    const said = typeof step === 'number' ? { loss: step } : step;
    return { loss: 1, perplexity: Math.E, accuracy: 0.5, scores: {}, samples: [], ...said };
  };
}

interface Case {
  readonly model: Seq2Seq;
  readonly trainer: Trainer;
  readonly training: TrainingConfig;
}

async function create(training: Partial<TrainingConfig>, script?: Script): Promise<Case> {
  const config = toyConfig({
    model: { ...plainModel, cell: 'rnn' },
    training: { batch_size: 4, bucket_width: 6, ...training },
    testing: { eval_metrics: ['wer', 'bleu'] },
  });
  const model = toyModel(gpu, config, pairs);
  const trainer = await Trainer.create({
    gpu,
    network: model.network,
    pool: new ScratchPool(gpu),
    training: config.training,
    train: trainingSet(model.encodeTraining(pairs), config.training),
    validate: script && scripted(script),
  });
  return { model, trainer, training: config.training };
}

async function collect(reports: AsyncIterable<TrainingReport>): Promise<TrainingReport[]> {
  const all: TrainingReport[] = [];
  for await (const report of reports) all.push(report);
  return all;
}

async function run(training: Partial<TrainingConfig>, script?: Script): Promise<TrainingReport[]> {
  const { model, trainer } = await create(training, script);
  const reports = await collect(trainer.run());
  trainer.dispose();
  model.dispose();
  return reports;
}

const progress = (reports: readonly TrainingReport[]) =>
  reports.filter((report): report is ProgressReport => report.kind === 'progress');
const validations = (reports: readonly TrainingReport[]) =>
  reports.filter((report): report is ValidationReport => report.kind === 'validation');
const checkpoints = (reports: readonly TrainingReport[]) =>
  reports.filter((report): report is CheckpointReport => report.kind === 'checkpoint');
const updatesOf = (reports: readonly TrainingReport[]) => reports.map(({ update }) => update);
const end = (reports: readonly TrainingReport[]) => reports.at(-1) as EndReport;

describe('the end', () => {
  test.each([
    [{ epochs: 2, updates: null }, 'epochs', 10, 2],
    [{ epochs: null, updates: 7 }, 'updates', 7, 2],
    [{ epochs: 2, updates: 7 }, 'updates', 7, 2],
    [{ epochs: 1, updates: 7 }, 'epochs', 5, 1],
  ] as const)('%o: %s', async (training, reason, update, epoch) => {
    const reports = await run(training);
    expect(end(reports)).toEqual({ kind: 'end', reason, update, epoch });
    expect(updatesOf(progress(reports))).toEqual(Array.from({ length: update }, (_, i) => i + 1));
  });

  test('reached, a second run says so at once', async () => {
    const { model, trainer } = await create({ epochs: 1 });
    const first = await collect(trainer.run());
    expect(await collect(trainer.run())).toEqual([end(first)]);
    trainer.dispose();
    model.dispose();
  });

  test('comes early after validations without improvement; the last one is saved too', async () => {
    const script = [3, 2, 2.5, 2, 1.5, 1.6, 1.7, 1.5];
    const reports = await run(
      {
        epochs: 99,
        validation_freq: 2,
        validation_unit: 'updates',
        early_stopping_patience: 3,
      },
      script,
    );
    expect(validations(reports).map(({ score, best, update }) => ({ score, best, update }))).toEqual(
      script.map((score, index) => ({
        score,
        best: [0, 1, 4].includes(index),
        update: 2 * (index + 1),
      })),
    );
    expect(end(reports)).toEqual({ kind: 'end', reason: 'early stopping', update: 16, epoch: 4 });
    expect(checkpoints(reports).map(({ score }) => score)).toEqual(script);
  });

  test.each([
    ['loss', [{ loss: 2 }, { loss: 1 }, { loss: 3 }]],
    ['ppl', [{ perplexity: 9 }, { perplexity: 3 }, { perplexity: 4 }]],
    ['wer', [{ wer: 80 }, { wer: 20 }, { wer: 30 }]],
    ['accuracy', [{ accuracy: 0.1 }, { accuracy: 0.3 }, { accuracy: 0.2 }]],
    ['bleu', [{ bleu: 5 }, { bleu: 20 }, { bleu: 10 }]],
  ] as const)('%s is better in its own direction', async (metric, values) => {
    const script = values.map((value: Partial<Validation> & TextScores) => ({ ...value, scores: value }));
    const reports = await run(
      { early_stopping_metric: metric, early_stopping_patience: 1, epochs: 9 },
      script,
    );
    expect(validations(reports).map(({ best }) => best)).toEqual([true, true, false]);
    expect(validations(reports).map(({ score }) => score)).toEqual(
      values.map((value) => Object.values(value)[0]),
    );
    expect(end(reports)).toMatchObject({ reason: 'early stopping', epoch: 3 });
  });

  test('a score that is not finite is never the best', async () => {
    const script = [Number.NaN, 2, Number.NaN, Number.NEGATIVE_INFINITY, 1];
    const reports = await run({ epochs: 5 }, script);
    expect(validations(reports).map(({ best }) => best)).toEqual([false, true, false, false, true]);
  });

  test('a metric that validation does not score is an error that names it', async () => {
    const failing = run({ early_stopping_metric: 'bleu', epochs: 1 }, [1]);
    await expect(failing).rejects.toThrow(ConfigError);
    await expect(failing).rejects.toThrow('early_stopping_metric: bleu');
  });
});

describe('reports', () => {
  test('come every logging_freq updates and at the end of an epoch, and count every token once', async () => {
    const every = await run({ epochs: 2, logging_freq: 1 });
    const few = await run({ epochs: 2, logging_freq: 3 });
    expect(updatesOf(progress(few))).toEqual([3, 5, 6, 9, 10]);
    expect(progress(few).map(({ epoch }) => epoch)).toEqual([1, 1, 2, 2, 2]);
    const tokens = (reports: readonly ProgressReport[]) =>
      reports.reduce((sum, each) => sum + each.tokens, 0);
    expect(tokens(progress(few))).toBe(tokens(progress(every)));
    // The mean of a report is that of its updates' tokens.
    const first = progress(every).slice(0, 3);
    const loss = first.reduce((sum, each) => sum + each.loss * each.tokens, 0) / tokens(first);
    expect(progress(few)[0]!.loss).toBeCloseTo(loss, 5);
    expect(progress(few)[0]!.perplexity).toBeCloseTo(Math.exp(loss), 3);
    const norm = first.reduce((sum, each) => sum + each.gradientNorm, 0) / 3;
    expect(progress(few)[0]!.gradientNorm).toBeCloseTo(norm, 5);
    expect(progress(few)[0]!.seconds).toBeGreaterThan(0);
  });

  test('and `onUpdate` say how much is done, from none to all', async () => {
    const { model, trainer } = await create({ epochs: 2, logging_freq: 5 });
    const heard: number[] = [];
    const reports = await collect(trainer.run(undefined, (done) => heard.push(done)));
    const expected = Array.from({ length: 2 * updatesPerEpoch }, (_, i) => (i + 1) / (2 * updatesPerEpoch));
    expect(heard.length).toBe(expected.length);
    for (const [index, done] of heard.entries()) expect(done).toBeCloseTo(expected[index]!, 12);
    expect(progress(reports).map(({ done }) => done)).toEqual([0.5, 1]);
    trainer.dispose();
    model.dispose();
  });

  test('are the only reason to read back', async () => {
    const { model, trainer } = await create({ epochs: 2, logging_freq: 4 });
    const calls = countCalls(gpu.device);
    try {
      const reports = await collect(trainer.run());
      expect(progress(reports).length).toBe(4);
      expect(calls.count('GPUBuffer.mapAsync')).toBe(4);
      expect(calls.count('GPUQueue.submit')).toBe(10 + 4); // updates, read backs
    } finally {
      calls.stop();
    }
    trainer.dispose();
    model.dispose();
  });

  test('of the plan: every dispatch of the largest batch and of the update', async () => {
    const { model, trainer } = await create({ epochs: 1 });
    const lines = (await trainer.describePlan()).split('\n');
    const heads = lines.filter((line) => line.startsWith('plan '));
    expect(heads[0]).toMatch(
      /^plan train B4 S6 T\d+: \d+ dispatches, \d+ slots, .* of scratch \(lower bound .*\)$/,
    );
    expect(heads[1]).toMatch(/^plan update \(adam\): \d+ dispatches/);
    const counted = heads.map((head) => Number(/: (\d+) dispatches/.exec(head)![1]));
    expect(lines.length).toBe(2 + counted[0]! + counted[1]!);
    for (const kernel of [
      'embedding/forward',
      'rnn-cell',
      'matmul',
      'softmax',
      'cross-entropy/gradient',
      'adam/',
    ])
      expect(
        lines.some((line) => line.includes(kernel)),
        kernel,
      ).toBe(true);
    trainer.dispose();
    model.dispose();
  });

  test('of a loss that falls', async () => {
    const losses = progress(await run({ epochs: 8, learning_rate: 0.02 })).map(({ loss }) => loss);
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
    expect(mean(losses.slice(-5))).toBeLessThan(0.8 * mean(losses.slice(0, 5)));
  });
});

describe('validations and checkpoints', () => {
  test.each([
    [{ validation_freq: 1, validation_unit: 'epochs' }, [5, 10, 15]],
    [{ validation_freq: 2, validation_unit: 'epochs' }, [10, 15]], // and at the end
    [{ validation_freq: 4, validation_unit: 'updates' }, [4, 8, 12, 15]],
    [{ validation_freq: 15, validation_unit: 'updates' }, [15]],
  ] as const)('%o', async (training, expected) => {
    const reports = await run({ epochs: 3, ...training }, [5, 4, 3, 2]);
    expect(updatesOf(validations(reports))).toEqual(expected);
    // Each is followed by its checkpoint, and comes after its update's report.
    for (const [index, report] of reports.entries()) {
      if (report.kind !== 'validation') continue;
      const { update, epoch, score, best } = report;
      expect(reports[index + 1]).toEqual({ kind: 'checkpoint', update, epoch, score, best });
      expect(reports[index - 1]).toMatchObject({ kind: 'progress', update, epoch });
    }
  });

  test('without held-out data there is a checkpoint where a validation would be', async () => {
    const reports = await run({ epochs: 2 });
    expect(validations(reports)).toEqual([]);
    expect(checkpoints(reports)).toEqual([
      { kind: 'checkpoint', update: 5, epoch: 1, score: undefined, best: true },
      { kind: 'checkpoint', update: 10, epoch: 2, score: undefined, best: true },
    ]);
  });

  test('save_freq adds checkpoints between them, not beside them', async () => {
    const reports = await run(
      { epochs: 2, save_freq: 2, validation_freq: 4, validation_unit: 'updates' },
      [3, 2, 1],
    );
    expect(checkpoints(reports).map(({ update, score }) => [update, score])).toEqual([
      [2, undefined],
      [4, 3],
      [6, undefined],
      [8, 2],
      [10, 1],
    ]);
  });

  test('a validation that fails stays due', async () => {
    const { model, trainer } = await create({ epochs: 1 }, []);
    await expect(collect(trainer.run())).rejects.toThrow('validated 1 times');
    expect(trainer.state).toMatchObject({ engine: { updates: 5 }, validated: false });
    await expect(collect(trainer.run())).rejects.toThrow('validated 2 times');
    trainer.dispose();
    model.dispose();
  });
});

describe('the learning rate', () => {
  const ratesOf = (reports: readonly TrainingReport[]) =>
    progress(reports).map((report) => report.learningRate);

  test.each([
    { scheduling: 'constant', learning_rate_warmup: 4 },
    { scheduling: 'step', start_decay_epoch: 2, decay_every: 1, decrease_factor: 0.5 },
    { scheduling: 'inverse_sqrt', learning_rate_warmup: 3 },
  ] as const)('%o: that of the schedule, for the update and epoch at hand', async (schedule) => {
    const { model, trainer, training } = await create({ epochs: 4, ...schedule });
    const rates = ratesOf(await collect(trainer.run()));
    const expected = rates.map((_, index) =>
      learningRate(training, initialScheduleState, {
        update: index + 1,
        epoch: 1 + Math.floor(index / updatesPerEpoch),
      }),
    );
    expect(rates).toEqual(expected);
    expect(new Set(rates).size).toBeGreaterThan(2);
    trainer.dispose();
    model.dispose();
  });

  test('plateau: falls after more than `patience` validations without improvement', async () => {
    const options = { scheduling: 'plateau', patience: 1, decrease_factor: 0.5, epochs: 8 } as const;
    const reports = await run({ ...options, learning_rate: 0.008 }, [3, 2, 2, 2.5, 1, 1, 1, 1]);
    const perEpoch = ratesOf(reports).filter((_, index) => index % updatesPerEpoch === 0);
    expect(perEpoch).toEqual([0.008, 0.008, 0.008, 0.008, 0.004, 0.004, 0.004, 0.002]);
  });

  test('reaches the weights: twice the rate, twice the first step', async () => {
    const step = async (learning_rate: number) => {
      const { model, trainer } = await create({ optimizer: 'sgd', learning_rate, updates: 1 });
      const before = (await model.network.parameters.read()).get('decoder.output.bias')!;
      await collect(trainer.run());
      const after = (await model.network.parameters.read()).get('decoder.output.bias')!;
      trainer.dispose();
      model.dispose();
      return after.map((value, i) => value - before[i]!);
    };
    const [once, twice] = [await step(0.5), await step(1)];
    for (const [i, value] of once.entries()) expect(twice[i]!).toBeCloseTo(2 * value, 6);
    expect(once.some((value) => Math.abs(value) > 1e-3)).toBe(true);
  });
});

describe('a training that is stopped', () => {
  const training = { epochs: 2, logging_freq: 3, validation_freq: 4, validation_unit: 'updates' } as const;
  const script = [5, 4, 3];

  async function whole() {
    const { model, trainer } = await create(training, script);
    const reports = await collect(trainer.run());
    const tensors = await everythingOf(model, trainer.engine);
    trainer.dispose();
    model.dispose();
    return { reports, tensors };
  }

  test('by a signal finishes the update at hand, says so, and goes on as if it had not been', async () => {
    const expected = await whole();
    const { model, trainer } = await create(training, script);
    const abort = new AbortController();
    const reports: TrainingReport[] = [];
    for await (const report of trainer.run(
      abort.signal,
      () => trainer.engine.updates === 7 && abort.abort(),
    )) {
      reports.push(report);
    }
    expect(end(reports)).toEqual({ kind: 'end', reason: 'aborted', update: 7, epoch: 2 });
    expect(updatesOf(progress(reports))).toEqual([3, 5, 6, 7]);
    // An aborted signal does nothing but say so.
    expect(await collect(trainer.run(abort.signal))).toEqual([end(reports)]);
    const rest = await collect(trainer.run());
    expect(updatesOf(validations([...reports, ...rest]))).toEqual(updatesOf(validations(expected.reports)));
    expect(end(rest)).toEqual(end(expected.reports));
    expectSameBits(await everythingOf(model, trainer.engine), expected.tensors, 'after going on');
    trainer.dispose();
    model.dispose();
  });

  test('before it began has done nothing', async () => {
    const { model, trainer } = await create(training, script);
    const before = await everythingOf(model, trainer.engine);
    const reports = await collect(trainer.run(AbortSignal.abort()));
    expect(reports).toEqual([{ kind: 'end', reason: 'aborted', update: 0, epoch: 1 }]);
    expectSameBits(await everythingOf(model, trainer.engine), before, 'nothing done');
    trainer.dispose();
    model.dispose();
  });

  test('by leaving the loop, at whatever report, goes on as if it had not been', async () => {
    const expected = await whole();
    const { model, trainer } = await create(training, script);
    const reports: TrainingReport[] = [];
    // Leaves after every single report.
    for (let finished = false; !finished; ) {
      finished = true;
      for await (const report of trainer.run()) {
        reports.push(report);
        finished = report.kind === 'end';
        break;
      }
    }
    const untimed = (list: readonly TrainingReport[]) =>
      list
        // Left at a validation, the checkpoint that follows it is the caller's business.
        .filter(({ kind }) => kind !== 'checkpoint')
        .map((report) => (report.kind === 'progress' ? { ...report, seconds: 0 } : report));
    expect(untimed(reports)).toEqual(untimed(expected.reports));
    expectSameBits(await everythingOf(model, trainer.engine), expected.tensors, 'after going on');
    trainer.dispose();
    model.dispose();
  });
});

describe('the order of batches', () => {
  test.each([
    [true, 'another in every epoch'],
    [false, 'the same in every epoch'],
  ])('shuffle %s: %s', async (shuffle) => {
    const reports = progress(await run({ epochs: 3, shuffle, pool_batches: 1 }));
    const epochs = [0, 5, 10].map((start) => reports.slice(start, start + 5).map(({ tokens }) => tokens));
    if (shuffle) expect(new Set(epochs.map(String)).size).toBe(3);
    else expect(epochs).toEqual([epochs[0], epochs[0], epochs[0]]);
  });
});
