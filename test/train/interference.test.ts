/** What shares a device or a model with a training changes no bit of it, and the other way about. */
import { expect, test } from 'vitest';
import type { ParallelText } from '../../src/data/parallel.ts';
import type { Translation } from '../../src/models/tasks/seq2seq.ts';
import type { TrainingReport } from '../../src/train/reports.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { expectSameBits } from '../setup/bits.ts';
import { testGpu } from '../setup/gpu.ts';
import {
  everythingOf,
  type ToyOptions,
  toyConfig,
  toyDev,
  toyModel,
  toyPairs,
  toyTraining,
} from '../setup/toy.ts';

const gpu = await testGpu();

async function drain(
  trainer: Trainer,
  each: (report: TrainingReport) => Promise<unknown> | undefined = () => undefined,
) {
  const losses: number[] = [];
  for await (const report of trainer.run()) {
    if (report.kind === 'progress') losses.push(report.loss);
    await each(report);
  }
  return losses;
}

/** A whole training by itself, with nothing else on the device. */
async function alone(options: ToyOptions) {
  const model = toyModel(gpu, toyConfig(options));
  const trainer = await model.trainer(model.encodeTraining(toyTraining));
  const losses = await drain(trainer);
  const tensors = await everythingOf(model, trainer.engine);
  trainer.dispose();
  model.dispose();
  return { losses, tensors };
}

test('validation and translation in the middle of training', async () => {
  const expected = await alone({ training: { epochs: 1 } });
  const training = { epochs: 1, validation_freq: 2, validation_unit: 'updates' as const };
  const model = toyModel(gpu, toyConfig({ training }));
  const trainer = await model.trainer(model.encodeTraining(toyTraining), toyDev);
  let validations = 0;
  const losses = await drain(trainer, async (report) => {
    if (report.kind === 'validation') validations += 1;
    // Lines longer than any training bucket: other plans, and larger ones, in the same pool.
    if (report.update % 4 === 0) await model.translate(['abc'.repeat(9), 'j'], { alignments: true });
    if (report.update % 5 === 0) await model.evaluate(toyPairs(4, 3, 25));
    return undefined;
  });
  expect(validations).toBe(4);
  expect(losses).toEqual(expected.losses);
  expectSameBits(await everythingOf(model, trainer.engine), expected.tensors, 'with validation');
  trainer.dispose();
  model.dispose();
});

test('two models on one device, step about and both at once', async () => {
  const options: ToyOptions[] = [
    { model: { encoder: { num_layers: 1 }, decoder: { input_feeding: true } }, training: { epochs: 1 } },
    {
      model: { cell: 'gru', encoder: { hidden_size: 7 } },
      training: { random_seed: 3, batch_size: 6, epochs: 1 },
    },
  ];
  const expected = [await alone(options[0]!), await alone(options[1]!)];
  const create = async () => {
    const models = options.map((each) => toyModel(gpu, toyConfig(each)));
    const trainers = await Promise.all(
      models.map((model) => model.trainer(model.encodeTraining(toyTraining))),
    );
    return { models, trainers };
  };
  for (const way of ['step about', 'at once'] as const) {
    const { models, trainers } = await create();
    if (way === 'at once') {
      await Promise.all(trainers.map((trainer) => drain(trainer)));
    } else {
      const runs = trainers.map((trainer) => trainer.run());
      let left = runs.length;
      while (left > 0) {
        left = 0;
        for (const run of runs) if (!(await run.next()).done) left += 1;
      }
    }
    for (const [index, model] of models.entries()) {
      const tensors = await everythingOf(model, trainers[index]!.engine);
      expectSameBits(tensors, expected[index]!.tensors, `model ${index}, ${way}`);
      trainers[index]!.dispose();
      model.dispose();
    }
  }
});

test('translating and evaluating while training runs, calls overlapping', async () => {
  const expected = await alone({});
  const model = toyModel(gpu, toyConfig({}));
  const trainer = await model.trainer(model.encodeTraining(toyTraining));
  let training = true;
  const finished = drain(trainer).finally(() => {
    training = false;
  });
  let calls = 0;
  while (training) {
    await Promise.all([model.translate(['abcd', 'jihgf']), model.translate(['a']), model.evaluate(toyDev)]);
    calls += 1;
  }
  expect(calls).toBeGreaterThan(1);
  expect(await finished).toEqual(expected.losses);
  expectSameBits(await everythingOf(model, trainer.engine), expected.tensors, 'with translation');
  trainer.dispose();
  model.dispose();
});

test('calls that overlap get what they would get one after another', async () => {
  // Large weights, so that an untrained model says something else to every line.
  const large = { initializer: 'uniform', init_weight: 2, embed_init_weight: 2 } as const;
  // Long outputs: several chunks of steps, with a look at the tokens between them.
  const model = toyModel(gpu, toyConfig({ model: large, testing: { max_output_length: 40 } }));
  // The same shapes on purpose: they share plans, buffers and states.
  const groups = [toyPairs(5, 8, 7), toyPairs(6, 8, 7), toyPairs(7, 8, 7)];
  const translate = (text: ParallelText) => model.predict(text.source, { alignments: true });
  const separately: Translation[][] = [];
  const losses: number[] = [];
  for (const group of groups) {
    separately.push(await translate(group));
    losses.push((await model.evaluate(group)).loss);
  }
  expect(new Set(separately.map((translations) => JSON.stringify(translations))).size).toBe(3);
  const overlapping = await Promise.all([
    ...groups.map(translate),
    ...groups.map(async (group) => (await model.evaluate(group)).loss),
  ]);
  expect(overlapping).toEqual([...separately, ...losses]);
  model.dispose();
});

test('plans that are dropped and recorded again', async () => {
  // More shapes than the evaluator keeps plans for, and twice the same list.
  const model = toyModel(gpu, toyConfig({ testing: { batch_size: 1, eval_metrics: ['token_accuracy'] } }));
  const text = toyPairs(8, 60, 40);
  const first = await model.evaluate(text);
  expect(await model.evaluate(text)).toEqual(first);
  model.dispose();
});
