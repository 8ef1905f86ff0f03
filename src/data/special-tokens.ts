/**
 * The four special tokens, in Joey NMT's order. Their ids are the same in every vocabulary, so that kernels
 * and decoders need not ask. A text that literally holds such a string (`<s>` in an HTML corpus) never gets
 * the special id: it is read as unknown, and counted.
 */

/** Any token that the vocabulary does not hold. */
export const UNKNOWN_ID = 0;
/** Fills the rows of a batch up to its length; never counted, never emitted. */
export const PAD_ID = 1;
/** Starts what the decoder reads. */
export const BEGIN_ID = 2;
/** Ends every source and every target. */
export const END_ID = 3;

/** Stands where there is no label to learn or to score: padding, and labels that the training text does not have. */
export const IGNORED_LABEL = 0xffff_ffff;

/** The special tokens; the index of each is its id. */
export const SPECIAL_TOKENS = ['<unk>', '<pad>', '<s>', '</s>'] as const;

const SPECIAL = new Set<string>(SPECIAL_TOKENS);

/** Whether a token of a text reads like one of the special tokens. */
export function isSpecialToken(token: string): boolean {
  return SPECIAL.has(token);
}
