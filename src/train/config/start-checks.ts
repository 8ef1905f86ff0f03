/** What does not fit together in what a model starts from: pre-trained vectors, a language model, another run. */
import type { EmbeddingsConfig, ModelConfig, Seq2SeqConfig } from '../../nn/model-config.ts';
import type { Config } from './types.ts';

type Report = (path: string, message: string) => void;

/** Where a model has embedding tables of words. */
export type EmbeddingSide = 'encoder' | 'decoder';

/** What a configuration says of each embedding table that there is; tied ones are the encoder's. */
export function embeddingTables(model: ModelConfig): (readonly [EmbeddingSide, EmbeddingsConfig])[] {
  const isTied = model.type === 'seq2seq' && model.tied_embeddings;
  return [
    ...('encoder' in model ? [['encoder', model.encoder.embeddings] as const] : []),
    ...('decoder' in model && !isTied ? [['decoder', model.decoder.embeddings] as const] : []),
  ];
}

export function checkStart({ model, data, training }: Config, problem: Report): void {
  checkTables(model, data.src.level === 'frames', problem);
  const { load_decoder, load_model } = training;
  if (load_decoder === null || model.type !== 'seq2seq') return;
  const reason = whyNoLanguageModel(model);
  if (reason) problem('training.load_decoder', reason);
  if (load_model !== null) {
    problem('training.load_decoder', '`load_model` gives the decoder too; keep one of them.');
  }
  if (model.decoder.embeddings.load_pretrained !== null) {
    problem(
      'model.decoder.embeddings.load_pretrained',
      'the decoder starts from `training.load_decoder`, its table too.',
    );
  }
}

function checkTables(model: ModelConfig, frames: boolean, problem: Report): void {
  const keys = ['load_pretrained', 'freeze', 'unfreeze_epoch'] as const;
  if (frames && 'encoder' in model) {
    const { load_pretrained, freeze } = model.encoder.embeddings;
    for (const [key, given] of Object.entries({ load_pretrained: load_pretrained !== null, freeze })) {
      if (given) problem(`model.encoder.embeddings.${key}`, 'frames have no embedding table.');
    }
  }
  for (const [side, embeddings] of embeddingTables(model)) {
    if (embeddings.freeze || embeddings.unfreeze_epoch === null) continue;
    problem(`model.${side}.embeddings.unfreeze_epoch`, 'nothing is frozen: write `freeze: true` too.');
  }
  if (model.type !== 'seq2seq' || !model.tied_embeddings) return;
  const [own, shared] = [model.decoder.embeddings, model.encoder.embeddings];
  const empty = { load_pretrained: null, freeze: false, unfreeze_epoch: null };
  for (const key of keys) {
    if (own[key] === empty[key] || own[key] === shared[key]) continue;
    problem(
      `model.decoder.embeddings.${key}`,
      `with \`tied_embeddings\` there is one table: write it under \`model.encoder.embeddings\`.`,
    );
  }
}

/** Why a decoder cannot start as the language model that it was trained as; undefined where it can. */
export function whyNoLanguageModel({ decoder }: Seq2SeqConfig): string | undefined {
  if (decoder.attention.score !== 'none') {
    return (
      'a decoder with attention predicts from h̃, which no language model has, so it could not start as one: write ' +
      '`attention: { score: none }` in `model.decoder`.'
    );
  }
  if (decoder.context_use !== 'every_step' && decoder.bridge === 'none') {
    return (
      'a language model starts from a state of zeros, but with `bridge: none` the decoder starts from the encoder’s: ' +
      'write `bridge: linear` in `model.decoder` (its weights start at zero then), or `context_use: every_step`.'
    );
  }
  return undefined;
}
