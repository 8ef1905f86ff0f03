/** What does not fit together in a configuration whose keys are each right. */
import type { Problem } from '../../nn/config/resolve.ts';
import { checkModel, type ModelType } from '../../nn/model-config.ts';
import { checkSamplingSchedule } from '../sampling-schedule.ts';
import { isTsv } from './data-keys.ts';
import { checkStart } from './start-checks.ts';
import { metricsOf } from './testing-keys.ts';
import type { Config, EarlyStoppingMetric, SideConfig, TestingConfig } from './types.ts';

export function checkConfig(config: Config): Problem[] {
  const problems: Problem[] = [];
  const problem = (path: string, message: string) => {
    problems.push({ path: path.split('.'), at: 'value', message: `\`${path}\`: ${message}` });
  };
  checkData(config, problem);
  problems.push(...checkModel(config.model));
  checkTask(config, problem);
  checkTraining(config, problem);
  checkStart(config, problem);
  return problems;
}

type Report = (path: string, message: string) => void;

/** What a type of model needs of the other sections, and what means nothing to it. */
function checkTask({ model, data, training, testing }: Config, problem: Report): void {
  const { type } = model;
  const writes = type === 'seq2seq' || type === 'generator';
  if (type === 'seq2seq' && model.tied_embeddings && !data.share_vocab) {
    problem('model.tied_embeddings', 'needs one vocabulary for both sides; write `data.share_vocab: true`.');
  }
  if (data.ignored_tag !== null && (type !== 'tagger' || model.crf)) {
    problem('data.ignored_tag', 'is for taggers without a CRF, which scores whole sequences.');
  }
  if (data.share_vocab && type !== 'seq2seq') {
    problem('data.share_vocab', `is for seq2seq, but \`model.type\` is ${type}.`);
  }
  if (data.reverse_source && type !== 'seq2seq' && type !== 'classifier') {
    const reason = type === 'tagger' ? 'tags stand for tokens in their order' : `a ${type} reads no tokens`;
    problem('data.reverse_source', `${reason}; write false.`);
  } else if (data.reverse_source && data.src.level === 'frames') {
    problem('data.reverse_source', 'is for tokens; frames are read in their own order.');
  }
  if (data.trg.level === 'frames') problem('data.trg.level', 'frames can only be read, not written.');
  if (data.src.level === 'frames' && type === 'language_model') {
    problem('data.src.level', 'a language model reads no source.');
  }
  if ((data.dataset_type === 'lines') !== (type === 'language_model') && data.dataset_type !== 'tsv') {
    problem(
      'data.dataset_type',
      `lines is for language models and only for them, but \`model.type\` is ${type}.`,
    );
  }
  if (training.bptt_length !== null && type !== 'language_model') {
    problem('training.bptt_length', `is for language models, but \`model.type\` is ${type}.`);
  }
  if (training.bptt_length !== null && training.batch_type !== 'sentence') {
    problem('training.batch_type', 'with `bptt_length` `batch_size` is a number of rows; write sentence.');
  }
  if (training.forcing !== 'teacher' && !writes) {
    problem('training.forcing', `${training.forcing} needs a decoder, but \`model.type\` is ${type}.`);
  }
  if (training.load_decoder !== null && type !== 'seq2seq') {
    problem('training.load_decoder', `is for seq2seq, but \`model.type\` is ${type}.`);
  }
  const known = metricsOf[type];
  const foreign = testing.eval_metrics.filter((metric) => !known.includes(metric));
  if (foreign.length > 0) {
    problem(
      'testing.eval_metrics',
      `${foreign.join(', ')} cannot score a ${type}; it has ${known.join(', ')}.`,
    );
  }
  if (training.forcing === 'scheduled_sampling') {
    try {
      checkSamplingSchedule(training.scheduled_sampling);
    } catch (error) {
      problem('training.scheduled_sampling', (error as Error).message);
    }
  }
  if (type === 'tagger' && model.crf && training.label_smoothing > 0) {
    problem('training.label_smoothing', 'a CRF has no smoothing; write 0, or `model.crf: false`.');
  }
}

function checkData({ data }: Config, problem: Report): void {
  const { src, trg } = data;
  if (data.dataset_type === 'tsv' && data.source_column === data.target_column) {
    problem('data.target_column', `${data.target_column} is also the source's column.`);
  }
  if (data.dataset_type === 'plain') {
    if (isTsv(data.train))
      problem('data.dataset_type', `plain, but \`data.train\` is a TSV file; write tsv or leave it out.`);
    else if (src.lang === trg.lang) {
      problem('data.trg.lang', `${trg.lang} is also the source's suffix; both sides would be one file.`);
    }
  }
  if (data.share_vocab) {
    const shared: (keyof SideConfig)[] = ['level', 'voc_limit', 'voc_min_freq', 'voc_file'];
    for (const key of shared) {
      if (src[key] === trg[key]) continue;
      problem(
        `data.trg.${key}`,
        `is ${trg[key]}, but \`data.src.${key}\` is ${src[key]}; with \`share_vocab\` they must agree.`,
      );
    }
  }
}

function checkTraining({ model, data, training, testing }: Config, problem: Report): void {
  if (training.epochs === null && training.updates === null) {
    problem(
      'training.epochs',
      'null, and so is `training.updates`; training would never end. Give one of them.',
    );
  }
  if (training.momentum > 0 && training.optimizer !== 'sgd') {
    problem('training.momentum', `belongs to sgd, but \`training.optimizer\` is ${training.optimizer}.`);
  }
  if (training.scheduling === 'inverse_sqrt' && training.learning_rate_warmup === 0) {
    problem('training.scheduling', 'inverse_sqrt needs `training.learning_rate_warmup`, such as 4000.');
  }
  if (training.learning_rate_min > training.learning_rate) {
    problem(
      'training.learning_rate_min',
      `${training.learning_rate_min} is more than the learning rate ${training.learning_rate}.`,
    );
  }
  if (data.dev !== null) checkStoppingMetric(model.type, training.early_stopping_metric, testing, problem);
  if (data.dev === null) {
    if (training.scheduling === 'plateau')
      problem('training.scheduling', 'plateau needs validation data: `data.dev`.');
    if (training.early_stopping_patience !== null) {
      problem('training.early_stopping_patience', 'needs validation data: `data.dev`.');
    }
  }
}

const scoresToStopBy = ['wer', 'bleu', 'macro_f1', 'entity_f1'] as const;

/** Loss, perplexity and accuracy are always known; a score must be one that the type has, and be asked for. */
function checkStoppingMetric(
  type: ModelType,
  metric: EarlyStoppingMetric,
  { eval_metrics }: TestingConfig,
  problem: Report,
): void {
  if (metric === 'loss' || metric === 'ppl' || metric === 'accuracy') return;
  const path = 'training.early_stopping_metric';
  if (!metricsOf[type].includes(metric)) {
    const others = scoresToStopBy.filter((score) => metricsOf[type].includes(score));
    const known = ['loss', 'ppl', 'accuracy', ...others];
    problem(path, `${metric} cannot score a ${type}; write one of ${known.join(', ')}.`);
  } else if (!eval_metrics.includes(metric)) {
    problem(path, `${metric} must be among \`testing.eval_metrics\` to be known.`);
  }
}
