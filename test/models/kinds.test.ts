/** Each type of model in memory: made from examples, fitted, used, scored, saved, loaded, and then the same to the bit. */
import { afterAll, describe, expect, test } from 'vitest';
import { longestWord } from '../../src/data/batches.ts';
import type { Frames } from '../../src/data/frames.ts';
import { type Pairs, parallelText } from '../../src/data/parallel.ts';
import { ConfigError, DataError, UsageError } from '../../src/errors.ts';
import {
  type AnyModel,
  ConditionalGenerator,
  LanguageModel,
  modelFromFiles,
  Seq2Seq,
  SequenceClassifier,
  SequenceTagger,
} from '../../src/models/kinds.ts';
import type { Input } from '../../src/models/task.ts';
import { traceModel } from '../../src/models/trace.ts';
import { balancedClassWeights } from '../../src/models/training-options.ts';
import { testGpu } from '../setup/gpu.ts';
import { randomFloats } from '../setup/random.ts';
import { watched } from '../setup/watched-gpu.ts';

const gpu = await testGpu();
const made: AnyModel[] = [];
afterAll(() => {
  for (const model of made) model.dispose();
});
function kept<M extends AnyModel>(model: M): M {
  made.push(model);
  return model;
}

const training = { batch_size: 3, epochs: 20, learning_rate: 0.1, logging_freq: 1000 };
const embeddings = { embedding_dim: 6 };
const encoder = { hidden_size: 6, embeddings };
const decoder = { hidden_size: 8, embeddings };
const words = { src: { level: 'word' }, trg: { level: 'word' } } as const;

const tagged = [
  ['I live in Nara', 'O O O B-LOC'],
  ['Ken lives in New York', 'B-PER O O B-LOC I-LOC'],
  ['Ken Mori left', 'B-PER I-PER O'],
  ['we left', 'O O'],
  ['New York grew', 'B-LOC I-LOC O'],
].map(([source, target]) => ({ source: source!, target: target! }));
const classes = [
  ['a fine day', 'good'],
  ['what a fine film', 'good'],
  ['a dull day', 'bad'],
  ['so dull', 'bad'],
  ['fine', 'good'],
].map(([source, target]) => ({ source: source!, target: target! }));
const named = [
  ['bird', 'tit'],
  ['fish', 'cod'],
  ['bird', 'tern'],
  ['fish', 'carp'],
].map(([source, target]) => ({ source: source!, target: target! }));
const lines = ['to be or not to be', 'to err is human', 'to be human', 'not to be'];
const translations = [
  ['one two', 'ichi ni'],
  ['two', 'ni'],
  ['two one two', 'ni ichi ni'],
  ['one one', 'ichi ichi'],
].map(([source, target]) => ({ source: source!, target: target! }));

/** Sequences of 2 to 6 vectors of 3 numbers; those that rise are of class `up`. */
const frames: { source: Frames; target: string }[] = Array.from({ length: 8 }, (_, index) => {
  const steps = 2 + (index % 5);
  const noise = randomFloats(50 + index, [steps * 3], 0.1).data;
  const slope = index % 2 === 0 ? 0.4 : -0.4;
  const data = noise.map((value, at) => value + slope * Math.floor(at / 3));
  return { source: { data, steps, size: 3 }, target: index % 2 === 0 ? 'up' : 'down' };
});

interface Case {
  readonly make: () => AnyModel;
  readonly pairs: Pairs;
  readonly inputs: readonly Input[];
  /** What the fitted model says. */
  readonly outputs?: readonly string[];
  /** Numbers in a vector that `encode` gives. */
  readonly encoded: number | undefined;
}

const sourcesOf = (pairs: readonly { source: Input }[]) => pairs.map(({ source }) => source);
const targetsOf = (pairs: readonly { target: string }[]) => pairs.map(({ target }) => target);

