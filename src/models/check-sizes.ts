/**
 * Whether a device can hold a model, worked out from its configuration before anything is allocated: each parameter
 * must fit one binding, and where the memory is known, parameters, gradients and the optimiser's moments must fit it.
 */
import { LimitsError } from '../errors.ts';
import { formatBytes } from '../gpu/gpu.ts';
import type { EmbeddingsConfig, StackConfig } from '../nn/model-config.ts';
import type { DataSizes } from '../nn/network.ts';
import { parameterSpecs } from '../nn/parameter-specs.ts';
import { createOptimizer } from '../optim/registry.ts';
import type { ParameterSpec } from '../scheduler/parameters.ts';
import { sizeOf } from '../scheduler/tensor.ts';
import type { Config, ModelConfig } from '../train/config/types.ts';

/** What a device offers; `memory` in bytes, where it is known. */
export interface Capacity {
  readonly limits: { readonly maxBufferSize: number; readonly maxStorageBufferBindingSize: number };
  readonly memory?: number | undefined;
}

/**
 * The bytes of parameters, gradients and moments.
 * @throws LimitsError naming what is too large, the limit and the keys to lower
 */
export function checkParameterSizes(config: Config, sizes: DataSizes, capacity: Capacity): number {
  const specs = parameterSpecs(config.model, sizes, { frames: config.data.src.level === 'frames' });
  const bytesOf = ({ shape }: ParameterSpec) => 4 * sizeOf(shape);
  const largest = specs.reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a));
  const { maxBufferSize, maxStorageBufferBindingSize } = capacity.limits;
  const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  if (bytesOf(largest) > limit) {
    throw new LimitsError(
      `the parameter ${largest.name} [${largest.shape.join(', ')}] needs ${formatBytes(bytesOf(largest))}, but ` +
        `this device binds at most ${formatBytes(limit)}: lower ${keysFor(largest.name, config, sizes)}`,
    );
  }
  const { memory } = capacity;
  const copies = 2 + createOptimizer(config.training).moments.length;
  const total = copies * specs.reduce((sum, spec) => sum + bytesOf(spec), 0);
  if (memory !== undefined && total > memory) {
    throw new LimitsError(
      `the model's parameters with their gradients and the moments of ${config.training.optimizer} need ` +
        `${formatBytes(total)}, but this machine has ${formatBytes(memory)}; most of it goes to ${largest.name} ` +
        `[${largest.shape.join(', ')}]: lower ${keysFor(largest.name, config, sizes)} or the number of layers`,
    );
  }
  return total;
}

/** The keys that make a parameter large, with their values: those of its dimensions that are not far smaller than the largest. */
function keysFor(parameter: string, { data, model }: Config, sizes: DataSizes): string {
  const words = (limit: number | null) => (limit === null ? 'no limit' : String(limit));
  const vocabulary = /^encoder/.test(parameter)
    ? { key: 'data.src.voc_limit', size: sizes.source, value: words(data.src.voc_limit) }
    : { key: 'data.trg.voc_limit', size: sizes.target, value: words(data.trg.voc_limit) };
  const sized = (key: string, size: number) => ({ key, size, value: String(size) });
  const candidates = [
    ...(/embedding|output/.test(parameter) ? [vocabulary] : []),
    ...Object.entries(partsOf(model)).map(([part, { hidden_size }]) =>
      sized(`model.${part}.hidden_size`, hidden_size),
    ),
    ...Object.entries(partsOf(model)).map(([part, { embeddings }]) =>
      sized(`model.${part}.embeddings.embedding_dim`, embeddings.embedding_dim),
    ),
  ];
  const largest = Math.max(...candidates.map(({ size }) => size));
  const guilty = candidates.filter(({ size }) => size > largest / 8);
  return guilty.map(({ key, value }) => `${key} (${value})`).join(' or ');
}

function partsOf(model: ModelConfig): Partial<Record<'encoder' | 'decoder', StackConfig & Embedded>> {
  return {
    ...('encoder' in model && { encoder: model.encoder }),
    ...('decoder' in model && { decoder: model.decoder }),
  };
}

interface Embedded {
  readonly embeddings: EmbeddingsConfig;
}
