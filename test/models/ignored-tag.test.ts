/** `data.ignored_tag`: a tag that is no label, whose places are neither learnt nor scored nor counted as unknown. */
import { expect, test } from 'vitest';
import { parallelText } from '../../src/data/parallel.ts';
import { SequenceTagger } from '../../src/models/kinds.ts';
import { encodePairs, tokenizeTraining } from '../../src/models/prepare-data.ts';
import { testGpu } from '../setup/gpu.ts';

const pairs = [
  ['to <blank> or not to be', '_ be _ _ _ _'],
  ['to err <blank> human', '_ _ is _'],
  ['<blank> be human', 'to _ _'],
].map(([source, target]) => ({ source: source!, target: target! }));
const config = {
  data: { ignored_tag: '_' },
  model: { encoder: { hidden_size: 5, embeddings: { embedding_dim: 4 } } },
} as const;

test('an ignored tag is no label and nothing unknown', async () => {
  const model = SequenceTagger.fromPairs(await testGpu(), pairs, config);
  expect([...model.vocabularies.target.tokens].sort()).toEqual(['be', 'is', 'to']);
  const held = [...pairs, { source: 'so <blank> it', target: '_ be_it _' }];
  const corpus = tokenizeTraining(parallelText(held), model.config as never);
  const { targetUnknown } = encodePairs(corpus, model.vocabularies, model.config as never);
  expect(targetUnknown).toEqual({ unknown: 1, tokens: 4, rate: 0.25 });
  model.dispose();
});

test('loss and accuracy are those of the other places alone', async () => {
  const training = { batch_size: 3, epochs: 12, learning_rate: 0.1 };
  const model = SequenceTagger.fromPairs(await testGpu(), pairs, { ...config, training });
  await model.fit(pairs);
  const outputs = await model.predict(pairs.map(({ source }) => source));
  const places = [1, 2, 0];
  expect(outputs.map(({ tags }, line) => tags[places[line]!])).toEqual(['be', 'is', 'to']);
  // The answers are the most probable tags, so theirs are the probabilities that come with them.
  const probabilities = outputs.map((output, line) => output.probabilities![places[line]!]!);
  const expected = probabilities.reduce((sum, p) => sum - Math.log(p), 0) / 3;

  const { loss, accuracy, scores } = await model.evaluate(pairs);
  expect(loss).toBeCloseTo(expected, 5);
  expect(accuracy).toBe(1);
  expect(scores.token_accuracy).toBe(1);
  // An answer that is no label of the model is a wrong one; the loss knows nothing of it.
  const withUnknown = await model.evaluate([...pairs, { source: 'so <blank> it', target: '_ be_it _' }]);
  expect(withUnknown.loss).toBeCloseTo(expected, 5);
  expect(withUnknown.scores.token_accuracy).toBeCloseTo(3 / 4, 6);
  model.dispose();
});
