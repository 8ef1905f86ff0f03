/**
 * The model that users hold: an attentional encoder–decoder with its vocabularies, that trains, translates, scores,
 * saves and loads. Everything heavy happens on the device of the `Gpu` it was made for.
 */
import { evaluationBatches, restoreOrder, translationBatches } from '../data/batches.ts';
import type { Corpus } from '../data/corpus.ts';
import { tokenizeCorpus } from '../data/corpus.ts';
import { type Dataset, encodeLines } from '../data/dataset.ts';
import { type Pairs, type ParallelText, parallelText } from '../data/parallel.ts';
import { GreedyDecoder, type Hypothesis } from '../decode/greedy.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Seq2SeqNetwork } from '../nn/seq2seq.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import type { Shape } from '../scheduler/tensor.ts';
import { type PartialConfig, resolveConfig } from '../train/config/resolve-config.ts';
import type { Config } from '../train/config/types.ts';
import { Evaluator } from '../train/evaluator.ts';
import { lossReport, type Validation } from '../train/reports.ts';
import { Trainer } from '../train/trainer.ts';
import { type Fit, type FitOptions, Fitter } from './fit.ts';
import {
  describeModel,
  type ModelFiles,
  modelFileNames,
  packTensors,
  readModelDescription,
  requireFile,
  unpackTensors,
} from './model-files.ts';
import {
  buildVocabularies,
  createTokenizers,
  encodePairs,
  type Tokenizers,
  tokenizeTraining,
  type Vocabularies,
} from './prepare-data.ts';
import { scoreLines } from './score.ts';

/** Lengths in use are rounded up to multiples of this: few plans, little padding. */
const bucketWidth = 4;

export interface Translation {
  readonly text: string;
  readonly tokens: readonly string[];
  /** Source tokens as the encoder reads them, `</s>` last. */
  readonly sourceTokens: readonly string[];
  /** A row of weights over the source tokens for each target token and the final `</s>`; only when asked for. */
  readonly alignments?: readonly Float32Array[];
}

export interface TranslateOptions {
  readonly alignments?: boolean;
  /** Lines decoded at once. Default: `testing.batch_size`. */
  readonly batchSize?: number;
}

export class Seq2Seq {
  readonly gpu: Gpu;
  readonly config: Config;
  readonly vocabularies: Vocabularies;
  readonly network: Seq2SeqNetwork;
  readonly #tokenizers: Tokenizers;
  readonly #pool: ScratchPool;
  readonly #decoder: GreedyDecoder;
  readonly #fitter = new Fitter(this);
  #evaluator: Evaluator | undefined;

  private constructor(gpu: Gpu, config: Config, vocabularies: Vocabularies) {
    this.gpu = gpu;
    this.config = config;
    this.vocabularies = vocabularies;
    const sizes = { source: vocabularies.source.size, target: vocabularies.target.size };
    this.network = new Seq2SeqNetwork(gpu, config.model, sizes);
    this.#tokenizers = createTokenizers(config.data);
    this.#pool = new ScratchPool(gpu);
    this.#decoder = new GreedyDecoder(gpu, this.network, this.#pool);
  }

  /**
   * A new model with initial weights drawn from `training.random_seed`.
   * @throws LimitsError where the device cannot bind one of its parameters
   */
  static create(gpu: Gpu, config: Config, vocabularies: Vocabularies): Seq2Seq {
    const model = new Seq2Seq(gpu, config, vocabularies);
    model.network.initialize(config.training.random_seed);
    return model;
  }

  /**
   * A new model for pairs in memory, whose vocabularies it builds. Of the configuration only what differs from the
   * defaults need be given.
   * @throws ConfigError naming every unknown key, value out of range and pair of sizes that do not fit
   */
  static fromPairs(gpu: Gpu, pairs: Pairs, config: PartialConfig = {}): Seq2Seq {
    const resolved = resolveConfig(config);
    return Seq2Seq.fromCorpus(gpu, resolved, tokenizeTraining(parallelText(pairs), resolved.data));
  }

  /** A new model for a training corpus, whose vocabularies it builds. */
  static fromCorpus(gpu: Gpu, config: Config, corpus: Corpus, given: Partial<Vocabularies> = {}): Seq2Seq {
    return Seq2Seq.create(gpu, config, buildVocabularies(corpus, config.data, given));
  }

