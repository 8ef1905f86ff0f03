/**
 * What each parameter of a model starts with, decided from its configuration: which of the ways in `initialize.ts`,
 * and what is set afterwards (padding rows, forget gates).
 */
import { PAD_ID } from '../data/special-tokens.ts';
import { cells } from '../ops/cells/registry.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Shape } from '../scheduler/tensor.ts';
import {
  type Fixed,
  gateBias,
  type Initialization,
  initialize,
  pytorchEmbedding,
  pytorchLinear,
  pytorchRecurrent,
  zeroRow,
} from './initialize.ts';
import type { CommonConfig, Initializer } from './model-config.ts';

/** In PyTorch's order of the LSTM's gates i, f, g, o. */
const forgetGate = 1;

/** Values by parameter name; the same seed gives the same values on every machine. */
export function* initialValues(
  config: CommonConfig,
  parameters: ParameterStore,
  seed: number,
): Generator<[name: string, values: Float32Array<ArrayBuffer>]> {
  for (const name of parameters.names) {
    const { shape } = parameters.get(name);
    const { way, fixed } = choose(config, parameters, name, shape);
    yield [name, initialize(name, shape, way, seed, fixed)];
  }
}

interface Choice {
  readonly way: Initialization;
  readonly fixed?: readonly Fixed[];
}

/** pytorch-crf's way: uniform in ±0.1. */
const transitionRange = 0.1;

function choose(config: CommonConfig, parameters: ParameterStore, name: string, shape: Shape): Choice {
  const columns = shape.at(-1)!;
  if (name.startsWith('crf.')) return { way: { kind: 'uniform', range: transitionRange } };
  if (name.includes('.initial.')) return { way: { kind: 'zeros' } };
  if (name.endsWith('embedding.weight')) {
    const way = ways(config.embed_initializer, pytorchEmbedding, config.embed_init_weight, config.init_gain);
    // A table of classes has no padding.
    return name === 'input.embedding.weight' ? { way } : { way, fixed: [zeroRow(PAD_ID, columns)] };
  }
  const isRecurrent = /\.rnn\.(weight|bias)_(ih|hh)_l\d+/.test(name);
  const hidden = isRecurrent ? parameters.get(name.replace(/(weight|bias)_(ih|hh)/, 'weight_hh')).dim(1) : 0;
  if (/bias/.test(name)) return chooseBias(config, parameters, name, hidden);
  const blocks = isRecurrent ? cells.get(config).gates : 1;
  if (isRecurrent && config.init_rnn_orthogonal && name.includes('weight_hh')) {
    return { way: { kind: 'orthogonal', blocks } };
  }
  const standard = isRecurrent ? pytorchRecurrent(hidden) : pytorchLinear(columns);
  return { way: ways(config.initializer, standard, config.init_weight, config.init_gain, blocks) };
}

function chooseBias(config: CommonConfig, parameters: ParameterStore, name: string, hidden: number): Choice {
  const inputs = hidden || inputsOf(parameters, name);
  const byName: Readonly<Record<typeof config.bias_initializer, Initialization>> = {
    pytorch: hidden ? pytorchRecurrent(hidden) : pytorchLinear(inputs),
    uniform: { kind: 'uniform', range: config.init_weight },
    zeros: { kind: 'zeros' },
  };
  const way = byName[config.bias_initializer];
  if (!hidden || config.forget_bias === null) return { way };
  return { way, fixed: [gateBias(forgetGate, hidden, name.includes('bias_ih') ? config.forget_bias : 0)] };
}

/** Inputs of the layer that a bias belongs to; of a tied output layer, whose weight has another name, its outputs'. */
function inputsOf(parameters: ParameterStore, name: string): number {
  const weight = name.replace(/bias$/, 'weight');
  const tied = parameters.has('decoder.embedding.weight')
    ? 'decoder.embedding.weight'
    : 'encoder.embedding.weight';
  return parameters.get(parameters.has(weight) ? weight : tied).dim(-1);
}

function ways(
  name: Initializer,
  standard: Initialization,
  weight: number,
  gain: number,
  blocks = 1,
): Initialization {
  const all: Readonly<Record<Initializer, Initialization>> = {
    pytorch: standard,
    uniform: { kind: 'uniform', range: weight },
    normal: { kind: 'normal', deviation: weight },
    xavier_uniform: { kind: 'xavier_uniform', gain, blocks },
  };
  return all[name];
}
