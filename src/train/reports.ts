/** What training tells whoever listens: a program, a page or the command line. */
import type { LengthRow } from './metrics/by-length.ts';
import type { Statistics } from './statistics.ts';

export interface LossReport {
  /** Mean over target tokens, in nats; with label smoothing where that is on. */
  readonly loss: number;
  /** exp of the mean negative log-likelihood of a target token. */
  readonly perplexity: number;
  /** Share of target tokens that were the most probable ones, given the right words before them. */
  readonly accuracy: number;
}

/** Every `logging_freq` updates, and at the end of an epoch. */
export interface ProgressReport extends LossReport {
  readonly kind: 'progress';
  /** Updates done. */
  readonly update: number;
  /** From 1. */
  readonly epoch: number;
  readonly learningRate: number;
  /** Of mixed precision: what the loss is multiplied by now, and the updates left out because that was too much. */
  readonly lossScale?: number;
  readonly overflows?: number;
  /** Mean norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** Target tokens since the last report, and the seconds it took. */
  readonly tokens: number;
  readonly seconds: number;
  /** Share of the whole training that is done, 0 to 1. */
  readonly done: number;
}

/** How decoded text compares with its references; what `testing.eval_metrics` asks for. */
export interface TextScores {
  /** Of classes, 0 to 1. */
  readonly accuracy?: number;
  readonly macro_f1?: number;
  /** Of entities, as conlleval counts them; 0 to 1. */
  readonly entity_f1?: number;
  readonly entity_precision?: number;
  readonly entity_recall?: number;
  readonly bits_per_character?: number;
  readonly token_accuracy?: number;
  readonly sequence_accuracy?: number;
  readonly wer?: number;
  readonly per?: number;
  readonly bleu?: number;
  readonly bleu_signature?: string;
}

export interface Sample {
  readonly source: string;
  readonly reference: string;
  readonly hypothesis: string;
}

export interface Validation extends LossReport {
  readonly scores: TextScores;
  readonly samples: readonly Sample[];
  /** The scores by source length, where asked for. */
  readonly byLength?: readonly LengthRow<TextScores>[];
}

export interface ValidationReport extends Validation {
  readonly kind: 'validation';
  readonly update: number;
  readonly epoch: number;
  /** The value of `early_stopping_metric`. */
  readonly score: number;
  /** Whether it is the best so far. */
  readonly best: boolean;
}

/** A moment at which a checkpoint is due: ask the trainer for it before going on. */
export interface CheckpointReport {
  readonly kind: 'checkpoint';
  readonly update: number;
  readonly epoch: number;
  /** The score of the validation just before, if there was one. */
  readonly score: number | undefined;
  readonly best: boolean;
}

export type EndReason = 'epochs' | 'updates' | 'early stopping' | 'aborted';

export interface EndReport {
  readonly kind: 'end';
  readonly reason: EndReason;
  readonly update: number;
  readonly epoch: number;
}

export type TrainingReport = ProgressReport | ValidationReport | CheckpointReport | EndReport;

/** Of no token at all (labels that are ignored) nothing was lost and nothing right. */
export function lossReport({ loss, nll, tokens, correct }: Statistics): LossReport {
  const count = Math.max(1, tokens);
  return { loss: loss / count, perplexity: Math.exp(nll / count), accuracy: correct / count };
}
