/** What a trace shows is what the model computes: the choices of `predict`, and values that follow from each other. */
import { afterAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import {
  type AnyModel,
  ConditionalGenerator,
  LanguageModel,
  Seq2Seq,
  SequenceClassifier,
  SequenceTagger,
} from '../../src/models/kinds.ts';
import { type Trace, type TracedStack, traceModel } from '../../src/models/trace.ts';
import { tracePicture } from '../../src/models/trace-picture.ts';
import { recurrentReference } from '../../src/reference/recurrent.ts';
import { testGpu } from '../setup/gpu.ts';

const gpu = await testGpu();
const made: AnyModel[] = [];
afterAll(() => {
  for (const model of made) model.dispose();
});
function kept<M extends AnyModel>(model: M): M {
  made.push(model);
  return model;
}

const embeddings = { embedding_dim: 6 };
const encoder = { hidden_size: 5, embeddings };
const data = { src: { level: 'word' }, trg: { level: 'word' } } as const;
/** Large initial weights: every probability is another. */
const wide = {
  initializer: 'uniform',
  init_weight: 0.9,
  embed_initializer: 'uniform',
  embed_init_weight: 1,
} as const;
const pairs = [
  { source: 'one two', target: 'ichi ni' },
  { source: 'two three one', target: 'ni san ichi' },
  { source: 'four', target: 'shi' },
];
const classes = [
  { source: 'a fine day', target: 'good' },
  { source: 'so dull', target: 'bad' },
  { source: 'well', target: 'so so' },
];
const tagged = [
  { source: 'I live in Nara', target: 'O O O B-LOC' },
  { source: 'Ken left', target: 'B-PER O' },
];
const testing = { max_output_length: 5 };

const attending = kept(
  Seq2Seq.fromPairs(gpu, pairs, {
    data,
    testing,
    model: { ...wide, encoder: { ...encoder, num_layers: 2 }, decoder: { embeddings, input_feeding: true } },
  }),
);
const fixed = kept(
  Seq2Seq.fromPairs(gpu, pairs, {
    data,
    testing,
    model: {
      ...wide,
      cell: 'gru',
      encoder,
      decoder: { embeddings, attention: { score: 'none' }, context: 'attention-pooled', context_use: 'both' },
    },
  }),
);
const classifier = kept(
  SequenceClassifier.fromPairs(gpu, classes, {
    data: { src: { level: 'word' }, reverse_source: true },
    model: { ...wide, encoder, pooling: 'attention-pooled' },
  }),
);
const tagger = kept(SequenceTagger.fromPairs(gpu, tagged, { model: { ...wide, encoder } }));
const crfTagger = kept(
  SequenceTagger.fromPairs(gpu, tagged, {
    model: { ...wide, encoder, crf: true, characters: { use: true, embedding_dim: 3, hidden_size: 4 } },
  }),
);
const generator = kept(
  ConditionalGenerator.fromPairs(
    gpu,
    classes.map(({ source, target }) => ({ source: target, target: source })),
    {
      data,
      testing,
      model: {
        ...wide,
        decoder: { hidden_size: 7, embeddings },
        input: { embedding_dim: 3, use: 'first_step' },
      },
    },
  ),
);
const language = kept(
  LanguageModel.fromPairs(
    gpu,
    pairs.map(({ target }) => ({ source: '', target })),
    {
      data,
      testing,
      model: { ...wide, decoder: { hidden_size: 7, num_layers: 2, embeddings } },
    },
  ),
);

const models: [string, AnyModel, string][] = [
  ['attention with input feeding', attending, 'two three zero one'],
  ['a fixed context', fixed, 'two three one'],
  ['a classifier', classifier, 'a dull fine day'],
  ['a tagger', tagger, 'Ken live in zero'],
  ['a tagger with characters and a CRF', crfTagger, 'I left Nara in'],
  ['a generator', generator, 'so so'],
  ['a language model', language, 'ni san'],
  ['a language model after another line', language, 'ni san\nichi'],
];

const best = (values: readonly number[]) => values.indexOf(Math.max(...values));
/** Decoders never choose `<pad>` and `<s>`, which are ids 1 and 2. */
const chosenBy = (values: readonly number[], decodes: boolean) =>
  best(values.map((value, id) => (decodes && (id === 1 || id === 2) ? -Infinity : value)));

describe.each(models)('%s', (_, model, text) => {
  test('chooses what predict chooses, by its own logits', async () => {
    const trace = await traceModel(model, text);
    const [output] = await model.predict([text], { alignments: true, temperature: 0 });
    expect(trace.text).toBe(output!.text);
    expect(trace.type).toBe(model.type);
    const chosen = trace.choices.map((choice) => choice.chosen);
    if (!trace.crf) {
      const argmax = trace.choices.map(({ logits }) => trace.names[chosenBy(logits, !!trace.decoder)]);
      expect(argmax).toEqual(chosen);
    }
    const { decoder } = trace;
    if (decoder) {
      const own = chosen.slice(decoder.given - 1).filter((word) => word !== '</s>');
      // Of several lines the last goes on.
      const line = decoder.tokens.lastIndexOf('<s>') + 1;
      expect([...decoder.tokens.slice(line, decoder.given), ...own]).toEqual([...output!.tokens]);
      // What it puts out it reads at the next step.
      expect(decoder.tokens.slice(decoder.given)).toEqual(chosen.slice(decoder.given - 1, -1));
    } else {
      expect(chosen).toEqual([...output!.tokens]);
    }
    if (decoder?.alignments) {
      const { alignments } = output as { alignments?: readonly Float32Array[] };
      expect(decoder.alignments).toEqual(alignments!.map((row) => Array.from(row)));
    }
    for (const { logits, probabilities } of trace.choices) {
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      close(
        probabilities,
        logits.map((logit) => Math.exp(logit) / sum),
      );
    }
  });

  test('states follow from what is read, as the reference computes them', async () => {
    const trace = await traceModel(model, text);
    if (trace.encoder) checkStack(model, trace, trace.encoder, 'encoder');
    // A decoder that reads more than its words is checked by `the parts of attention`.
    if (trace.decoder && !trace.decoder.inputFeeding && trace.context === undefined) {
      checkStack(model, trace, trace.decoder, 'decoder');
    }
  });

  test('is drawn: a label for each token, a chart for each choice', async () => {
    const trace = await traceModel(model, text);
    const svg = tracePicture(trace);
    const count = (pattern: RegExp) => svg.match(pattern)?.length ?? 0;
    const steps = (trace.encoder?.tokens.length ?? 0) + (trace.decoder?.tokens.length ?? 0);
    expect(count(/class="token"/g)).toBe(steps + (model.type === 'generator' ? 1 : 0));
    expect(count(/class="chosen"/g)).toBe(trace.choices.length);
    expect(svg).not.toMatch(/NaN|undefined|Infinity|<script|href/);
    expectWellFormed(svg);
  });
});

test('the parts of attention: context and h̃ of each step, and logits', async () => {
  const { encoder: source, decoder, choices } = await traceModel(attending, 'two three zero one');
  const values = await attending.network.parameters.read();
  const weight = values.get('decoder.attention.linear_out.weight')!;
  const [output, bias] = [values.get('decoder.output.weight')!, values.get('decoder.output.bias')!];
  const top = source!.layers.filter(({ layer }) => layer === 2);
  for (const [step, alpha] of decoder!.alignments!.entries()) {
    const h = decoder!.layers[1]!.states.h![step]!;
    const memory = alpha.map((_, s) => top.flatMap(({ states }) => states.h![s]!));
    const context = memory[0]!.map((_, m) => alpha.reduce((sum, a, s) => sum + a * memory[s]![m]!, 0));
    const attentional = product(weight, [...context, ...h]).map(Math.tanh);
    close(decoder!.attentional![step]!, attentional);
    close(
      choices[step]!.logits,
      product(output, attentional).map((logit, id) => logit + bias[id]!),
    );
  }
});

test('a pooled context is the weighted mean of the states, and what encode gives', async () => {
  for (const [model, text] of [
    [classifier, 'a dull fine day'],
    [fixed, 'two three one'],
  ] as const) {
    const { encoder: source, context } = await traceModel(model, text);
    const { weights, values } = context!;
    const states = weights!.map((_, s) => source!.layers.flatMap((layer) => layer.states.h![s]!));
    close(
      values,
      values.map((_, m) => weights!.reduce((sum, w, s) => sum + w * states[s]![m]!, 0)),
    );
    const [vector] = await (model as AnyModel).encode([text]);
    expect(values).toEqual(Array.from(vector!));
  }
});

test('a reversed source is shown in the order in which it is read', async () => {
  const { encoder: source } = await traceModel(classifier, 'a fine day');
  expect(source!.tokens).toEqual(['day', 'fine', 'a']);
});

test('the first states of a decoder are the bridged ones', async () => {
  const { encoder: source, decoder } = await traceModel(attending, 'two');
  for (const layer of [1, 2]) {
    const of = source!.layers.filter((one) => one.layer === layer);
    const last = (states: readonly (readonly number[])[], reverse: boolean) => states.at(reverse ? 0 : -1)!;
    for (const state of ['h', 'c']) {
      const final = of.flatMap(({ states, direction }) => last(states[state]!, direction === 'backward'));
      expect(decoder!.layers[layer - 1]!.initial![state]).toEqual(final);
    }
  }
});

test('nothing in, nothing to trace; but a language model begins a line of its own', async () => {
  for (const [, model] of models.slice(0, 6)) {
    await expect(traceModel(model, ' ')).rejects.toThrow(UsageError);
  }
  const { decoder, text } = await traceModel(language, '');
  expect(decoder).toMatchObject({ given: 1 });
  expect(decoder!.tokens[0]).toBe('<s>');
  expect([text]).toEqual(await language.translate([''], { temperature: 0 }));
});

test('text from models is escaped in the picture', async () => {
  const word = '<img/onerror="x">&';
  const hostile = kept(
    SequenceTagger.fromPairs(gpu, [{ source: `${word} b`, target: `${word} O` }], { model: { encoder } }),
  );
  const svg = tracePicture(await traceModel(hostile, word));
  expect(svg).not.toContain('<img');
  expect(svg).toContain('&lt;img/onerror=&quot;x&quot;&gt;&amp;');
  expectWellFormed(svg);
});

/** Each layer and direction again, in float64, from what it reads. */
function checkStack(model: AnyModel, trace: Trace, stack: TracedStack, name: 'encoder' | 'decoder'): void {
  const { cell } = model.config.model;
  const T = stack.tokens.length;
  let read = stack.x;
  const values = parametersOf(model);
  for (const layer of new Set(stack.layers.map((one) => one.layer))) {
    const rows = stack.layers.filter((one) => one.layer === layer);
    for (const { direction, states } of rows) {
      const reverse = direction === 'backward';
      const suffix = `_l${layer - 1}${reverse ? '_reverse' : ''}`;
      const of = (part: string) => values(`${name}.rnn.${part}${suffix}`);
      const hidden = states.h![0]!.length;
      for (let t = 0; t < T; t++) {
        // All steps up to this one, from the side that the direction comes from.
        const seen = reverse ? read.slice(t) : read.slice(0, t + 1);
        const { final } = recurrentReference({
          cell: cell as 'lstm' | 'gru',
          steps: seen.length,
          batch: 1,
          width: seen[0]!.length,
          hidden,
          input: seen.flat(),
          reverse,
          weights: [
            {
              weightIh: of('weight_ih'),
              weightHh: of('weight_hh'),
              biasIh: of('bias_ih'),
              biasHh: of('bias_hh'),
            },
          ],
        });
        for (const [index, state] of Object.keys(states).entries()) {
          close(states[state]![t]!, Array.from(final[index]!));
        }
      }
    }
    read = stack.x.map((_, t) => rows.flatMap(({ states }) => states.h![t]!));
  }
  expect(trace.choices.length).toBeGreaterThan(0);
}

const parameters = new Map<AnyModel, Map<string, Float32Array>>();
for (const [, model] of models) parameters.set(model, await model.network.parameters.read());
function parametersOf(model: AnyModel): (name: string) => Float32Array {
  return (name) => parameters.get(model)!.get(name)!;
}

function product(matrix: Float32Array, vector: readonly number[]): number[] {
  return Array.from({ length: matrix.length / vector.length }, (_, row) =>
    vector.reduce((sum, value, column) => sum + value * matrix[row * vector.length + column]!, 0),
  );
}

function close(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...actual.map((value, index) => Math.abs(value - expected[index]!)));
  expect(worst).toBeLessThanOrEqual(1e-5 * scale);
}

/** Every element is closed in its turn and has no attribute twice, and text holds no bare `<` or `&`. */
function expectWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([a-zA-Z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, close, name, attributes: string, alone) => {
      const names = Array.from(attributes.matchAll(/([\w:-]+)="/g), ([, attribute]) => attribute);
      expect(new Set(names).size, attributes).toBe(names.length);
      if (close) expect(open.pop()).toBe(name);
      else if (!alone) open.push(name);
      return '';
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;)/);
}
