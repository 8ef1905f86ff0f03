/** What does not fit together in a configuration whose keys are each right. */
import type { Problem } from '../../nn/config/resolve.ts';
import { checkModel } from '../../nn/model-config.ts';
import { isTsv } from './data-keys.ts';
import type { Config, SideConfig } from './types.ts';

export function checkConfig(config: Config): Problem[] {
  const problems: Problem[] = [];
  const problem = (path: string, message: string) => {
    problems.push({ path: path.split('.'), at: 'value', message: `\`${path}\`: ${message}` });
  };
  checkData(config, problem);
  problems.push(...checkModel(config.model));
  if (config.model.tied_embeddings && !config.data.share_vocab) {
    problem('model.tied_embeddings', 'needs one vocabulary for both sides; write `data.share_vocab: true`.');
  }
  checkTraining(config, problem);
  return problems;
}

type Report = (path: string, message: string) => void;

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

function checkTraining({ data, training, testing }: Config, problem: Report): void {
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
  const metric = training.early_stopping_metric;
  if (
    data.dev !== null &&
    (metric === 'wer' || metric === 'bleu') &&
    !testing.eval_metrics.includes(metric)
  ) {
    problem(
      'training.early_stopping_metric',
      `${metric} must be among \`testing.eval_metrics\` to be known.`,
    );
  }
  if (data.dev === null) {
    if (training.scheduling === 'plateau')
      problem('training.scheduling', 'plateau needs validation data: `data.dev`.');
    if (training.early_stopping_patience !== null) {
      problem('training.early_stopping_patience', 'needs validation data: `data.dev`.');
    }
  }
}
