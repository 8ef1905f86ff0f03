/** From paired lines to what a model trains on: tokenisers, vocabularies and datasets, as a configuration says. */
import { type Corpus, tokenizeCorpus } from '../data/corpus.ts';
import { type Dataset, encodeCorpus } from '../data/dataset.ts';
import type { ParallelText } from '../data/parallel.ts';
import { createTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { Vocabulary } from '../data/vocabulary.ts';
import type { DataConfig, SideConfig } from '../train/config/types.ts';

export interface Tokenizers {
  readonly source: Tokenizer;
  readonly target: Tokenizer;
}

export interface Vocabularies {
  readonly source: Vocabulary;
  readonly target: Vocabulary;
}

export function createTokenizers({ src, trg }: DataConfig): Tokenizers {
  return { source: createTokenizer(src), target: createTokenizer(trg) };
}

/** Training pairs as tokens, empty and too long ones dropped. */
export function tokenizeTraining(text: ParallelText, data: DataConfig): Corpus {
  return tokenizeCorpus(text, {
    ...createTokenizers(data),
    ...(data.src.max_length !== null && { maxSourceLength: data.src.max_length }),
    ...(data.trg.max_length !== null && { maxTargetLength: data.trg.max_length }),
  });
}

/** Vocabularies of a training corpus; `given` ones (from files) are used as they are. */
export function buildVocabularies(
  corpus: Corpus,
  data: DataConfig,
  given: Partial<Vocabularies> = {},
): Vocabularies {
  const options = ({ voc_limit, voc_min_freq }: SideConfig) => ({
    ...(voc_limit !== null && { limit: voc_limit }),
    minFrequency: voc_min_freq,
  });
  if (data.share_vocab) {
    const shared =
      given.source ??
      given.target ??
      Vocabulary.build([corpus.source.counts, corpus.target.counts], options(data.src));
    return { source: shared, target: shared };
  }
  return {
    source: given.source ?? Vocabulary.build(corpus.source.counts, options(data.src)),
    target: given.target ?? Vocabulary.build(corpus.target.counts, options(data.trg)),
  };
}

export function encodePairs(corpus: Corpus, vocabularies: Vocabularies, data: DataConfig): Dataset {
  return encodeCorpus(corpus, {
    sourceVocabulary: vocabularies.source,
    targetVocabulary: vocabularies.target,
    reverseSource: data.reverse_source,
  });
}
