/**
 * Examples as ids, ready to be batched. Of text every sequence ends with `</s>`; none begins with `<s>`, which the
 * batches add. A reversed source (Sutskever et al. 2014) has its words reversed and `</s>` still at the end.
 */

import { type Characters, encodeWords } from './characters.ts';
import type { Corpus, CorpusSide } from './corpus.ts';
import { type Forms, type SourceForm, textForms } from './forms.ts';
import type { Frames } from './frames.ts';
import { Sequences } from './sequences.ts';
import { END_ID, IGNORED_LABEL, isSpecialToken, UNKNOWN_ID } from './special-tokens.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Examples as ids. */
export interface Dataset {
  readonly name: string;
  readonly forms: Forms;
  /** Ids of each source, of text with `</s>` at the end. Of frames only the lengths mean anything. */
  readonly source: Sequences;
  /** The vectors of each source, where they are frames. */
  readonly frames?: readonly Frames[];
  /** For each source token its characters, where a model reads them. */
  readonly characters?: Characters;
  /** Ids of each target, of text with `</s>` at the end. */
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
  /** What the two sides are. Default: text. */
  readonly forms?: Forms;
  /** For models that read the characters of source tokens. */
  readonly characterVocabulary?: Vocabulary | undefined;
  /** Reverse the words of every source. Default false. */
  readonly reverseSource?: boolean;
}

/** Turns the tokens of a corpus into the ids of two vocabularies (which may be one and the same). */
export function encodeCorpus(corpus: Corpus, options: EncodeOptions): Dataset {
  const { sourceVocabulary, targetVocabulary, reverseSource = false, forms = textForms } = options;
  const { characterVocabulary } = options;
  const endsWith = (form: string) => (form === 'text' ? END_ID : undefined);
  const isRead = forms.source !== 'frames' && forms.source !== 'none';
  const source = isRead
    ? encodeSide(corpus.source, sourceVocabulary, reverseSource, endsWith(forms.source))
    : corpus.source.sequences;
  const target = encodeSide(corpus.target, targetVocabulary, false, endsWith(forms.target));
  return {
    name: corpus.report.name,
    forms,
    source,
    target,
    ...(corpus.frames && { frames: corpus.frames }),
    ...(characterVocabulary && { characters: charactersOf(corpus.source, characterVocabulary) }),
    lines: corpus.lines,
    sourceUnknown: isRead ? countUnknown(source, sourceVocabulary, endsWith(forms.source)) : noTokens,
    targetUnknown: countUnknown(target, targetVocabulary, endsWith(forms.target)),
  };
}

const noTokens: UnknownTokens = { unknown: 0, tokens: 0, rate: 0 };

function charactersOf(side: CorpusSide, vocabulary: Vocabulary): Characters {
  return { words: side.sequences, ids: encodeWords(side.types, vocabulary) };
}

/** Source lines as ids, for translation: one sequence a line, in order. */
export interface EncodedLines {
  /** Ids of each line, of text with `</s>` at the end: an empty line is `</s>` alone. */
  readonly sequences: Sequences;
  /** The tokens of each line, in the order in which they are read. */
  readonly tokens: readonly (readonly string[])[];
  readonly unknown: UnknownTokens;
  /** Tokens that read like a special token; they are among the unknown ones. */
  readonly literalSpecials: number;
}

/** Turns lines into ids. Nothing is dropped. */
export function encodeLines(
  lines: Iterable<string>,
  tokenizer: Tokenizer,
  vocabulary: Vocabulary,
  options: { readonly reverse?: boolean; readonly form?: SourceForm } = {},
): EncodedLines {
  const end = (options.form ?? 'text') === 'text' ? END_ID : undefined;
  let literalSpecials = 0;
  const encoded: Uint32Array[] = [];
  const allTokens: string[][] = [];
  for (const line of lines) {
    const tokens = tokenizer.tokenize(line);
    if (options.reverse) tokens.reverse();
    for (const token of tokens) if (isSpecialToken(token)) literalSpecials++;
    encoded.push(terminated(vocabulary.encode(tokens), end));
    allTokens.push(tokens);
  }
  const sequences = Sequences.from(encoded);
  return { sequences, tokens: allTokens, unknown: countUnknown(sequences, vocabulary, end), literalSpecials };
}

/** One line for a log, such as `train.tsv: 0.0 % of the source and 1.2 % of the target tokens are unknown`. */
export function describeUnknown(dataset: Dataset): string {
  const percent = ({ rate }: UnknownTokens) => `${(100 * rate).toFixed(1)} %`;
  return (
    `${dataset.name}: ${percent(dataset.sourceUnknown)} of the source and ${percent(dataset.targetUnknown)} ` +
    'of the target tokens are unknown'
  );
}

function encodeSide(
  side: CorpusSide,
  vocabulary: Vocabulary,
  reverse: boolean,
  end: number | undefined,
): Sequences {
  const idOfType = vocabulary.encode(side.types);
  function* encoded() {
    for (const sequence of side.sequences) {
      const ids = sequence.map((type) => idOfType[type]!);
      yield terminated(reverse ? ids.reverse() : ids, end);
    }
  }
  return Sequences.from(encoded());
}

function terminated(ids: Uint32Array, end: number | undefined): Uint32Array {
  if (end === undefined) return ids;
  const result = new Uint32Array(ids.length + 1);
  result.set(ids);
  result[ids.length] = end;
  return result;
}

/** `end`: what each sequence ends with besides its tokens. */
function countUnknown(sequences: Sequences, { kind }: Vocabulary, end: number | undefined): UnknownTokens {
  const unknownId = kind === 'text' ? UNKNOWN_ID : IGNORED_LABEL;
  let unknown = 0;
  for (const ids of sequences) for (const id of ids) if (id === unknownId) unknown++;
  const tokens = sequences.totalLength - (end === undefined ? 0 : sequences.count);
  return { unknown, tokens, rate: tokens === 0 ? 0 : unknown / tokens };
}
