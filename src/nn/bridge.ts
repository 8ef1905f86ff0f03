/** How the encoder's final states become the decoder's first ones. */
import { cells } from '../ops/cells/registry.ts';
import { linear } from '../ops/matmul.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { ModelConfig } from './model-config.ts';

/**
 * `finalStates` by layer and state, [B, M] each → the same, [B, H]: as they are (`none`), or through one linear map
 * a state, shared by the layers (`linear`).
 */
export function recordBridge(
  tape: Tape,
  parameters: ParameterStore,
  config: ModelConfig,
  finalStates: readonly (readonly Tensor[])[],
): Tensor[][] {
  if (config.decoder.bridge === 'none') return finalStates.map((states) => [...states]);
  const names = cells.get(config).states;
  return finalStates.map((states) =>
    states.map((state, index) => {
      const prefix = `bridge.${names[index]}`;
      return linear(tape, state, parameters.get(`${prefix}.weight`), parameters.get(`${prefix}.bias`));
    }),
  );
}
