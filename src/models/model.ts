/**
 * The model that users hold: a network of any type with its vocabularies, that trains, predicts, scores, saves and loads.
 * Everything heavy happens on the device of the `Gpu` it was made for. What is special to a type is its `Task`.
 */
import { evaluationBatches } from '../data/batches.ts';
import { tokenizeCorpus } from '../data/corpus.ts';
import type { Dataset } from '../data/dataset.ts';
import { type Pairs, type ParallelText, parallelText } from '../data/parallel.ts';
import type { WordVectors } from '../data/word-vectors.ts';
import { ForwardRunner } from '../decode/forward-runner.ts';
import { DataError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { ModelType } from '../nn/model-config.ts';
import type { DataSizes, Network } from '../nn/network.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import type { Shape } from '../scheduler/tensor.ts';
import type { EmbeddingSide } from '../train/config/start-checks.ts';
import type { Config } from '../train/config/types.ts';
import { Evaluator } from '../train/evaluator.ts';
import { countCharacters } from '../train/metrics/bits.ts';
import { type LengthRow, scoreByLength } from '../train/metrics/by-length.ts';
import { lossReport, type TextScores, type Validation } from '../train/reports.ts';
import { Trainer } from '../train/trainer.ts';
import { streamBatches, trainingSet } from '../train/training-set.ts';
import { type Fit, type FitOptions, Fitter } from './fit.ts';
import type { AnyModel, LanguageModel, Seq2Seq } from './kinds.ts';
import { describeModel, type ModelFiles, modelFileNames, packTensors, unpackTensors } from './model-files.ts';
import {
  createTokenizers,
  encodePairs,
  formsOf,
  type Tokenizers,
  tokenizeTraining,
  type Vocabularies,
} from './prepare-data.ts';
import { copyDecoder, writeWordVectors } from './pretrained.ts';
import { needsOutputs, partOf, type Scored, scoreOutputs, withoutIgnored } from './score.ts';
import {
  bucketWidth,
  encodeInputs,
  type Input,
  inputBatches,
  type Prediction,
  type PredictOptions,
  type Predictor,
  type Task,
} from './task.ts';
import { allGroups, balancedClassWeights } from './training-options.ts';

export interface EvaluateOptions {
  /** Which examples to show, by index. */
  readonly samples?: readonly number[];
  /** Score by source length too. */
  readonly byLength?: boolean;
}

export class Model<
  T extends ModelType = ModelType,
  N extends Network = Network,
  Output extends Prediction = Prediction,
> {
  readonly gpu: Gpu;
  readonly config: Config<T>;
  readonly vocabularies: Vocabularies;
  readonly network: N;
  readonly #task: Task<T, N, Output>;
  readonly #tokenizers: Tokenizers;
  readonly #pool: ScratchPool;
  readonly #predictor: Predictor<Output>;
  readonly #fitter: Fitter;
  #evaluator: Evaluator | undefined;
  #encoder: ForwardRunner<'vectors'> | undefined;

  /** With weights of no value yet: `initialize` or `loadWeights` gives them some. See `kinds.ts` for how models are made. */
  constructor(task: Task<T, N, Output>, gpu: Gpu, config: Config<T>, vocabularies: Vocabularies) {
    this.#task = task;
    this.gpu = gpu;
    this.config = config;
    this.vocabularies = vocabularies;
    this.network = task.createNetwork(gpu, config.model, sizesOf(vocabularies), {
      frames: formsOf(config as Config).source === 'frames',
    });
    this.#tokenizers = createTokenizers(config as Config);
    this.#pool = new ScratchPool(gpu);
    this.#predictor = task.createPredictor(this.#parts);
    this.#fitter = new Fitter(this as unknown as Model);
  }

  /** Which type of model it is. */
  get type(): T {
    return this.#task.type;
  }

  get #parts() {
    const { gpu, config, vocabularies, network } = this;
    return { gpu, config, vocabularies, network, tokenizers: this.#tokenizers, pool: this.#pool };
  }

  get #config(): Config {
    return this.config as Config;
  }

  /** Configuration, vocabularies and weights by file name; `load` takes them again, here or elsewhere. */
  async save(): Promise<ModelFiles> {
    const files = this.description();
    files.set(modelFileNames.weights, await this.saveWeights());
    return files;
  }

  /** Configuration and vocabularies: what does not change in training. */
  description(): ModelFiles {
    return describeModel(this.#config, this.vocabularies);
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

  /**
   * Starts from pre-trained word vectors: the rows of the words that have one are replaced, exactly. `readWordVectors`
   * gives them for this model's `vocabularies.source` (`encoder`) or `.target` (`decoder`).
   * @throws ConfigError where there is no such table, or the vectors are of another size
   */
  loadEmbeddings(side: EmbeddingSide, vectors: Pick<WordVectors, 'name' | 'dim' | 'vectors'>): void {
    writeWordVectors(this as unknown as AnyModel, side, vectors);
  }

  /**
   * Of a seq2seq without attention: makes its decoder predict at first what a language model over the same target
   * vocabulary does. What only the decoder has (the context's weights, the bridge) starts at zero and learns.
   * @throws ConfigError naming what differs between the two
   */
  async loadDecoder(languageModel: LanguageModel): Promise<void> {
    if (this.type !== 'seq2seq')
      throw new UsageError(`a ${this.type} has no decoder that a language model fits`);
    await copyDecoder(this as unknown as Seq2Seq, languageModel);
  }

  /** Shapes of the parameters by name. */
  shapes(): Map<string, Shape> {
    return new Map(this.network.parameters.names.map((name) => [name, this.#shapeOf(name)]));
  }

  #shapeOf(name: string): Shape {
    return this.network.parameters.get(name).shape;
  }

  /** Training examples as ids of this model's vocabularies. Those that are too long or empty are dropped. */
  encodeTraining(text: ParallelText): Dataset {
    return encodePairs(tokenizeTraining(text, this.#config), this.vocabularies, this.#config);
  }

  /** A trainer of this model; its `run()` yields reports. Dispose it when done. */
  async trainer(train: Dataset, dev?: ParallelText): Promise<Trainer> {
    const { gpu, network } = this;
    const { training, model } = this.#config;
    return Trainer.create({
      gpu,
      network,
      pool: this.#pool,
      training,
      train: trainingSet(train, training),
      classWeights: balancedClassWeights(model, train, this.vocabularies.target.size),
      parameterGroups: allGroups({ model, training }, network.parameters.names),
      validate: dev && (() => this.evaluate(dev, { samples: training.print_valid_sents })),
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

  /** One line out for each input, in order; of an empty line an empty one. */
  async translate(inputs: readonly Input[], options: PredictOptions = {}): Promise<string[]> {
    return (await this.predict(inputs, options)).map(({ text }) => text);
  }

  /** As `translate`, with all that the model has to say: tokens, probabilities, and alignments if asked for. */
  predict(inputs: readonly Input[], options: PredictOptions = {}): Promise<Output[]> {
    return this.#predictor.predict(inputs, options);
  }

  /**
   * One vector [M] for each input: what a decoder without attention or a classifier would read of it, of a tagger the
   * mean of its states, of a language model its last state. An empty line gives zeros (of a language model what follows
   * `<s>`).
   * @throws UsageError for a model that reads no sequence
   */
  async encode(inputs: readonly Input[], options: PredictOptions = {}): Promise<Float32Array[]> {
    const { vectors } = this.#task;
    if (!vectors) throw new UsageError(`a ${this.type} reads no sequence that it could encode`);
    this.#encoder ??= new ForwardRunner(this.gpu, this.network, this.#pool, (tape, sources, random) => ({
      vectors: vectors.record(this.network, tape, sources, random),
    }));
    const encoded = encodeInputs(inputs, { ...this.#parts, config: this.#config });
    const size = vectors.size(this.network);
    const all = inputs.map(() => new Float32Array(size));
    for (const batch of inputBatches(encoded, this.#config, options)) {
      const { data } = (await this.#encoder.run(batch)).vectors!;
      for (const [row, index] of batch.indices.entries()) {
        all[index]!.set(data.subarray(row * size, (row + 1) * size));
      }
    }
    return all;
  }

  /** Loss on given targets and the metrics of `testing.eval_metrics` on all examples, long ones too. */
  async evaluate(pairs: Pairs, options: EvaluateOptions = {}): Promise<Validation> {
    const { testing, training } = this.#config;
    const text = parallelText(pairs);
    const forms = formsOf(this.#config);
    const corpus = tokenizeCorpus(text, { ...this.#tokenizers, forms });
    const dataset = encodePairs(corpus, this.vocabularies, this.#config);
    this.#evaluator ??= new Evaluator(this.gpu, this.network, this.#pool);
    const { bptt_length: bptt } = training;
    const batches =
      bptt === null
        ? evaluationBatches(dataset, { batchSize: testing.batch_size, bucketWidth })
        : streamBatches(dataset, { batchSize: testing.batch_size, bptt, remainder: 'keep' });
    const statistics = await this.#evaluator.run(batches);
    if (statistics.tokens === 0) {
      throw new DataError(`${text.name}: nothing in it can be scored; this model knows none of its labels`);
    }
    const report = lossReport(statistics);
    const kept = Array.from(corpus.lines);
    // A class is the same in any case and between any spaces that its tokenizer does away with.
    const { target: tokenizer } = this.#tokenizers;
    const references = kept.map((line) =>
      forms.target === 'label' ? tokenizer.tokenize(text.target[line]!).join(' ') : text.target[line]!,
    );
    const tags = forms.target === 'tags';
    const decodes = testing.eval_metrics.some((metric) => needsOutputs(metric, tags));
    const outputs = decodes ? await this.predict(kept.map((line) => inputOf(text, line))) : [];
    const all = this.#scored(outputs, decodes ? references : []);
    const characters = countCharacters(references);
    const forced = { accuracy: report.accuracy, nll: statistics.nll, characters };
    const lengths = Array.from(corpus.source.sequences, (ids) => ids.length);
    const byLength =
      options.byLength && decodes
        ? scoreByLength(lengths, (indices) => scoreOutputs(partOf(all, indices), testing))
        : undefined;
    const shown = (options.samples ?? []).filter((index) => index < outputs.length);
    return {
      ...report,
      scores: scoreOutputs({ ...all, forced }, testing),
      samples: shown.map((index) => ({
        source: text.source[kept[index]!]!,
        reference: references[index]!,
        hypothesis: outputs[index]!.text,
      })),
      ...(byLength && { byLength: byLength as LengthRow<TextScores>[] }),
    };
  }

  #scored(outputs: readonly Output[], references: readonly string[]): Scored {
    const { target } = this.#tokenizers;
    const hypotheses = outputs.map(({ text }) => text);
    return {
      hypotheses,
      references,
      // Cut like the references, so that both are compared as the same text.
      ...withoutIgnored(
        hypotheses.map((line) => target.tokenize(line)),
        references.map((line) => target.tokenize(line)),
        this.#config.data.ignored_tag,
      ),
      tags: formsOf(this.#config).target === 'tags',
    };
  }

  /** Frees what the model holds on the device. Work that was submitted is finished; nothing can be asked afterwards. */
  dispose(): void {
    this.#fitter.dispose();
    this.#predictor.dispose();
    this.#encoder?.dispose();
    this.#evaluator?.dispose();
    this.network.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function inputOf(text: ParallelText, line: number): Input {
  return text.frames?.[line] ?? text.source[line]!;
}

function sizesOf({ source, target, characters }: Vocabularies): DataSizes {
  return { source: source.size, target: target.size, ...(characters && { characters: characters.size }) };
}
