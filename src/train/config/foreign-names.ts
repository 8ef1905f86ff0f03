/**
 * What other toolkits call things: OpenNMT's flat names and those of Joey NMT's names that differ here. A
 * configuration that uses one gets told where that thing lives, and the table is part of the documentation.
 */

export interface ForeignName {
  readonly from: 'OpenNMT' | 'Joey NMT';
  /** The keys to use instead; none: there is no such thing here. */
  readonly here: readonly string[];
  readonly note?: string;
}

const openNmt = (here: string | readonly string[], note?: string): ForeignName =>
  named('OpenNMT', here, note);
const joey = (here: string | readonly string[], note?: string): ForeignName => named('Joey NMT', here, note);

function named(from: ForeignName['from'], here: string | readonly string[], note?: string): ForeignName {
  return { from, here: typeof here === 'string' ? [here] : here, ...(note !== undefined && { note }) };
}

const hiddenSizes = ['model.encoder.hidden_size', 'model.decoder.hidden_size'];
const embeddingDims = ['model.encoder.embeddings.embedding_dim', 'model.decoder.embeddings.embedding_dim'];
const layerNumbers = ['model.encoder.num_layers', 'model.decoder.num_layers'];
const perDirection =
  "the encoder's counts one direction here, so a bidirectional `rnn_size: 500` is an encoder of 250 and a decoder of 500";
const initialState = 'Joey NMT’s last is none here, its bridge is linear, its zero is not there';

