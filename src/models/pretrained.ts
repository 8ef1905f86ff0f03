/**
 * What a new model takes over from elsewhere: word vectors into an embedding table, a language model into a decoder. Both
 * write exactly the numbers that are there and leave everything else as it started.
 */
import type { WordVectors } from '../data/word-vectors.ts';
import { ConfigError } from '../errors.ts';
import type { Seq2SeqConfig } from '../nn/model-config.ts';
import { type EmbeddingSide, whyNoLanguageModel } from '../train/config/start-checks.ts';
import type { AnyModel, LanguageModel, Seq2Seq } from './kinds.ts';

/**
 * Replaces the rows of the words that have a vector, and nothing else. With `tied_embeddings` either side's table is the
 * one that there is; with `tied_softmax` it is the output projection's weight too.
 * @throws ConfigError where there is no such table, or the vectors are of another size
 */
export function writeWordVectors(
  { network, config }: Pick<AnyModel, 'network' | 'config'>,
  side: EmbeddingSide,
  { name: file, dim, vectors }: Pick<WordVectors, 'name' | 'dim' | 'vectors'>,
): void {
  const { model } = config;
  const isTied = model.type === 'seq2seq' && model.tied_embeddings;
  const table = `${isTied ? 'encoder' : side}.embedding.weight`;
  const { parameters } = network;
  if (!parameters.has(table)) {
    throw new ConfigError(`this ${model.type} has no table ${side}.embedding of words to load vectors into`);
  }
  const [size, E] = [parameters.get(table).dim(0), parameters.get(table).dim(1)];
  if (dim !== E) {
    throw new ConfigError(
      `${file} has vectors of ${dim} numbers, but model.${side}.embeddings.embedding_dim is ${E}; make them the same`,
    );
  }
  const foreign = [...vectors.keys()].find((id) => id >= size);
  if (foreign !== undefined) {
    throw new ConfigError(
      `${file}: a vector for token ${foreign}, but the ${side} has ${size}: read it with the model's own vocabulary`,
    );
  }
  for (const [id, vector] of vectors) parameters.writeRow(table, id, vector);
}

/**
 * Makes a decoder without attention predict what a language model predicts: its table, recurrent layers and output
 * projection are the language model's, the columns of the context and the bridge are zero, so that at first nothing of
 * the source reaches it. (Both still have a gradient, and so learn to let it in.)
 * @throws ConfigError naming all that differs, or the first token that the vocabularies do not share
 */
export async function copyDecoder(model: Seq2Seq, languageModel: LanguageModel): Promise<void> {
  const reason = whyNoLanguageModel(model.config.model);
  if (reason) throw new ConfigError(reason);
  expectSameDecoder(model, languageModel);
  expectSameVocabulary(model, languageModel);
  const { parameters } = model.network;
  const targetTable = model.config.model.tied_embeddings
    ? 'encoder.embedding.weight'
    : 'decoder.embedding.weight';
  const trained = await languageModel.network.parameters.read();
  for (const [name, values] of trained) {
    const own = name === 'decoder.embedding.weight' ? targetTable : name;
    const columns = languageModel.network.parameters.get(name).shape.at(-1)!;
    parameters.write(own, withZeroColumns(values, columns, parameters.get(own).shape));
  }
  for (const name of parameters.names) {
    if (name.startsWith('bridge.')) parameters.write(name, new Float32Array(parameters.get(name).size));
  }
}

/** A matrix with further columns of zeros, up to a shape; what has that shape already as it is. */
function withZeroColumns(values: Float32Array, columns: number, shape: readonly number[]): Float32Array {
  const row = shape.at(-1)!;
  if (row === columns) return values;
  const wider = new Float32Array((values.length / columns) * row);
  for (let index = 0; index * columns < values.length; index++) {
    wider.set(values.subarray(index * columns, (index + 1) * columns), index * row);
  }
  return wider;
}

function expectSameDecoder(model: Seq2Seq, languageModel: LanguageModel): void {
  const [own, other] = [keysOf(model), keysOf(languageModel)];
  const different = Object.keys(own).filter((key) => own[key] !== other[key]);
  if (different.length === 0) return;
  const words = different.map((key) => `${key} (${own[key]} here, ${other[key]} there)`);
  throw new ConfigError(
    `the language model is of another kind than the decoder: ${words.join(', ')} must be the same`,
  );
}

/** What must be the same for one set of weights to mean the same. */
function keysOf({ config: { model, data } }: Seq2Seq | LanguageModel): Record<string, unknown> {
  const { cell, nonlinearity, tied_softmax } = model;
  const {
    num_layers,
    hidden_size,
    residual,
    embeddings,
  }: Pick<Seq2SeqConfig['decoder'], 'num_layers' | 'hidden_size' | 'residual' | 'embeddings'> = model.decoder;
  return {
    'model.cell': cell,
    ...(cell === 'rnn' && { 'model.nonlinearity': nonlinearity }),
    'model.tied_softmax': tied_softmax,
    'model.decoder.embeddings.embedding_dim': embeddings.embedding_dim,
    'model.decoder.hidden_size': hidden_size,
    'model.decoder.num_layers': num_layers,
    'model.decoder.residual': residual,
    'data.trg.level': data.trg.level,
    'data.trg.lowercase': data.trg.lowercase,
  };
}

function expectSameVocabulary(model: Seq2Seq, languageModel: LanguageModel): void {
  const [own, other] = [model.vocabularies.target.tokens, languageModel.vocabularies.target.tokens];
  const length = Math.max(own.length, other.length);
  for (let id = 0; id < length; id++) {
    if (own[id] === other[id]) continue;
    const show = (token: string | undefined) => (token === undefined ? 'none' : `'${token}'`);
    throw new ConfigError(
      `the target vocabulary has ${own.length} tokens and the language model's ${other.length}; token ${id} is ` +
        `${show(own[id])} here and ${show(other[id])} there. Take the language model's: data.trg.voc_file`,
    );
  }
}
