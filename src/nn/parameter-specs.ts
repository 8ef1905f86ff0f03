/**
 * The parameters of every model: names and shapes. Names are PyTorch's where a module of PyTorch has them
 * (`weight_ih_l0_reverse`), OpenNMT's for attention (`linear_in`, `linear_out`) and pytorch-crf's for the CRF, so that a
 * saved model reads as one would expect there. Weights are [outputs, inputs], gates stacked in PyTorch's order.
 */
import { cells } from '../ops/cells/registry.ts';
import type { ParameterSpec } from '../scheduler/parameters.ts';
import type {
  ClassifierConfig,
  CommonConfig,
  EncoderConfig,
  GeneratorConfig,
  LanguageModelConfig,
  ModelConfig,
  Seq2SeqConfig,
  StackConfig,
  TaggerConfig,
} from './model-config.ts';
import { encoderOutputSize } from './model-config.ts';
import type { DataSizes } from './network.ts';

export interface SpecOptions {
  /** The source is frames, which have no embedding table; `sizes.source` is then F. */
  readonly frames?: boolean;
}

/** All parameters of a model, in the order in which they are stored. */
export function parameterSpecs(
  config: ModelConfig,
  sizes: DataSizes,
  options: SpecOptions = {},
): ParameterSpec[] {
  switch (config.type) {
    case 'seq2seq':
      return seq2seqSpecs(config, sizes, options);
    case 'tagger':
      return taggerSpecs(config, sizes, options);
    case 'classifier':
      return classifierSpecs(config, sizes, options);
    case 'generator':
      return generatorSpecs(config, sizes, options);
    case 'language_model':
      return languageModelSpecs(config, sizes);
    default:
      return config satisfies never;
  }
}

function seq2seqSpecs(config: Seq2SeqConfig, sizes: DataSizes, { frames }: SpecOptions): ParameterSpec[] {
  const { encoder, decoder } = config;
  const [M, H] = [encoderOutputSize(config), decoder.hidden_size];
  const attends = decoder.attention.score !== 'none';
  const specs = encoderSpecs(config, encoder, sizes.source, { frames });
  if (!attends) specs.push(...contextSpecs(decoder.context, M));
  if (decoder.bridge === 'linear') {
    for (const state of cells.get(config).states) specs.push(...linearSpecs(`bridge.${state}`, H, M));
  }
  const readsContext = !attends && decoder.context_use !== 'initial_state';
  specs.push(
    ...decoderSpecs(config, decoder, sizes.target, {
      beside: [
        ...(readsContext ? [{ name: 'context', width: M }] : []),
        ...(decoder.input_feeding ? [{ name: 'feed', width: H }] : []),
      ],
      ownTable: !config.tied_embeddings,
    }),
  );
  if (attends) specs.push(...attentionSpecs(config, H, M));
  return [...specs, ...outputSpecs('decoder.output', sizes.target, H, config.tied_softmax)];
}

function taggerSpecs(config: TaggerConfig, sizes: DataSizes, { frames }: SpecOptions): ParameterSpec[] {
  const { encoder, characters, crf } = config;
  const C = sizes.target;
  const specs: ParameterSpec[] = [];
  if (characters.use) {
    const { embedding_dim: E, hidden_size } = characters;
    specs.push({ name: 'characters.embedding.weight', shape: [sizes.characters ?? 0, E] });
    const stack = { hidden_size, num_layers: 1, bidirectional: true };
    specs.push(...recurrentSpecs('characters.rnn', config, stack, [{ name: 'characters', width: E }]));
  }
  const beside = characters.use ? 2 * characters.hidden_size : 0;
  specs.push(...encoderSpecs(config, encoder, sizes.source, { frames, beside }));
  specs.push(...linearSpecs('output', C, encoderOutputSize(config)));
  if (crf) {
    specs.push(
      { name: 'crf.start_transitions', shape: [C] },
      { name: 'crf.end_transitions', shape: [C] },
      { name: 'crf.transitions', shape: [C, C] },
    );
  }
  return specs;
}

function classifierSpecs(
  config: ClassifierConfig,
  sizes: DataSizes,
  { frames }: SpecOptions,
): ParameterSpec[] {
  const M = encoderOutputSize(config);
  return [
    ...encoderSpecs(config, config.encoder, sizes.source, { frames }),
    ...contextSpecs(config.pooling, M),
    ...linearSpecs('output', sizes.target, M),
  ];
}

function generatorSpecs(config: GeneratorConfig, sizes: DataSizes, { frames }: SpecOptions): ParameterSpec[] {
  const { input, decoder } = config;
  const E = input.embedding_dim;
  return [
    ...(frames
      ? linearSpecs('input.linear', E, sizes.source)
      : [{ name: 'input.embedding.weight', shape: [sizes.source, E] }]),
    ...decoderSpecs(config, decoder, sizes.target, { beside: [{ name: 'context', width: E }] }),
    ...outputSpecs('decoder.output', sizes.target, decoder.hidden_size, config.tied_softmax),
  ];
}