/** By the foreign key's own name, without the sections it lies in. */
export const foreignNames: ReadonlyMap<string, ForeignName> = new Map([
  // The model.
  ['rnn_size', openNmt(hiddenSizes, perDirection)],
  ['enc_rnn_size', openNmt('model.encoder.hidden_size', 'per direction here')],
  ['dec_rnn_size', openNmt('model.decoder.hidden_size')],
  ['enc_hid_size', openNmt('model.encoder.hidden_size', 'per direction here')],
  ['dec_hid_size', openNmt('model.decoder.hidden_size')],
  ['word_vec_size', openNmt(embeddingDims)],
  ['src_word_vec_size', openNmt('model.encoder.embeddings.embedding_dim')],
  ['tgt_word_vec_size', openNmt('model.decoder.embeddings.embedding_dim')],
  ['layers', openNmt(layerNumbers)],
  ['enc_layers', openNmt('model.encoder.num_layers')],
  ['dec_layers', openNmt('model.decoder.num_layers')],
  ['rnn_type', joey('model.cell', 'one cell for encoder and decoder, in lower case')],
  ['encoder_type', openNmt('model.encoder.bidirectional', 'brnn is true, rnn is false')],
  ['brnn', openNmt('model.encoder.bidirectional')],
  ['decoder_type', openNmt('model.cell', 'the decoder is always recurrent')],
  ['type', joey('model.cell', 'encoder and decoder are always recurrent')],
  ['input_feed', openNmt('model.decoder.input_feeding', 'true or false here')],
  ['global_attention', openNmt('model.decoder.attention.score', 'dot, general and concat')],
  ['init_hidden', joey('model.decoder.bridge', initialState)],
  ['share_embeddings', openNmt(['model.tied_embeddings', 'data.share_vocab'])],
  ['share_decoder_embeddings', openNmt('model.tied_softmax')],
  [
    'param_init',
    openNmt(['model.initializer', 'model.init_weight'], '`initializer: uniform`, and the half width'),
  ],
  ['param_init_glorot', openNmt('model.initializer', '`initializer: xavier_uniform`')],
  ['lstm_forget_gate', joey('model.forget_bias', 'Joey NMT writes it into both biases, so its 1 is 2 here')],
  ['activation', joey('model.nonlinearity', 'of the rnn cell only')],
  [
    'attention_dropout',
    openNmt([], 'attention weights are not dropped; see the four dropout keys of `model`'),
  ],
  ['freeze', joey([], 'all parameters are trained')],
  ['load_pretrained', joey([], 'embeddings are learnt')],

  // The data.
  ['src_vocab', openNmt('data.src.voc_file')],
  ['tgt_vocab', openNmt('data.trg.voc_file')],
  ['src_vocab_size', openNmt('data.src.voc_limit')],
  ['tgt_vocab_size', openNmt('data.trg.voc_limit')],
  ['src_words_min_frequency', openNmt('data.src.voc_min_freq')],
  ['tgt_words_min_frequency', openNmt('data.trg.voc_min_freq')],
  ['src_seq_length', openNmt('data.src.max_length')],
  ['tgt_seq_length', openNmt('data.trg.max_length')],
  ['train_src', openNmt('data.train')],
  ['train_tgt', openNmt('data.train')],
  ['valid_src', openNmt('data.dev')],
  ['valid_tgt', openNmt('data.dev')],
  ['valid', openNmt('data.dev')],
  ['tgt', openNmt('data.trg')],
  ['special_symbols', joey([], 'they are always `<unk>`, `<pad>`, `<s>` and `</s>`, with ids 0 to 3')],
  ['tokenizer_type', joey([], 'text is cut at white space or into characters: `data.src.level`')],
  ['tokenizer_cfg', joey([], 'text is cut at white space or into characters: `data.src.level`')],
  ['normalize', joey([], 'text is taken as it is')],
  ['min_length', joey([], 'only pairs with an empty side are dropped')],
  ['sample_train_subset', joey([], 'all pairs are used')],
  ['sample_dev_subset', joey([], 'all pairs are used')],

  // Training.
  ['seed', openNmt('training.random_seed')],
  ['optim', openNmt('training.optimizer')],
  ['adam_beta1', openNmt('training.adam_betas', 'both in one list')],
  ['adam_beta2', openNmt('training.adam_betas', 'both in one list')],
  ['max_grad_norm', openNmt('training.clip_grad_norm')],
  ['clip_grad_val', joey('training.clip_grad_norm', 'gradients are clipped by norm only')],
  ['accum_count', openNmt('training.batch_multiplier')],
  ['train_steps', openNmt('training.updates')],
  [
    'valid_steps',
    openNmt(['training.validation_freq', 'training.validation_unit'], '`validation_unit: updates`'),
  ],
  ['valid_batch_size', openNmt('testing.batch_size')],
  ['report_every', openNmt('training.logging_freq')],
  ['save_checkpoint_steps', openNmt('training.save_freq')],
  ['keep_checkpoint', openNmt('training.keep_last_ckpts')],
  ['save_model', openNmt('training.model_dir')],
  ['train_from', openNmt('training.load_model', 'or go on with `couplet train --resume`')],
  ['reset_optim', openNmt('training.reset_optimizer')],
  ['early_stopping', openNmt('training.early_stopping_patience')],
  ['early_stopping_criteria', openNmt('training.early_stopping_metric')],
  ['valid_metrics', openNmt('testing.eval_metrics')],
  ['decay_method', openNmt('training.scheduling')],
  ['warmup_steps', openNmt('training.learning_rate_warmup')],
  ['learning_rate_decay', openNmt('training.decrease_factor')],
  ['start_decay_steps', openNmt('training.start_decay_epoch', 'in epochs here')],
  ['start_decay_at', openNmt('training.start_decay_epoch')],
  ['decay_steps', openNmt('training.decay_every', 'in epochs here')],
  ['decaying_step_size', joey('training.decay_every')],
  ['learning_rate_peak', joey('training.learning_rate', 'the rate after warm-up')],
  ['learning_rate_factor', joey('training.learning_rate', 'the rate after warm-up')],
  ['loss', joey([], 'the loss is always cross-entropy')],
  [
    'reset_best_ckpt',
    joey([], 'a run started with `load_model` always starts its own list of best checkpoints'),
  ],
  ['reset_iter_state', joey([], 'a run started with `load_model` always starts at the first epoch')],
  ['use_cuda', joey([], 'the WebGPU adapter is chosen by `--adapter`')],
  ['gpu_ranks', openNmt([], 'the WebGPU adapter is chosen by `--adapter`')],
  ['world_size', openNmt([], 'training uses one GPU')],
  ['fp16', joey('training.precision', '`fp16: true` is mixed')],
  ['num_workers', joey([], 'there are no worker processes')],
  ['joeynmt_version', joey([], 'leave it out')],

  // Testing.
  ['eval_metric', joey('testing.eval_metrics', 'a list')],
  ['sacrebleu', joey('testing.sacrebleu_cfg')],
  ['max_length', openNmt('testing.max_output_length')],
  ['beam_size', joey([], 'decoding is greedy')],
  ['beam_alpha', joey([], 'decoding is greedy')],
  ['n_best', joey([], 'decoding is greedy')],
  ['return_prob', joey([], 'leave it out')],
]);
