/**
 * What the browser entry (`index.ts`) and the Node entry (`node.ts`) have in common: all but how a device is opened and
 * where models are loaded from. Nothing here may reach `node:` modules or `webgpu`.
 */

export {
  type BatchOptions,
  type BatchPlan,
  type EpochOptions,
  planEpoch,
  planInOrder,
} from './data/batch-plan.ts';
export {
  type Batch,
  evaluationBatches,
  fillBatch,
  type SourceBatch,
  trainingBatches,
} from './data/batches.ts';
export { type Corpus, type CorpusReport, describeCorpus, tokenizeCorpus } from './data/corpus.ts';
export { type Dataset, describeUnknown, encodeCorpus } from './data/dataset.ts';
export { type CsvOptions, type Delimiter, type Frames, framesFromCsv, framesFromNpy } from './data/frames.ts';
export {
  type Pair,
  type Pairs,
  type ParallelText,
  pairLines,
  parallelText,
  parseTsv,
  type TsvOptions,
} from './data/parallel.ts';
export { Sequences } from './data/sequences.ts';
export { BEGIN_ID, END_ID, PAD_ID, SPECIAL_TOKENS, UNKNOWN_ID } from './data/special-tokens.ts';
export { decodeLines, decodeText, type NamedLines } from './data/text.ts';
export {
  createTokenizer,
  TOKEN_LEVELS,
  type Tokenizer,
  type TokenizerOptions,
  type TokenLevel,
} from './data/tokenizer.ts';
export { countTokens, Vocabulary, type VocabularyOptions } from './data/vocabulary.ts';
export {
  describeCoverage,
  readWordVectors,
  type VectorCoverage,
  type WordVectorOptions,
  type WordVectors,
} from './data/word-vectors.ts';
export {
  AdapterError,
  CheckpointError,
  ConfigError,
  CoupletError,
  DataError,
  DeviceLostError,
  DisposedError,
  DivergedError,
  type ErrorCode,
  KernelError,
  LimitsError,
  ShapeError,
  UsageError,
} from './errors.ts';
export { type AdapterReport, type AdapterSource, describeAdapter } from './gpu/adapter-report.ts';
export { type DefinedShader, defineShader } from './gpu/define-shader.ts';
export { Gpu } from './gpu/gpu.ts';
export { parseTuning, type Tuning } from './gpu/tuning.ts';
export type { Fit, FitOptions, FitReport, FitResult } from './models/fit.ts';
export {
  type AnyModel,
  ConditionalGenerator,
  LanguageModel,
  type ModelKind,
  Seq2Seq,
  SequenceClassifier,
  SequenceTagger,
} from './models/kinds.ts';
export type { ModelSource } from './models/load.ts';
export type { EvaluateOptions, Model } from './models/model.ts';
export { type ModelFiles, modelFileNames } from './models/model-files.ts';
export type { Vocabularies } from './models/prepare-data.ts';
export type { Input, Prediction, PredictOptions } from './models/task.ts';
export type { Classification } from './models/tasks/classifier.ts';
export type { Generation } from './models/tasks/generator.ts';
export type { Continuation } from './models/tasks/language-model.ts';
export type { Translation } from './models/tasks/seq2seq.ts';
export type { Tagging } from './models/tasks/tagger.ts';
export {
  type Trace,
  type TracedChoice,
  type TracedContext,
  type TracedDecoder,
  type TracedLayer,
  type TracedStack,
  traceModel,
  type Values,
} from './models/trace.ts';
export { tracePicture } from './models/trace-picture.ts';
export { type ModelConfig, type ModelType, resolveModelConfig } from './nn/model-config.ts';
export type { Cell, CellBackwardStep, CellForwardStep, CellStep } from './ops/cells/cell.ts';
export { type CellChoice, type CellMaker, cells } from './ops/cells/registry.ts';
export { type ProbeOptions, probeMatmul } from './ops/matmul-probe.ts';
export { formatConfig, type ParseOptions, parseConfig } from './train/config/parse.ts';
export { type PartialConfig, resolveConfig } from './train/config/resolve-config.ts';
export type { Config, DataConfig, SideConfig, TestingConfig, TrainingConfig } from './train/config/types.ts';
export { type Accuracy, sequenceAccuracy, tokenAccuracy } from './train/metrics/accuracy.ts';
export { type BleuOptions, type BleuScore, corpusBleu, describeBleu } from './train/metrics/bleu.ts';
export { editDistance, type Tokens } from './train/metrics/edit-distance.ts';
export {
  type SequenceErrorRate,
  sequenceErrorRate,
  type TokenErrorRate,
  tokenErrorRate,
} from './train/metrics/error-rate.ts';
export { perplexity } from './train/metrics/perplexity.ts';
export type {
  CheckpointReport,
  EndReason,
  EndReport,
  LossReport,
  ProgressReport,
  Sample,
  TextScores,
  TrainingReport,
  Validation,
  ValidationReport,
} from './train/reports.ts';
export {
  readSafetensors,
  type Safetensors,
  type StoredTensor,
  type TensorToStore,
  toFloat32,
  writeSafetensors,
} from './train/safetensors.ts';