const cases: Record<string, Case> = {
  'seq2seq without attention': {
    make: () =>
      Seq2Seq.fromPairs(gpu, translations, {
        data: words,
        model: {
          cell: 'gru',
          encoder,
          decoder: {
            ...decoder,
            attention: { score: 'none' },
            context_use: 'both',
            context: 'attention-pooled',
            bridge: 'linear',
          },
        },
        training,
      }),
    pairs: translations,
    inputs: sourcesOf(translations),
    outputs: targetsOf(translations),
    encoded: 12,
  },
  'seq2seq, scheduled sampling': {
    make: () =>
      Seq2Seq.fromPairs(gpu, translations, {
        data: words,
        model: { cell: 'gru', encoder, decoder: { ...decoder, bridge: 'linear' } },
        training: {
          ...training,
          forcing: 'scheduled_sampling',
          scheduled_sampling: { schedule: 'linear', k: 1, c: 0.01, epsilon_min: 0.7 },
        },
      }),
    pairs: translations,
    inputs: sourcesOf(translations),
    encoded: 12,
  },
  tagger: {
    make: () =>
      SequenceTagger.fromPairs(gpu, tagged, {
        data: words,
        model: { type: 'tagger', encoder, characters: { use: true, embedding_dim: 3, hidden_size: 4 } },
        training,
      }),
    pairs: tagged,
    inputs: sourcesOf(tagged),
    outputs: targetsOf(tagged),
    encoded: 12,
  },
  'tagger with a CRF': {
    make: () =>
      SequenceTagger.fromPairs(gpu, tagged, {
        data: words,
        model: { type: 'tagger', encoder, crf: true },
        training,
      }),
    pairs: tagged,
    inputs: sourcesOf(tagged),
    outputs: targetsOf(tagged),
    encoded: 12,
  },
  classifier: {
    make: () =>
      SequenceClassifier.fromPairs(gpu, classes, {
        data: words,
        model: { type: 'classifier', encoder, pooling: 'attention-pooled', class_weights: 'balanced' },
        training,
      }),
    pairs: classes,
    inputs: sourcesOf(classes),
    outputs: targetsOf(classes),
    encoded: 12,
  },
  'classifier of frames': {
    make: () =>
      SequenceClassifier.fromPairs(gpu, frames, {
        data: { src: { level: 'frames' } },
        model: { type: 'classifier', encoder: { hidden_size: 6 } },
        training,
      }),
    pairs: frames,
    inputs: sourcesOf(frames),
    outputs: targetsOf(frames),
    encoded: 12,
  },
  generator: {
    make: () =>
      ConditionalGenerator.fromPairs(gpu, named, {
        data: { trg: { level: 'char' } },
        model: { type: 'generator', input: { embedding_dim: 3 }, decoder },
        training,
        testing: { max_output_length: 6 },
      }),
    pairs: named,
    inputs: ['fish', 'bird'],
    encoded: undefined,
  },
  'language model': {
    make: () =>
      LanguageModel.fromPairs(gpu, lines, {
        data: { trg: { level: 'word' } },
        model: { type: 'language_model', decoder },
        training,
        testing: { max_output_length: 6 },
      }),
    pairs: lines,
    inputs: ['to', 'not', ''],
    encoded: 8,
  },
  'language model of a stream': {
    make: () =>
      LanguageModel.fromPairs(gpu, lines, {
        data: { trg: { level: 'char' } },
        model: { type: 'language_model', cell: 'gru', decoder },
        training: { ...training, batch_size: 2, bptt_length: 7 },
        testing: { max_output_length: 6, batch_size: 1 },
      }),
    pairs: lines,
    inputs: ['to', 'n'],
    encoded: 8,
  },
};

describe.each(Object.entries(cases))('%s', (_, { make, pairs, inputs, outputs, encoded }) => {
  test('learns, predicts, encodes and evaluates; what is saved and loaded does the same', async () => {
    const model = kept(make());
    const before = await model.evaluate(pairs);
    const { progress } = await model.fit(pairs);
    const after = await model.evaluate(pairs);
    expect(progress!.loss).toBeLessThan(before.loss);
    expect(after.loss).toBeLessThan(before.loss / 2);
    const predictions = await model.predict(inputs);
    expect(predictions.length).toBe(inputs.length);
    if (outputs) expect(predictions.map(({ text }) => text)).toEqual(outputs);

    const loaded = kept(modelFromFiles(gpu, await model.save()));
    expect(loaded.type).toBe(model.type);
    expect(await loaded.predict(inputs)).toEqual(predictions);
    expect(await loaded.evaluate(pairs)).toEqual(after);
    if (encoded === undefined) {
      await expect(model.encode(inputs)).rejects.toThrow(UsageError);
    } else {
      const vectors = await model.encode(inputs);
      expect(vectors.map(({ length }) => length)).toEqual(inputs.map(() => encoded));
      expect(await loaded.encode(inputs)).toEqual(vectors);
    }
  });
});

