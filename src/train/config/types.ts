/**
 * The types of a resolved configuration: every key is there, defaults filled in. What each key means, its
 * default and what it may be is data in the `*-keys.ts` files beside this one (for `model`: in
 * `src/nn/model-config.ts`), from which the validator, its messages and docs/configuration.md are made.
 */
import type { Precision } from '../../gpu/stored-as.ts';
import type { ModelConfig, ModelType } from '../../nn/model-config.ts';
import type { OptimizerName } from '../../optim/optimizer.ts';
import type { ParameterGroupOptions } from '../../optim/parameter-groups.ts';
import type { SamplingScheduleOptions } from '../sampling-schedule.ts';

export type { ModelConfig, ModelType } from '../../nn/model-config.ts';

export type DatasetType = 'plain' | 'tsv' | 'lines';
export type SideLevel = 'word' | 'char' | 'frames';

/** One side of the data: `data.src` or `data.trg`. */
export interface SideConfig {
  /** Suffix of this side's files when `dataset_type` is `plain`. */
  lang: string;
  level: SideLevel;
  lowercase: boolean;
  /** Training pairs with more tokens on this side are dropped; null: no limit. */
  max_length: number | null;
  /** Most tokens besides the four special ones; null: all. */
  voc_limit: number | null;
  voc_min_freq: number;
  voc_file: string | null;
}

export interface DataConfig {
  dataset_type: DatasetType;
  train: string;
  dev: string | null;
  test: string | null;
  /** TSV columns, counted from 1. */
  source_column: number;
  target_column: number;
  src: SideConfig;
  trg: SideConfig;
  share_vocab: boolean;
  /** Of taggers: a tag that is neither learnt nor scored. */
  ignored_tag: string | null;
  reverse_source: boolean;
}

export type Normalization = 'tokens' | 'batch' | 'none';
export type BatchType = 'sentence' | 'token';
export type Scheduling = 'constant' | 'step' | 'inverse_sqrt' | 'plateau';
export type EarlyStoppingMetric = 'loss' | 'ppl' | 'accuracy' | 'wer' | 'bleu' | 'macro_f1' | 'entity_f1';

export type Forcing = 'teacher' | 'free_running' | 'scheduled_sampling';

/** Whose words a decoder reads in training. */
export interface ScheduledSamplingConfig extends SamplingScheduleOptions {
  /** The decoder's own token: its most probable one, or one drawn from its distribution. */
  token: 'argmax' | 'sample';
}

export interface TrainingConfig {
  random_seed: number;

  optimizer: OptimizerName;
  learning_rate: number;
  momentum: number;
  adam_betas: [number, number];
  eps: number;
  weight_decay: number;
  normalization: Normalization;
  clip_grad_norm: number | null;
  label_smoothing: number;
  precision: Precision;
  /** Learning rates and freezing by the names of parameters. */
  parameter_groups: ParameterGroupOptions[];

  forcing: Forcing;
  scheduled_sampling: ScheduledSamplingConfig;
  /** Of language models: the text is one stream, cut into chunks of so many tokens; null: each line by itself. */
  bptt_length: number | null;

  batch_size: number;
  batch_type: BatchType;
  batch_multiplier: number;
  bucket_width: number;
  shuffle: boolean;
  /** So many batches' worth of random sentences are sorted by length together; 1: batches of random lengths. */
  pool_batches: number;
  epochs: number | null;
  updates: number | null;
  max_in_flight: number;

  scheduling: Scheduling;
  /** Updates of linear warm-up from 0, before any scheduling. */
  learning_rate_warmup: number;
  learning_rate_min: number;
  decrease_factor: number;
  /** Plateau: validations without improvement before the rate is decreased. */
  patience: number;
  /** Step: the first epoch (from 1) with a decreased rate, and epochs between decreases. */
  start_decay_epoch: number;
  decay_every: number;

  validation_freq: number;
  validation_unit: 'epochs' | 'updates';
  logging_freq: number;
  print_valid_sents: number[];
  early_stopping_metric: EarlyStoppingMetric;
  early_stopping_patience: number | null;

  /** The run folder; null: `runs/<name>` in the working directory. */
  model_dir: string | null;
  overwrite: boolean;
  /** A checkpoint is also written every so many updates; null: only after a validation. */
  save_freq: number | null;
  keep_best_ckpts: number;
  keep_last_ckpts: number;
  load_model: string | null;
  /** A language model whose parameters the decoder starts from. */
  load_decoder: string | null;
  reset_optimizer: boolean;
  reset_scheduler: boolean;
}

export type EvalMetric =
  | 'token_accuracy'
  | 'sequence_accuracy'
  | 'wer'
  | 'per'
  | 'bleu'
  | 'accuracy'
  | 'macro_f1'
  | 'entity_f1'
  | 'bits_per_character';
export type BleuTokenizer = '13a' | 'char' | 'zh' | 'none';

export interface TestingConfig {
  batch_size: number;
  /** Most tokens put out; null: max_output_factor × source length + 10. */
  max_output_length: number | null;
  max_output_factor: number;
  /** Of generated text: 0 takes the most probable token, else one is drawn from softmax(logits / temperature). */
  temperature: number;
  eval_metrics: EvalMetric[];
  sacrebleu_cfg: { tokenize: BleuTokenizer; lowercase: boolean };
}

export interface Config<T extends ModelType = ModelType> {
  name: string;
  data: DataConfig;
  model: ModelConfig<T>;
  training: TrainingConfig;
  testing: TestingConfig;
}
