/** The keys of the `training` section: the optimiser, its batches and learning rate, and what is kept. */
import type { Precision } from '../../gpu/stored-as.ts';
import {
  choice,
  derived,
  flag,
  fraction,
  integer,
  type KeySpec,
  listOf,
  number,
  orNull,
  pairOf,
  scope,
  section,
  text,
} from '../../nn/config/spec.ts';
import type { ParameterGroupOptions } from '../../optim/parameter-groups.ts';
import type { Normalization, ScheduledSamplingConfig, TrainingConfig } from './types.ts';

/** The largest seed: what fits in 32 bits. */
const MAX_SEED = 0xffff_ffff;

const parameterGroupsKey: KeySpec<ParameterGroupOptions[]> = {
  default: [],
  allowed:
    'a list of groups such as { pattern: encoder.*, lr: 0.1, frozen_epochs: 2 }, where lr (≥ 0) and frozen_epochs (a whole number or always) may be left out',
  accepts: (value) => Array.isArray(value) && value.every(isParameterGroup),
  doc: "Learning rates and freezing by the names of parameters (`*` stands for any characters; the first pattern that matches a name counts): `lr` multiplies the learning rate, `frozen_epochs` leaves the parameters as they are for the first so many epochs, or `always`. Like PyTorch's parameter groups; frozen ones are left out of the gradient's norm. Where the columns of a weight belong to several inputs, each has a name of its own: `decoder.rnn.weight_ih_l0.words`, `.context` (the fixed context, or a generator's input) and `.feed` (h̃), `encoder.rnn.weight_ih_l0.words` and `.characters`.",
};

function isParameterGroup(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { pattern, lr = 1, frozen_epochs: frozen = 0, ...others } = value as Record<string, unknown>;
  const isFrozen = frozen === 'always' || (Number.isSafeInteger(frozen) && (frozen as number) >= 0);
  const isRate = Number.isFinite(lr) && (lr as number) >= 0;
  return (
    typeof pattern === 'string' && pattern !== '' && isRate && isFrozen && Object.keys(others).length === 0
  );
}