describe('predictions', () => {
  test('of a tagger: a tag and its probability for each token; none for an empty line', async () => {
    const model = kept(cases.tagger!.make()) as SequenceTagger;
    const [one, empty] = await model.predict(['Ken left Nara', '']);
    expect(one).toMatchObject({ sourceTokens: ['Ken', 'left', 'Nara'] });
    expect(one!.tags.length).toBe(3);
    expect(one!.text).toBe(one!.tags.join(' '));
    expect(one!.probabilities!.every((p) => p > 1 / 6 && p <= 1)).toBe(true);
    expect(empty).toEqual({ text: '', tokens: [], tags: [], sourceTokens: [] });
    const crf = kept(cases['tagger with a CRF']!.make()) as SequenceTagger;
    expect((await crf.predict(['Ken left']))[0]!.probabilities).toBeUndefined();
  });

  test('of a classifier: every class, the most probable first, and what each token counted', async () => {
    const model = kept(cases.classifier!.make()) as SequenceClassifier;
    const [one] = await model.predict(['so fine a day'], { alignments: true });
    expect(one!.probabilities.map(({ label }) => label).sort()).toEqual(['bad', 'good']);
    const [first, second] = one!.probabilities;
    expect(first).toEqual({ label: one!.label, probability: one!.probability });
    expect(first!.probability).toBeGreaterThanOrEqual(second!.probability);
    expect(first!.probability + second!.probability).toBeCloseTo(1, 6);
    expect(one!.weights!.length).toBe(4);
    expect(one!.weights!.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6);
  });

  test('of a generator and a language model: text that the seed decides', async () => {
    const generator = kept(cases.generator!.make()) as ConditionalGenerator;
    const drawn = (seed: number) => generator.predict(Array(8).fill('bird'), { temperature: 1, seed });
    expect(await drawn(1)).toEqual(await drawn(1));
    expect(await drawn(1)).not.toEqual(await drawn(2));
    const language = kept(cases['language model']!.make()) as LanguageModel;
    const [one] = await language.predict(['to be']);
    expect(one!.tokens.slice(0, 2)).toEqual(['to', 'be']);
    expect(one!.text).toBe(one!.tokens.join(' '));
    expect(one!.continuation).toEqual(one!.tokens.slice(2));
  });

  test.each(['seq2seq without attention', 'generator', 'language model'])(
    'of a %s: equal inputs in other batches are drawn apart',
    async (name) => {
      const model = kept(cases[name]!.make());
      const inputs = Array<Input>(24).fill(cases[name]!.inputs[0]!);
      const outputs = await model.predict(inputs, { temperature: 3, seed: 5, batchSize: 8 });
      const batches = [0, 8, 16].map((start) => outputs.slice(start, start + 8).map(({ text }) => text));
      expect(batches[1]).not.toEqual(batches[0]);
      expect(batches[2]).not.toEqual(batches[1]);
      // The seeds beside it draw other text too: nothing of one is a later batch of another.
      const [next] = await model
        .predict(inputs.slice(0, 8), { temperature: 3, seed: 6 })
        .then((all) => [all.map(({ text }) => text)]);
      expect(batches).not.toContainEqual(next);
    },
  );

  test('of a classifier with a reversed source: tokens in the order of their weights', async () => {
    const model = kept(
      SequenceClassifier.fromPairs(gpu, classes, {
        data: { ...words, reverse_source: true },
        model: { type: 'classifier', encoder, pooling: 'attention-pooled' },
      }),
    );
    const [one] = await model.predict(['so fine a day'], { alignments: true });
    expect(one!.sourceTokens).toEqual(['day', 'a', 'fine', 'so']);
    const trace = await traceModel(model, 'so fine a day');
    expect(trace.encoder!.tokens).toEqual(one!.sourceTokens);
    expect(trace.context!.weights).toEqual(Array.from(one!.weights!));
  });

  test('of inputs of another kind', async () => {
    const text = kept(cases.classifier!.make());
    await expect(text.predict([frames[0]!.source])).rejects.toThrow(
      'input 1 is made of vectors, but this model reads text',
    );
    const vectors = kept(cases['classifier of frames']!.make());
    await expect(vectors.predict(['up'])).rejects.toThrow('input 1 is text, but this model reads vectors');
    const other = { data: new Float32Array(4), steps: 2, size: 2 };
    await expect(vectors.predict([other])).rejects.toThrow(
      'input 1 has 2 numbers a step, but the model reads 3',
    );
    await expect(kept(cases.generator!.make()).predict(['dog'])).rejects.toThrow(
      "the input: 'dog' is not a class of this model; it has bird, fish.",
    );
  });
});

