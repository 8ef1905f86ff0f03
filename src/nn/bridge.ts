/** How what the encoder leaves behind becomes the decoder's first states. */
import { cells } from '../ops/cells/registry.ts';
import { linear } from '../ops/matmul.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { Seq2SeqConfig } from './model-config.ts';

/**
 * `finalStates` by layer and state, [B, M] each → the same, [B, H]: as they are (`none`), or through one linear map
 * a state, shared by the layers (`linear`).
 */
export function recordBridge(
  tape: Tape,
  parameters: ParameterStore,
  config: Seq2SeqConfig,
  finalStates: readonly (readonly Tensor[])[],
): Tensor[][] {
  if (config.decoder.bridge === 'none') return finalStates.map((states) => [...states]);
  return finalStates.map((states) =>
    states.map((state, index) => bridged(tape, parameters, config, state, index)),
  );
}

/** First states for every layer from one context [B, M]: h is the context itself (`none`), or each state a linear map of it. */
export function recordContextBridge(
  tape: Tape,
  parameters: ParameterStore,
  config: Seq2SeqConfig,
  context: Tensor,
): (Tensor | undefined)[][] {
  const { states } = cells.get(config);
  const first =
    config.decoder.bridge === 'none'
      ? states.map((_, index) => (index === 0 ? context : undefined))
      : states.map((_, index) => bridged(tape, parameters, config, context, index));
  return Array.from({ length: config.decoder.num_layers }, () => first);
}

function bridged(
  tape: Tape,
  parameters: ParameterStore,
  config: Seq2SeqConfig,
  x: Tensor,
  index: number,
): Tensor {
  const prefix = `bridge.${cells.get(config).states[index]}`;
  return linear(tape, x, parameters.get(`${prefix}.weight`), parameters.get(`${prefix}.bias`));
}