function languageModelSpecs(config: LanguageModelConfig, sizes: DataSizes): ParameterSpec[] {
  const { decoder } = config;
  return [
    ...decoderSpecs(config, decoder, sizes.target, { beside: [] }),
    ...outputSpecs('decoder.output', sizes.target, decoder.hidden_size, config.tied_softmax),
  ];
}

function encoderSpecs(
  config: CommonConfig,
  encoder: EncoderConfig,
  size: number,
  { frames = false, beside = 0 }: { frames?: boolean | undefined; beside?: number },
): ParameterSpec[] {
  const E = frames ? size : encoder.embeddings.embedding_dim;
  const specs: ParameterSpec[] = frames ? [] : [{ name: 'encoder.embedding.weight', shape: [size, E] }];
  const inputs = [
    { name: 'words', width: E },
    ...(beside > 0 ? [{ name: 'characters', width: beside }] : []),
  ];
  specs.push(...recurrentSpecs('encoder.rnn', config, encoder, inputs));
  if (encoder.initial_state === 'learned') {
    for (let layer = 0; layer < encoder.num_layers; layer++) {
      for (const state of cells.get(config).states) {
        specs.push({ name: `encoder.initial.${state}_l${layer}`, shape: [encoderOutputSize({ encoder })] });
      }
    }
  }
  return specs;
}

function decoderSpecs(
  config: CommonConfig,
  decoder: StackConfig & { readonly embeddings: { readonly embedding_dim: number } },
  size: number,
  { beside, ownTable = true }: { beside: readonly FirstInput[]; ownTable?: boolean },
): ParameterSpec[] {
  const E = decoder.embeddings.embedding_dim;
  return [
    ...(ownTable ? [{ name: 'decoder.embedding.weight', shape: [size, E] }] : []),
    ...recurrentSpecs('decoder.rnn', config, { ...decoder, bidirectional: false }, [
      { name: 'words', width: E },
      ...beside,
    ]),
  ];
}

/** What makes one vector of [S, B, M] states. */
function contextSpecs(kind: string, M: number): ParameterSpec[] {
  if (kind === 'linear') return linearSpecs('context.linear', M, M);
  if (kind !== 'attention-pooled') return [];
  return [...linearSpecs('context.attention', M, M), { name: 'context.query', shape: [M] }];
}

/** What a first layer reads, side by side in the columns of weight_ih_l0. */
type FirstInput = NonNullable<ParameterSpec['inputs']>[number];

type RecurrentShape = Pick<StackConfig, 'hidden_size' | 'num_layers'> & { readonly bidirectional: boolean };

function recurrentSpecs(
  prefix: string,
  config: CommonConfig,
  { hidden_size: H, num_layers, bidirectional }: RecurrentShape,
  firstInputs: readonly FirstInput[],
): ParameterSpec[] {
  const rows = cells.get(config).gates * H;
  const suffixes = bidirectional ? ['', '_reverse'] : [''];
  const firstWidth = firstInputs.reduce((sum, { width }) => sum + width, 0);
  return Array.from({ length: num_layers }).flatMap((_, layer) => {
    const columns = layer === 0 ? firstWidth : H * suffixes.length;
    const inputs = layer === 0 && firstInputs.length > 1 ? { inputs: firstInputs } : {};
    return suffixes.flatMap((suffix) => [
      { name: `${prefix}.weight_ih_l${layer}${suffix}`, shape: [rows, columns], ...inputs },
      { name: `${prefix}.weight_hh_l${layer}${suffix}`, shape: [rows, H] },
      { name: `${prefix}.bias_ih_l${layer}${suffix}`, shape: [rows] },
      { name: `${prefix}.bias_hh_l${layer}${suffix}`, shape: [rows] },
    ]);
  });
}

function attentionSpecs({ decoder }: Seq2SeqConfig, H: number, M: number): ParameterSpec[] {
  const prefix = 'decoder.attention';
  const byScore: Readonly<Record<typeof decoder.attention.score, ParameterSpec[]>> = {
    none: [],
    dot: [],
    general: [{ name: `${prefix}.linear_in.weight`, shape: [H, M] }],
    concat: [
      { name: `${prefix}.linear_query.weight`, shape: [H, H] },
      { name: `${prefix}.linear_context.weight`, shape: [H, M] },
      { name: `${prefix}.v.weight`, shape: [1, H] },
    ],
  };
  return [...byScore[decoder.attention.score], { name: `${prefix}.linear_out.weight`, shape: [H, M + H] }];
}

function outputSpecs(prefix: string, size: number, inputs: number, tied: boolean): ParameterSpec[] {
  const specs = linearSpecs(prefix, size, inputs);
  return tied ? specs.slice(1) : specs;
}

function linearSpecs(prefix: string, outputs: number, inputs: number): [ParameterSpec, ParameterSpec] {
  return [
    { name: `${prefix}.weight`, shape: [outputs, inputs] },
    { name: `${prefix}.bias`, shape: [outputs] },
  ];
}
