/** What the page can learn: pairs to train on, pairs held out, and how large a model it takes. */
import { type Pair, type PartialConfig, parseTsv } from 'couplet';
import hungarianHeldOut from '../../recipes/data/sigmorphon2020-g2p/hun_dev.tsv?raw';
import hungarianTrain from '../../recipes/data/sigmorphon2020-g2p/hun_train.tsv?raw';

export interface Task {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** What the input box holds at first. */
  readonly example: string;
  readonly pairs: readonly Pair[];
  readonly heldOut: readonly Pair[];
  readonly config: PartialConfig;
}

const shownSamples = [0, 1, 2, 3, 4, 5];
const heldOutCount = 96;

export const tasks: readonly (() => Task)[] = [reversing, numbers, hungarian];

function reversing(): Task {
  const random = randomFrom(1);
  const letters = 'abcdefghij';
  const words = distinct(2000 + heldOutCount, () =>
    Array.from(
      { length: 3 + Math.floor(4 * random()) },
      () => letters[Math.floor(letters.length * random())],
    ).join(''),
  );
  return {
    id: 'reverse',
    name: 'Backwards',
    description:
      'Three to six letters in, the same letters backwards out. The attention that it takes is easy to see: a diagonal, from the bottom up.',
    example: 'badge',
    ...split(words, (word) => [...word].reverse().join(' ')),
    config: configFor({ size: 32, learningRate: 0.01, batch: 64 }),
  };
}

function numbers(): Task {
  const random = randomFrom(2);
  const drawn = distinct(3000 + heldOutCount, () => String(Math.floor(10 ** (1 + 3 * random()))));
  return {
    id: 'numbers',
    name: 'Numbers in words',
    description:
      'Digits in, English words out: 407 becomes “four hundred seven”. Place value has to be discovered.',
    example: '3204',
    ...split(drawn, (digits) => inWords(Number(digits))),
    config: configFor({ size: 48, learningRate: 0.005, batch: 64 }),
  };
}

function hungarian(): Task {
  const read = (text: string, name: string) => {
    const { source, target } = parseTsv({ name, lines: text.trimEnd().split('\n') });
    return source.map((word, index) => ({ source: word, target: target[index]! }));
  };
  const config = configFor({ size: 64, learningRate: 0.005, batch: 64 });
  return {
    id: 'hungarian',
    name: 'Hungarian, aloud',
    description:
      '3,600 Hungarian words in their spelling; out comes how they sound, in the phonetic alphabet. Harder, and slow without a real GPU.',
    example: 'egészségedre',
    pairs: read(hungarianTrain, 'hun_train.tsv'),
    heldOut: read(hungarianHeldOut, 'hun_dev.tsv').slice(0, heldOutCount),
    config,
  };
}

function configFor(given: { size: number; learningRate: number; batch: number }): PartialConfig {
  const { size, learningRate, batch } = given;
  return {
    data: { src: { level: 'char', lowercase: true } },
    model: {
      encoder: { embeddings: { embedding_dim: size }, hidden_size: size / 2 },
      decoder: { hidden_dropout: 0.1, attention: { score: 'general' } },
    },
    training: {
      learning_rate: learningRate,
      batch_size: batch,
      updates: 1000,
      validation_unit: 'updates',
      validation_freq: 25,
      print_valid_sents: shownSamples,
    },
    testing: { batch_size: heldOutCount, eval_metrics: ['sequence_accuracy'], max_output_length: 48 },
  };
}

function split(sources: readonly string[], target: (source: string) => string) {
  const all = sources.map((source) => ({ source, target: target(source) }));
  return { heldOut: all.slice(0, heldOutCount), pairs: all.slice(heldOutCount) };
}

function distinct(count: number, draw: () => string): string[] {
  const drawn = new Set<string>();
  while (drawn.size < count) drawn.add(draw());
  return [...drawn];
}

/** The same numbers in [0, 1) on every visit (mulberry32), so that a task is always the same. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ones =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const tens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');

function inWords(number: number): string {
  const parts = (count: number, unit: string, rest: number) =>
    `${inWords(count)} ${unit}${rest === 0 ? '' : ` ${inWords(rest)}`}`;
  if (number >= 1000) return parts(Math.floor(number / 1000), 'thousand', number % 1000);
  if (number >= 100) return parts(Math.floor(number / 100), 'hundred', number % 100);
  if (number < 20) return ones[number]!;
  const rest = number % 10;
  return `${tens[Math.floor(number / 10) - 2]}${rest === 0 ? '' : ` ${ones[rest]}`}`;
}
