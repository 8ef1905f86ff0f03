/**
 * Sentences as ids, ready to be batched. Every sequence ends with `</s>`; none begins with `<s>`, which the
 * batches add. A reversed source (Sutskever et al. 2014) has its words reversed and `</s>` still at the end.
 */

import type { Corpus, CorpusSide } from './corpus.ts';
import { Sequences } from './sequences.ts';
import { END_ID, isSpecialToken, UNKNOWN_ID } from './special-tokens.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Sentence pairs as ids. */
export interface Dataset {
  readonly name: string;
  /** Ids of each source, `</s>` at the end. */
  readonly source: Sequences;
  /** Ids of each target, `</s>` at the end. */
  readonly target: Sequences;
  /** For each pair, the index of its line in the text, from 0. */
  readonly lines: Uint32Array;
  /** Source tokens without `</s>` that are unknown, and their share of all. */
  readonly sourceUnknown: UnknownTokens;
  readonly targetUnknown: UnknownTokens;
}

export interface UnknownTokens {
  readonly unknown: number;
  readonly tokens: number;
  /** unknown / tokens, 0 if there are none. */
  readonly rate: number;
}

export interface EncodeOptions {
  readonly sourceVocabulary: Vocabulary;
  readonly targetVocabulary: Vocabulary;
  /** Reverse the words of every source. Default false. */
  readonly reverseSource?: boolean;
}

/** Turns the tokens of a corpus into the ids of two vocabularies (which may be one and the same). */
export function encodeCorpus(corpus: Corpus, options: EncodeOptions): Dataset {
  const { sourceVocabulary, targetVocabulary, reverseSource = false } = options;
  const source = encodeSide(corpus.source, sourceVocabulary, reverseSource);
  const target = encodeSide(corpus.target, targetVocabulary, false);
  return {
    name: corpus.report.name,
    source,
    target,
    lines: corpus.lines,
    sourceUnknown: countUnknown(source),
    targetUnknown: countUnknown(target),
  };
}

/** Source lines as ids, for translation: one sequence a line, in order. */
export interface EncodedLines {
  /** Ids of each line, `</s>` at the end: an empty line is `</s>` alone. */
  readonly sequences: Sequences;
  readonly unknown: UnknownTokens;
  /** Tokens that read like a special token; they are among the unknown ones. */
  readonly literalSpecials: number;
}

/** Turns lines into ids. Nothing is dropped. */
export function encodeLines(
  lines: Iterable<string>,
  tokenizer: Tokenizer,
  vocabulary: Vocabulary,
  options: { readonly reverse?: boolean } = {},
): EncodedLines {
  let literalSpecials = 0;
  const encoded: Uint32Array[] = [];
  for (const line of lines) {
    const tokens = tokenizer.tokenize(line);
    for (const token of tokens) if (isSpecialToken(token)) literalSpecials++;
    const ids = vocabulary.encode(tokens);
    encoded.push(terminated(options.reverse ? ids.reverse() : ids));
  }
  const sequences = Sequences.from(encoded);
  return { sequences, unknown: countUnknown(sequences), literalSpecials };
}

/** One line for a log, such as `train.tsv: 0.0 % of the source and 1.2 % of the target tokens are unknown`. */
export function describeUnknown(dataset: Dataset): string {
  const percent = ({ rate }: UnknownTokens) => `${(100 * rate).toFixed(1)} %`;
  return (
    `${dataset.name}: ${percent(dataset.sourceUnknown)} of the source and ${percent(dataset.targetUnknown)} ` +
    'of the target tokens are unknown'
  );
}

function encodeSide(side: CorpusSide, vocabulary: Vocabulary, reverse: boolean): Sequences {
  const idOfType = vocabulary.encode(side.types);
  function* encoded() {
    for (const sequence of side.sequences) {
      const ids = sequence.map((type) => idOfType[type]!);
      yield terminated(reverse ? ids.reverse() : ids);
    }
  }
  return Sequences.from(encoded());
}

function terminated(ids: Uint32Array): Uint32Array {
  const result = new Uint32Array(ids.length + 1);
  result.set(ids);
  result[ids.length] = END_ID;
  return result;
}

function countUnknown(sequences: Sequences): UnknownTokens {
  let unknown = 0;
  for (const ids of sequences) for (const id of ids) if (id === UNKNOWN_ID) unknown++;
  const tokens = sequences.totalLength - sequences.count;
  return { unknown, tokens, rate: tokens === 0 ? 0 : unknown / tokens };
}
