/** What a new run starts from besides drawn weights: another run, pre-trained word vectors, a language model. */
import type { Corpus } from '../data/corpus.ts';
import type { TokenCounts } from '../data/vocabulary.ts';
import { describeCoverage } from '../data/word-vectors.ts';
import { CheckpointError, ConfigError, DataError } from '../errors.ts';
import { restoreCheckpoint } from '../models/checkpoint.ts';
import type { AnyModel } from '../models/kinds.ts';
import { type EmbeddingSide, embeddingTables } from '../train/config/start-checks.ts';
import type { Config } from '../train/config/types.ts';
import type { Trainer } from '../train/trainer.ts';
import { readFileWhole } from './atomic-files.ts';
import { loadRun } from './load-run.ts';
import { RunFolder } from './run-folder.ts';
import { loadWordVectors } from './vector-files.ts';

/**
 * Gives a model with drawn weights those that the configuration names; what was found, as lines for the user.
 * @throws DataError, ConfigError or CheckpointError naming the key and the file
 */
export async function loadStart(
  config: Config,
  model: AnyModel,
  trainer: Trainer,
  corpus: Corpus,
): Promise<string[]> {
  const { load_model, load_decoder } = config.training;
  const tables = embeddingTables(config.model).filter(([, { load_pretrained }]) => load_pretrained !== null);
  if (load_model !== null) {
    await loadModel(config, load_model, model, trainer);
    return tables.map(
      ([side]) => `model.${side}.embeddings.load_pretrained is not read: training.load_model has the table`,
    );
  }
  const notes: string[] = [];
  for (const [side, { load_pretrained }] of tables) {
    const key = `model.${side}.embeddings.load_pretrained`;
    notes.push(await named(key, loadVectors(model, side, load_pretrained!, corpus)));
  }
  if (load_decoder !== null) {
    notes.push(...(await named('training.load_decoder', loadDecoder(model, load_decoder))));
  }
  return notes;
}

/** `training.load_model`: the weights, and unless reset the optimiser and schedule, of another run or model file. */
async function loadModel(
  { training }: Config,
  path: string,
  model: AnyModel,
  trainer: Trainer,
): Promise<void> {
  if (path.endsWith('.safetensors')) {
    if (!training.reset_optimizer) {
      throw new ConfigError(
        `training.load_model: ${path} holds weights alone; write reset_optimizer: true, or name a run folder`,
      );
    }
    model.loadWeights(await readFileWhole(path), path);
    return;
  }
  const folder = await RunFolder.open(path);
  if (training.reset_optimizer && training.reset_scheduler) {
    model.loadWeights((await folder.loadModel()).model, path);
    return;
  }
  const { files } = await folder.loadCheckpoint('best');
  restoreCheckpoint(model, trainer, files, path, {
    resetOptimizer: training.reset_optimizer,
    resetScheduler: training.reset_scheduler,
    startOver: true,
  });
}

async function loadVectors(
  model: AnyModel,
  side: EmbeddingSide,
  path: string,
  { source, target }: Corpus,
): Promise<string> {
  const { vocabularies, config } = model;
  const isTied = config.model.type === 'seq2seq' && config.model.tied_embeddings;
  const counts = isTied ? sum(source.counts, target.counts) : (side === 'encoder' ? source : target).counts;
  const vocabulary = side === 'encoder' ? vocabularies.source : vocabularies.target;
  const vectors = await loadWordVectors(path, vocabulary, { counts });
  model.loadEmbeddings(side, vectors);
  return `${side} embeddings from ${describeCoverage(vectors)}`;
}

async function loadDecoder(model: AnyModel, path: string): Promise<string[]> {
  const { model: other, warnings } = await loadRun(model.gpu, path);
  try {
    if (other.type !== 'language_model') {
      throw new ConfigError(`${path} holds a ${other.type}, not a language_model`);
    }
    await model.loadDecoder(other);
    return [...warnings, `the decoder starts as the language model in ${path}`];
  } finally {
    other.dispose();
  }
}

function sum(a: TokenCounts, b: TokenCounts): TokenCounts {
  const total = new Map(a);
  for (const [token, count] of b) total.set(token, (total.get(token) ?? 0) + count);
  return total;
}

/** Says which key of the configuration an error belongs to. */
async function named<T>(key: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    for (const Kind of [DataError, ConfigError, CheckpointError]) {
      if (error instanceof Kind) throw new Kind(`${key}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