test('balanced class weights are those of scikit-learn, and change what is learnt', async () => {
  const model = kept(cases.classifier!.make());
  const dataset = model.encodeTraining({
    name: 't',
    source: sourcesOf(classes) as string[],
    target: targetsOf(classes),
  });
  // 5 examples: 2 bad, 3 good.
  expect(balancedClassWeights(model.config.model, dataset, 2)).toEqual(
    Float32Array.of(5 / (2 * 2), 5 / (2 * 3)),
  );
  const plain = kept(
    SequenceClassifier.fromPairs(gpu, classes, {
      data: words,
      model: { type: 'classifier', encoder, pooling: 'attention-pooled' },
      training,
    }),
  );
  expect(balancedClassWeights(plain.config.model, dataset, 2)).toBeUndefined();
  await model.fit(classes, { epochs: 1 });
  await plain.fit(classes, { epochs: 1 });
  const bias = async (of: AnyModel) => (await of.network.parameters.read()).get('output.bias');
  expect(await bias(model)).not.toEqual(await bias(plain));
});

test('plans that are recorded before their batches serve those of the longest words', async () => {
  const seen = watched(gpu);
  const model = kept(
    SequenceTagger.fromPairs(seen.gpu, tagged, {
      data: words,
      model: { type: 'tagger', encoder, characters: { use: true, embedding_dim: 3, hidden_size: 4 } },
    }),
  );
  const { engine } = await model.trainer(model.encodeTraining(parallelText(tagged)));
  await engine.prepare([{ B: 2, S: 4, T: 4 }]);
  const before = seen.sizes.length;
  await engine.prepare([{ B: 2, S: 4, T: 4, C: longestWord }]);
  expect(seen.sizes.length).toBe(before);
  await engine.prepare([{ B: 2, S: 4, T: 4, C: 8 }]);
  expect(seen.sizes.length).toBeGreaterThan(before);
  engine.dispose();
});

test('a file of another type is refused by name', async () => {
  const files = await kept(cases.classifier!.make()).save();
  expect(() => SequenceTagger.fromFiles(gpu, files, 'runs/a')).toThrow(
    new ConfigError('runs/a holds a classifier, not a tagger'),
  );
});

test('classes in lower case are scored in lower case', async () => {
  const config = {
    data: { ...words, trg: { lowercase: true } },
    model: { type: 'classifier', encoder },
    training,
  } as const;
  const shouted = classes.map(({ source, target }) => ({ source, target: `${target.toUpperCase()} ` }));
  const model = kept(SequenceClassifier.fromPairs(gpu, shouted, config));
  expect(model.vocabularies.target.tokens).toEqual(['bad', 'good']);
  await model.fit(shouted);
  const { accuracy, scores, samples } = await model.evaluate(shouted, { samples: [0] });
  expect(accuracy).toBe(1);
  expect(scores).toEqual({ accuracy: 1, macro_f1: 1 });
  expect(samples[0]).toEqual({ source: 'a fine day', reference: 'good', hypothesis: 'good' });
});

test('empty lines are vectors of zeros also where there are no others', async () => {
  const model = kept(cases.classifier!.make());
  expect(await model.encode(['', ' '])).toEqual([new Float32Array(12), new Float32Array(12)]);
});

test('vectors for some and text for others', () => {
  const mixed = [...frames, { source: 'up', target: 'up' }];
  expect(() => SequenceClassifier.fromPairs(gpu, mixed)).toThrow(
    new DataError('the pairs: 8 of 9 sources are vectors; either all are or none is.'),
  );
});

test('a stream may be followed by one of fewer rows', async () => {
  const model = kept(cases['language model of a stream']!.make());
  await model.fit(lines, { updates: 2 });
  const { update } = await model.fit(['t'], { updates: 2 });
  expect(update).toBe(4);
});

test('the accuracy that early stopping watches is that of a tagger’s own tags, unseen ones counted', async () => {
  const model = kept(
    SequenceTagger.fromPairs(gpu, tagged, {
      data: words,
      model: { type: 'tagger', encoder },
      training: { ...training, epochs: 2, early_stopping_metric: 'accuracy' },
    }),
  );
  const dev = [...tagged, { source: 'we sang', target: 'O B-EVENT' }];
  const { validation } = await model.fit(tagged, { dev });
  const { accuracy, scores, score } = validation!;
  expect(score).toBe(scores.token_accuracy);
  // The pass that gives the loss cannot count the tag that training never saw.
  expect(accuracy * 18).toBeCloseTo(scores.token_accuracy! * 19, 5);
});
