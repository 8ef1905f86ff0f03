/**
 * The parameters of a `Seq2Seq` model: names and shapes. Names are PyTorch's where a module of PyTorch has them
 * (`weight_ih_l0_reverse`) and OpenNMT's for attention (`linear_in`, `linear_out`), so that a saved model reads as
 * one would expect there. Weights are [outputs, inputs], gates stacked in PyTorch's order.
 */
import { cells } from '../ops/cells/registry.ts';
import type { ParameterSpec } from '../scheduler/parameters.ts';
import { encoderOutputSize, type ModelConfig } from './model-config.ts';

export interface VocabularySizes {
  readonly source: number;
  readonly target: number;
}

export function seq2seqParameters(config: ModelConfig, sizes: VocabularySizes): ParameterSpec[] {
  const { encoder, decoder } = config;
  const [M, H] = [encoderOutputSize(config), decoder.hidden_size];
  const [sourceE, targetE] = [encoder.embeddings.embedding_dim, decoder.embeddings.embedding_dim];
  const specs: ParameterSpec[] = [{ name: 'encoder.embedding.weight', shape: [sizes.source, sourceE] }];
  specs.push(
    ...recurrentParameters('encoder.rnn', config, {
      layers: encoder.num_layers,
      inputs: sourceE,
      hidden: encoder.hidden_size,
      bidirectional: encoder.bidirectional,
    }),
  );
  if (decoder.bridge === 'linear') {
    for (const state of cells.get(config).states) {
      specs.push(
        { name: `bridge.${state}.weight`, shape: [H, M] },
        { name: `bridge.${state}.bias`, shape: [H] },
      );
    }
  }
  if (!config.tied_embeddings)
    specs.push({ name: 'decoder.embedding.weight', shape: [sizes.target, targetE] });
  specs.push(
    ...recurrentParameters('decoder.rnn', config, {
      layers: decoder.num_layers,
      inputs: targetE + (decoder.input_feeding ? H : 0),
      hidden: H,
      bidirectional: false,
    }),
  );
  specs.push(...attentionParameters(config, H, M));
  if (!config.tied_softmax) specs.push({ name: 'decoder.output.weight', shape: [sizes.target, H] });
  specs.push({ name: 'decoder.output.bias', shape: [sizes.target] });
  return specs;
}

interface StackShape {
  readonly layers: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly bidirectional: boolean;
}

function recurrentParameters(prefix: string, config: ModelConfig, stack: StackShape): ParameterSpec[] {
  const rows = cells.get(config).gates * stack.hidden;
  const suffixes = stack.bidirectional ? ['', '_reverse'] : [''];
  return Array.from({ length: stack.layers }).flatMap((_, layer) => {
    const inputs = layer === 0 ? stack.inputs : stack.hidden * suffixes.length;
    return suffixes.flatMap((suffix) => [
      { name: `${prefix}.weight_ih_l${layer}${suffix}`, shape: [rows, inputs] },
      { name: `${prefix}.weight_hh_l${layer}${suffix}`, shape: [rows, stack.hidden] },
      { name: `${prefix}.bias_ih_l${layer}${suffix}`, shape: [rows] },
      { name: `${prefix}.bias_hh_l${layer}${suffix}`, shape: [rows] },
    ]);
  });
}

function attentionParameters({ decoder }: ModelConfig, H: number, M: number): ParameterSpec[] {
  const prefix = 'decoder.attention';
  const byScore: Readonly<Record<typeof decoder.attention.score, ParameterSpec[]>> = {
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
