/**
 * What a model is made of: the `model` section of a configuration, and the plain object that a library user writes by
 * hand and `resolveModelConfig` completes. `model.type` says which of the models it is; the keys of each lie in
 * `models/`. The names are Joey NMT's wherever Joey NMT has one.
 */
import type { Problem } from './config/resolve.ts';
import { pathText, resolveSection, throwProblems } from './config/resolve.ts';
import type { DeepPartial, Section } from './config/spec.ts';
import { type ClassifierConfig, classifierSection } from './models/classifier-keys.ts';
import { type GeneratorConfig, generatorSection } from './models/generator-keys.ts';
import { type LanguageModelConfig, languageModelSection } from './models/language-model-keys.ts';
import { checkSeq2Seq, type Seq2SeqConfig, seq2seqSection } from './models/seq2seq-keys.ts';
import { type TaggerConfig, taggerSection } from './models/tagger-keys.ts';

export type { ClassifierConfig } from './models/classifier-keys.ts';
export type { BiasInitializer, CommonConfig, Initializer } from './models/common-keys.ts';
export type { GeneratorConfig } from './models/generator-keys.ts';
export type { LanguageModelConfig } from './models/language-model-keys.ts';
export type { Seq2SeqConfig } from './models/seq2seq-keys.ts';
export type { EmbeddingsConfig, EncoderConfig, StackConfig } from './models/stack-keys.ts';
export { encoderOutputSize } from './models/stack-keys.ts';
export type { TaggerConfig } from './models/tagger-keys.ts';

/** The configuration of each type of model. */
export interface ModelConfigs {
  seq2seq: Seq2SeqConfig;
  tagger: TaggerConfig;
  classifier: ClassifierConfig;
  generator: GeneratorConfig;
  language_model: LanguageModelConfig;
}

export type ModelType = keyof ModelConfigs;
export type ModelConfig<T extends ModelType = ModelType> = ModelConfigs[T];

/** Every key of the `model` section, by type: the source of its defaults, checks and documentation. */
export const modelSections: { readonly [T in ModelType]: Section<ModelConfigs[T]> } = {
  seq2seq: seq2seqSection,
  tagger: taggerSection,
  classifier: classifierSection,
  generator: generatorSection,
  language_model: languageModelSection,
};

export const modelTypes = Object.keys(modelSections) as ModelType[];

/** The type that a given `model` section names: `seq2seq` where it names none or one that there is not. */
export function modelTypeOf(given: unknown): ModelType {
  const type = typeof given === 'object' && given !== null && 'type' in given ? given.type : undefined;
  return modelTypes.find((known) => known === type) ?? 'seq2seq';
}

/**
 * A complete model configuration from what is given of it.
 *
 * @throws ConfigError naming every unknown key, value out of range and pair of sizes that do not fit
 */
export function resolveModelConfig<T extends ModelType = 'seq2seq'>(
  given?: { readonly type?: T } & DeepPartial<Omit<ModelConfigs[T], 'type'>>,
): ModelConfigs[T] {
  const problems: Problem[] = [];
  const section = modelSections[modelTypeOf(given)] as Section<ModelConfig>;
  const model = resolveSection(section, given, ['model'], problems);
  throwProblems(problems);
  throwProblems(checkModel(model));
  return model as ModelConfigs[T];
}

/** What does not fit together in a model whose keys are each right. */
export function checkModel(model: ModelConfig): Problem[] {
  const problems: Problem[] = [];
  const problem = (path: string, message: string) => {
    const full = ['model', ...path.split('.')];
    problems.push({ path: full, at: 'value', message: `${pathText(full)}: ${message}` });
  };
  if (model.type === 'seq2seq') checkSeq2Seq(model, problem);
  if (model.type === 'generator' || model.type === 'language_model') {
    const { embeddings, hidden_size } = model.decoder;
    if (model.tied_softmax && embeddings.embedding_dim !== hidden_size) {
      problem(
        'tied_softmax',
        `needs decoder.embeddings.embedding_dim (${embeddings.embedding_dim}) equal to decoder.hidden_size (${hidden_size}); make them the same or drop \`tied_softmax\`.`,
      );
    }
  }
  if (model.forget_bias !== null && model.cell !== 'lstm') {
    problem(
      'forget_bias',
      `only the lstm cell has a forget gate, but \`cell\` is ${model.cell}; drop \`forget_bias\`.`,
    );
  }
  return problems;
}