export const trainingSection = scope<TrainingConfig>('How the model is trained and what is kept of it.', {
  random_seed: integer({
    default: 42,
    min: 0,
    max: MAX_SEED,
    doc: 'Of the initial weights, the order of batches and dropout. The same seed gives the same bits on the same adapter.',
  }),

  optimizer: choice(['sgd', 'adam', 'adamw'], { default: 'adam', doc: "PyTorch's optimiser of that name." }),
  learning_rate: number({ default: 0.001, above: 0, doc: 'The rate after warm-up and before any decrease.' }),
  momentum: number({ default: 0, min: 0, below: 1, doc: 'Of sgd.' }),
  adam_betas: pairOf(number({ min: 0, below: 1, doc: '' }), {
    default: [0.9, 0.999],
    doc: 'Of adam and adamw: how slowly the first and second moment forget.',
  }),
  eps: number({ default: 1e-8, above: 0, doc: 'Of adam and adamw: added to the root of the second moment.' }),
  weight_decay: number({
    default: 0,
    min: 0,
    doc: 'How much weights shrink: adamw takes it off the weights; sgd and adam add it to the gradient, as in PyTorch.',
  }),
  normalization: choice(['tokens', 'batch', 'none'] satisfies Normalization[], {
    default: 'tokens',
    doc: "What the summed loss of an update is divided by: its target tokens, its sentences, or nothing. (Joey NMT's default is batch; PyTorch recipes average over tokens; the learning rates of Luong and Sutskever belong to batch.)",
    elsewhere: { sents: 'Normalisation by sentences is batch here.' },
  }),
  clip_grad_norm: orNull(
    number({ above: 0, doc: 'Scale the normalised gradient down to this norm when it is longer.' }),
    'off',
    5,
  ),
  label_smoothing: fraction('The share of probability spread evenly over the vocabulary.'),
  precision: choice(['f32', 'mixed'] satisfies Precision[], {
    default: 'f32',
    doc: 'How a training step stores what it computes. mixed is as 16-bit floats, which takes about half of its memory and memory traffic, and the loss is scaled so that small gradients survive that; sums, weights, their gradients and moments stay 32-bit, and so do checkpoints, validation and whatever uses the trained model. It needs an adapter with the feature `shader-f16`.',
    elsewhere: { fp16: 'Write mixed.' },
  }),
  parameter_groups: parameterGroupsKey,

  forcing: choice(['teacher', 'free_running', 'scheduled_sampling'], {
    default: 'teacher',
    doc: "Whose words the decoder reads in training: the reference's, its own, or each by chance (Bengio et al. 2015). Its own `</s>` does not end a sequence: it goes on to the reference's length.",
  }),
  scheduled_sampling: section<ScheduledSamplingConfig>(
    "How often the decoder's own token is read, with `forcing: scheduled_sampling`; the paper's ε is the teacher's share, 1 − p. i counts updates.",
    {
      token: choice(['argmax', 'sample'], {
        default: 'argmax',
        doc: "The decoder's own token: the most probable one, or one drawn from its distribution. Of free running too.",
      }),
      schedule: choice(['constant', 'linear', 'exponential', 'inverse_sigmoid'], {
        default: 'inverse_sigmoid',
        doc: 'How ε goes over the updates: constant 1 − `probability`; linear max(`epsilon_min`, `k` − `c`·i); exponential `k`^i; inverse sigmoid `k` / (`k` + exp(i / `k`)).',
      }),
      probability: number({ default: 0.25, min: 0, max: 1, doc: 'Of constant: p.' }),
      k: number({
        default: 500,
        above: 0,
        doc: 'Of linear (at most 1), exponential (below 1) and inverse_sigmoid (at least 1).',
      }),
      c: number({ default: 0.001, min: 0, doc: 'Of linear: how much ε falls with each update.' }),
      epsilon_min: number({ default: 0, min: 0, max: 1, doc: 'Of linear: where ε stops.' }),
    },
  ),
  bptt_length: orNull(
    integer({
      min: 1,
      doc: 'Of language models: the text is one stream in `batch_size` rows, cut into chunks of so many tokens; a chunk starts from the states that the one before it left (truncated back-propagation through time).',
    }),
    'each line by itself, from zero states',
    null,
  ),

  batch_size: integer({ default: 64, min: 1, doc: 'Sentences or tokens in a batch, as `batch_type` says.' }),
  batch_type: choice(['sentence', 'token'], {
    default: 'sentence',
    doc: 'What `batch_size` counts; tokens are counted with padding, on the longer side.',
    elsewhere: { sents: 'Write sentence.', tokens: 'Write token.' },
  }),
  batch_multiplier: integer({
    default: 1,
    min: 1,
    doc: 'Batches added up into one update, weighed as one large batch would be.',
  }),
  bucket_width: integer({
    default: 4,
    min: 1,
    doc: 'Lengths are rounded up to multiples of this, so that few different plans are needed. Wider: fewer plans, more padding.',
  }),
  shuffle: flag({
    default: true,
    doc: 'Another random order in every epoch; false: that of the first in all.',
  }),
  pool_batches: integer({
    default: 100,
    min: 1,
    doc: "So many batches' worth of random sentences are sorted by length and cut into batches: more means less padding and less variety. 1 makes batches of random lengths, as plain PyTorch scripts do.",
  }),
  epochs: orNull(
    integer({
      min: 1,
      doc: 'Train for so many passes over the training text.',
    }),
    'as many as `training.updates` takes',
    derived('30, or null if `training.updates` is given', ({ updates }: TrainingConfig) =>
      updates === null ? 30 : null,
    ),
  ),
  updates: orNull(
    integer({ min: 1, doc: 'Train for so many updates.' }),
    'as many as `training.epochs` takes',
    null,
  ),
  max_in_flight: integer({
    default: 2,
    min: 1,
    max: 16,
    doc: 'Updates handed to the GPU before waiting for the oldest. It changes no result.',
  }),

  scheduling: choice(['constant', 'step', 'inverse_sqrt', 'plateau'], {
    default: 'constant',
    doc: 'The learning rate after warm-up: as it is; times `decrease_factor` in epoch `start_decay_epoch` and every `decay_every` epochs from there; times √(warm-up / update); or times `decrease_factor` after more than `patience` validations without improvement.',
    elsewhere: {
      halving: 'Write step with `decrease_factor: 0.5` and `start_decay_epoch`.',
      decaying: "Joey NMT's `decaying` is step here.",
      exponential: 'Write step with `start_decay_epoch: 2` and `decay_every: 1`.',
      warmup: 'Write constant with `learning_rate_warmup`.',
      noam: 'Write inverse_sqrt with `learning_rate_warmup`; `learning_rate` is the peak.',
      warmupinversesquareroot: 'Write inverse_sqrt with `learning_rate_warmup`.',
      rsqrt: "OpenNMT's `rsqrt` is inverse_sqrt here.",
      none: 'Write constant.',
    },
  }),
  learning_rate_warmup: integer({
    default: 0,
    min: 0,
    doc: 'The rate rises in a straight line over so many updates, whatever `scheduling` says; 0 turns it off.',
  }),
  learning_rate_min: number({ default: 0, min: 0, doc: 'Decreases stop at this rate.' }),
  decrease_factor: number({ default: 0.5, above: 0, below: 1, doc: 'Of step and plateau.' }),
  patience: integer({ default: 5, min: 0, doc: 'Of plateau, in validations.' }),
  start_decay_epoch: integer({
    default: 2,
    min: 2,
    doc: 'Of step: the first epoch with a lower rate, counted from 1.',
  }),
  decay_every: integer({ default: 1, min: 1, doc: 'Of step: epochs from one decrease to the next.' }),

  validation_freq: integer({ default: 1, min: 1, doc: 'Validate every so many epochs or updates.' }),
  validation_unit: choice(['epochs', 'updates'], {
    default: 'epochs',
    doc: 'What `validation_freq` counts. (Joey NMT counts updates.)',
    elsewhere: { steps: 'Write updates.' },
  }),
  logging_freq: integer({ default: 100, min: 1, doc: 'Report the loss every so many updates.' }),
  print_valid_sents: listOf(integer({ min: 0, doc: '' }), {
    default: [0, 1, 2],
    distinct: true,
    doc: 'Which validation pairs, counted from 0, are shown with their output at every validation.',
  }),
  early_stopping_metric: choice(['loss', 'ppl', 'accuracy', 'wer', 'bleu', 'macro_f1', 'entity_f1'], {
    default: 'loss',
    doc: 'What makes a checkpoint the best one, and what plateau and early stopping watch: loss, perplexity and wer want to fall, accuracy (of target tokens with the right words before them, of tags or of classes), bleu, macro_f1 and entity_f1 to rise.',
    elsewhere: { acc: 'Write accuracy.', per: 'Write wer.' },
  }),
  early_stopping_patience: orNull(
    integer({ min: 1, doc: 'Stop after so many validations in a row without improvement.' }),
    'never',
    null,
  ),

  model_dir: orNull(
    text({ doc: 'The run folder.' }),
    '`runs/NAME` in the working directory, where NAME is `name`',
    null,
  ),
  overwrite: flag({ default: false, doc: 'Start over where a run already lies. The old run is deleted.' }),
  save_freq: orNull(
    integer({ min: 1, doc: 'Also write a checkpoint every so many updates.' }),
    'after every validation only',
    null,
  ),
  keep_best_ckpts: integer({ default: 3, min: 1, doc: 'Keep so many of the best checkpoints.' }),
  keep_last_ckpts: integer({
    default: 2,
    min: 1,
    doc: 'Keep so many of the latest checkpoints. With 2, a damaged one costs little.',
  }),
  load_model: orNull(
    text({ doc: 'Start from the weights of this run folder or model file instead of new ones.' }),
    'new weights',
    null,
  ),
  load_decoder: orNull(
    text({
      doc: "Start the decoder, which must be without attention, from the language model in this run folder. It must have the same cell, sizes and target vocabulary (`data.trg.voc_file: RUN/trg_vocab.txt`). What the language model has not (the context's columns, the bridge) starts at zero, so that the first predictions are the language model's. To train only these and the encoder at first: `parameter_groups: [{ pattern: decoder.rnn.weight_ih_l0.context }, { pattern: decoder.*, frozen_epochs: 1 }]`.",
    }),
    'as any other part',
    null,
  ),
  reset_optimizer: flag({ default: false, doc: "With `load_model`: do not load the optimiser's state." }),
  reset_scheduler: flag({ default: false, doc: 'With `load_model`: start the learning rate schedule over.' }),
});
