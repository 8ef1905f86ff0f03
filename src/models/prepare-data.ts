/** From examples to what a model trains on: tokenisers, vocabularies and datasets, as a configuration says. */
import { type Corpus, tokenizeCorpus } from '../data/corpus.ts';
import { type Dataset, encodeCorpus } from '../data/dataset.ts';
import { type Forms, isLabels } from '../data/forms.ts';
import type { ParallelText } from '../data/parallel.ts';
import { createTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { countTokens, type TokenCounts, Vocabulary, type VocabularyKind } from '../data/vocabulary.ts';
import { DataError } from '../errors.ts';
import type { Config, DataConfig, ModelConfig, SideConfig } from '../train/config/types.ts';

export interface Tokenizers {
  readonly source: Tokenizer;
  readonly target: Tokenizer;
}

export interface Vocabularies {
  /** Of frames the names of their numbers. */
  readonly source: Vocabulary;
  readonly target: Vocabulary;
  /** Of the characters of source tokens, where a model reads them. */
  readonly characters?: Vocabulary;
}

/** What the two sides of a model's examples are. */
export function formsOf({ model, data }: Pick<Config, 'model' | 'data'>): Forms {
  const frames = data.src.level === 'frames';
  switch (model.type) {
    case 'seq2seq':
      return { source: frames ? 'frames' : 'text', target: 'text' };
    case 'tagger':
      return { source: frames ? 'frames' : 'tokens', target: 'tags' };
    case 'classifier':
      return { source: frames ? 'frames' : 'tokens', target: 'label' };
    case 'generator':
      return { source: frames ? 'frames' : 'label', target: 'text' };
    case 'language_model':
      return { source: 'none', target: 'text' };
    default:
      return model satisfies never;
  }
}

/** Whether a model reads the characters of its source tokens. */
export function readsCharacters(model: ModelConfig): boolean {
  return model.type === 'tagger' && model.characters.use;
}

export function createTokenizers(config: Pick<Config, 'model' | 'data'>): Tokenizers {
  const { src, trg } = config.data;
  const forms = formsOf(config);
  const whole = ({ lowercase }: SideConfig) => createTokenizer({ level: 'line', lowercase });
  const words = ({ level, lowercase }: SideConfig) =>
    createTokenizer({ level: level === 'frames' ? 'word' : level, lowercase });
  const tags = createTokenizer({ level: 'word' });
  return {
    source: forms.source === 'label' ? whole(src) : words(src),
    target: forms.target === 'label' ? whole(trg) : forms.target === 'tags' ? tags : words(trg),
  };
}

/** Training examples as tokens, empty and too long ones dropped. */
export function tokenizeTraining(text: ParallelText, config: Pick<Config, 'model' | 'data'>): Corpus {
  const { src, trg } = config.data;
  return tokenizeCorpus(text, {
    ...createTokenizers(config),
    forms: formsOf(config),
    ...(src.max_length !== null && { maxSourceLength: src.max_length }),
    ...(trg.max_length !== null && { maxTargetLength: trg.max_length }),
  });
}

/** Vocabularies of a training corpus; `given` ones (from files) are used as they are. */
export function buildVocabularies(
  corpus: Corpus,
  config: Pick<Config, 'model' | 'data'>,
  given: Partial<Vocabularies> = {},
): Vocabularies {
  const { data, model } = config;
  const forms = formsOf(config);
  if (data.share_vocab) {
    const shared =
      given.source ??
      given.target ??
      Vocabulary.build([corpus.source.counts, corpus.target.counts], optionsOf(data.src));
    return { source: shared, target: shared };
  }
  if (!given.target) expectClasses(corpus, config);
  const target =
    given.target ??
    (isLabels(forms.target)
      ? Vocabulary.labels(withoutIgnored(corpus.target.counts, data))
      : Vocabulary.build(corpus.target.counts, optionsOf(data.trg)));
  return {
    source: given.source ?? sourceVocabulary(corpus, data, forms),
    target,
    ...(readsCharacters(model) && {
      characters: given.characters ?? characterVocabulary(corpus.source.counts),
    }),
  };
}

/**
 * What vocabularies cannot tell: that there is something to choose between.
 * @throws DataError where there is but one class or tag
 */
export function expectClasses(corpus: Corpus, config: Pick<Config, 'model' | 'data'>): void {
  if (config.data.trg.voc_file !== null) return;
  const { target } = formsOf(config);
  if (!isLabels(target)) return;
  const seen = [...withoutIgnored(corpus.target.counts, config.data).keys()];
  if (seen.length > 1) return;
  const [what, whats] = target === 'label' ? ['class', 'classes'] : ['tag', 'tags'];
  const found = seen.length === 0 ? `no ${what}` : `one ${what} alone, '${seen[0]}'`;
  throw new DataError(
    `${corpus.report.name} has ${found}: there must be two ${whats} to choose from at least.`,
  );
}

function withoutIgnored(counts: TokenCounts, { ignored_tag }: DataConfig): TokenCounts {
  return new Map([...counts].filter(([tag]) => tag !== ignored_tag));
}

function optionsOf({ voc_limit, voc_min_freq }: SideConfig) {
  return { ...(voc_limit !== null && { limit: voc_limit }), minFrequency: voc_min_freq };
}

function sourceVocabulary(corpus: Corpus, { src }: DataConfig, forms: Forms): Vocabulary {
  if (forms.source === 'none') return new Vocabulary([], 'labels');
  if (forms.source === 'frames') {
    const size = corpus.frames?.[0]?.size ?? 0;
    return new Vocabulary(
      Array.from({ length: size }, (_, index) => `x${index}`),
      'labels',
    );
  }
  if (forms.source === 'label') return Vocabulary.labels(corpus.source.counts);
  return Vocabulary.build(corpus.source.counts, optionsOf(src));
}

/** Every character of the training text's tokens. */
function characterVocabulary(words: TokenCounts): Vocabulary {
  return Vocabulary.build(countTokens(Array.from(words.keys(), (word) => Array.from(word))));
}

/** What kind each vocabulary of a model is, to read them from files. */
export function vocabularyKinds(
  config: Pick<Config, 'model' | 'data'>,
): Record<'source' | 'target', VocabularyKind> {
  const forms = formsOf(config);
  return {
    source: isLabels(forms.source) ? 'labels' : 'text',
    target: isLabels(forms.target) ? 'labels' : 'text',
  };
}

/** @throws DataError where a class to generate from is not one that the model knows, or frames are of another size */
export function encodePairs(
  corpus: Corpus,
  vocabularies: Vocabularies,
  config: Pick<Config, 'model' | 'data'>,
): Dataset {
  const forms = formsOf(config);
  const { source, target, characters } = vocabularies;
  if (forms.source === 'label') {
    for (const [index, [type]] of [...corpus.source.sequences].entries()) {
      const where = `${corpus.report.name}: line ${corpus.lines[index]! + 1}`;
      expectKnown(corpus.source.types[type!]!, source, where);
    }
  }
  for (const [index, { size }] of (corpus.frames ?? []).entries()) {
    if (size === source.size) continue;
    const line = corpus.lines[index]! + 1;
    throw new DataError(
      `${corpus.report.name}: line ${line}: a step has ${size} numbers, but the model reads ${source.size}.`,
    );
  }
  const dataset = encodeCorpus(corpus, {
    sourceVocabulary: source,
    targetVocabulary: target,
    characterVocabulary: characters,
    reverseSource: config.data.reverse_source,
    forms,
  });
  const ignored = corpus.target.counts.get(config.data.ignored_tag ?? '') ?? 0;
  if (ignored === 0) return dataset;
  // An ignored tag is no label of the vocabulary, and nothing that the model does not know.
  const unknown = dataset.targetUnknown.unknown - ignored;
  const tokens = dataset.targetUnknown.tokens - ignored;
  return { ...dataset, targetUnknown: { unknown, tokens, rate: tokens === 0 ? 0 : unknown / tokens } };
}

/** A class that a model generates from must be one that it was trained on. */
export function expectKnown(name: string, classes: Vocabulary, where: string): void {
  if (classes.has(name)) return;
  const known = classes.tokens.slice(0, 20).join(', ');
  throw new DataError(
    `${where}: '${name}' is not a class of this model; it has ${known}${classes.size > 20 ? ', …' : ''}.`,
  );
}