  /**
   * The model of these files, by their names in a run folder.
   * @throws CheckpointError or ConfigError naming the file that is missing, damaged or of another model
   */
  static fromFiles(gpu: Gpu, files: ReadonlyMap<string, Uint8Array>, where = 'the model'): Seq2Seq {
    const { config, vocabularies } = readModelDescription(files, where);
    const weights = requireFile(files, modelFileNames.weights, where);
    const model = new Seq2Seq(gpu, config, vocabularies);
    try {
      model.loadWeights(weights, `${where}: ${modelFileNames.weights}`);
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  /** As `fromFiles`, but with new initial weights, and `config` instead of the one in the files. */
  static fromDescription(
    gpu: Gpu,
    config: Config,
    files: ReadonlyMap<string, Uint8Array>,
    where = 'the model',
  ): Seq2Seq {
    return Seq2Seq.create(gpu, config, readModelDescription(files, where).vocabularies);
  }

  /** Configuration, vocabularies and weights by file name; `load` takes them again, here or elsewhere. */
  async save(): Promise<ModelFiles> {
    const files = this.description();
    files.set(modelFileNames.weights, await this.saveWeights());
    return files;
  }

  /** Configuration and vocabularies: what does not change in training. */
  description(): ModelFiles {
    return describeModel(this.config, this.vocabularies);
  }

  async saveWeights(): Promise<Uint8Array> {
    const metadata = new Map([
      ['format', 'pt'],
      ['producer', 'couplet'],
    ]);
    return packTensors(await this.network.parameters.read(), (name) => this.#shapeOf(name), metadata);
  }

  /** Throws CheckpointError unless the file holds exactly this model's parameters. */
  loadWeights(bytes: Uint8Array, file = modelFileNames.weights as string): void {
    this.network.parameters.writeAll(unpackTensors(bytes, this.shapes(), file));
  }

  /** Shapes of the parameters by name. */
  shapes(): Map<string, Shape> {
    return new Map(this.network.parameters.names.map((name) => [name, this.#shapeOf(name)]));
  }

  #shapeOf(name: string): Shape {
    return this.network.parameters.get(name).shape;
  }

  /** Training pairs as ids of this model's vocabularies. Pairs that are too long or empty are dropped. */
  encodeTraining(text: ParallelText): Dataset {
    return encodePairs(tokenizeTraining(text, this.config.data), this.vocabularies, this.config.data);
  }

  /** A trainer of this model; its `run()` yields reports. Dispose it when done. */
  async trainer(train: Dataset, dev?: ParallelText): Promise<Trainer> {
    return Trainer.create({
      gpu: this.gpu,
      network: this.network,
      pool: this.#pool,
      training: this.config.training,
      train,
      validate: dev && (() => this.evaluate(dev, { samples: this.config.training.print_valid_sents })),
    });
  }

  /**
   * Trains on pairs to the configured end; see `Fit` for how to listen, stop and go on.
   *
   *     for await (const report of model.fit(pairs, { dev, logEvery: 50 })) console.log(report.update, report.loss);
   */
  fit(pairs: Pairs, options: FitOptions = {}): Fit {
    return this.#fitter.fit(pairs, options);
  }

  /** One line out for each line in, in order; an empty line stays empty. */
  async translate(lines: readonly string[], options: TranslateOptions = {}): Promise<string[]> {
    return (await this.translateDetailed(lines, options)).map(({ text }) => text);
  }

  /** As `translate`, with tokens and, if asked for, alignments. */
  async translateDetailed(lines: readonly string[], options: TranslateOptions = {}): Promise<Translation[]> {
    const { data, testing } = this.config;
    const { source, target } = this.vocabularies;
    const { sequences } = encodeLines(lines, this.#tokenizers.source, source, {
      reverse: data.reverse_source,
    });
    const batchSize = options.batchSize ?? testing.batch_size;
    const decoded: { indices: readonly number[]; results: Hypothesis[] }[] = [];
    for (const batch of translationBatches(sequences, { batchSize, bucketWidth })) {
      const limits = Array.from(batch.sourceLengths, (length) => this.#outputLimit(length - 1));
      const found = await this.#decoder.decode(batch, { limits, alignments: options.alignments ?? false });
      decoded.push({ indices: batch.indices, results: found.slice(0, batch.sentences) });
    }
    const ordered = restoreOrder<Hypothesis>(lines.length, decoded, { ids: [], ended: true });
    return ordered.map(({ ids, alignments }, index) => {
      const tokens = target.decode(ids);
      return {
        text: this.#tokenizers.target.detokenize(tokens),
        tokens,
        sourceTokens: Array.from(sequences.at(index), (id) => source.tokenOf(id)),
        ...(alignments && { alignments }),
      };
    });
  }

  /** Most tokens put out for so many source tokens. */
  #outputLimit(sourceTokens: number): number {
    const { max_output_length, max_output_factor } = this.config.testing;
    return max_output_length ?? Math.floor(max_output_factor * sourceTokens) + 10;
  }

  /**
   * Loss (teacher forcing) and the metrics of `testing.eval_metrics` (greedy decoding) on all pairs, long ones too.
   * `samples`: which of them to show, by index.
   */
  async evaluate(pairs: Pairs, options: { readonly samples?: readonly number[] } = {}): Promise<Validation> {
    const { data, testing } = this.config;
    const text = parallelText(pairs);
    const corpus = tokenizeCorpus(text, this.#tokenizers);
    const dataset = encodePairs(corpus, this.vocabularies, data);
    this.#evaluator ??= new Evaluator(this.gpu, this.network, this.#pool);
    const batches = evaluationBatches(dataset, { batchSize: testing.batch_size, bucketWidth });
    const report = lossReport(await this.#evaluator.run(batches));
    const kept = (lines: readonly string[]) => Array.from(corpus.lines, (line) => lines[line]!);
    const [sources, references] = [kept(text.source), kept(text.target)];
    const decoded = testing.eval_metrics.some((metric) => metric !== 'token_accuracy');
    const hypotheses = await this.translate(decoded ? sources : []);
    const scores = decoded
      ? scoreLines(hypotheses, references, this.#tokenizers.target, testing, report.accuracy)
      : { token_accuracy: report.accuracy };
    const shown = (options.samples ?? []).filter((index) => index < hypotheses.length);
    const samples = shown.map((index) => ({
      source: sources[index]!,
      reference: references[index]!,
      hypothesis: hypotheses[index]!,
    }));
    return { ...report, scores, samples };
  }

  /** Frees what the model holds on the device. Work that was submitted is finished; nothing can be asked afterwards. */
  dispose(): void {
    this.#fitter.dispose();
    this.#decoder.dispose();
    this.#evaluator?.dispose();
    this.network.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
