/** The encoder: embedded source → a stack of uni- or bidirectional layers → memory and final states. */
import { cells } from '../ops/cells/registry.ts';
import { dropout } from '../ops/dropout.ts';
import { embedding } from '../ops/embedding.ts';
import { type DirectionWeights, recurrent } from '../ops/recurrent.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { dropoutSite } from './dropout-sites.ts';
import type { ModelConfig } from './model-config.ts';

export interface EncoderInputs {
  /** u32 [S, B] */
  readonly ids: Tensor;
  /** u32 [B]: steps of each row, `</s>` included; 0 for an empty row. */
  readonly lengths: Tensor;
  /** u32 [4]: seed and step of the dropout masks. */
  readonly random: Tensor;
  readonly paddingIndex: number;
}

export interface Encoded {
  /** [S, B, D*H]: the top layer's outputs, directions side by side. */
  readonly memory: Tensor;
  /** By layer, then by state (h, c): [B, D*H]. */
  readonly finalStates: readonly (readonly Tensor[])[];
}

export function recordEncoder(
  tape: Tape,
  parameters: ParameterStore,
  config: ModelConfig,
  { ids, lengths, random, paddingIndex }: EncoderInputs,
): Encoded {
  const { encoder } = config;
  const [steps, batch] = [ids.dim(0), ids.dim(1)];
  const embedded = embedding(tape, ids, parameters.get('encoder.embedding.weight'), { paddingIndex });
  const site = dropoutSite('source embedding');
  let input = dropout(tape, embedded, { probability: encoder.embeddings.dropout, site, random });
  const finalStates: Tensor[][] = [];
  for (let layer = 0; layer < encoder.num_layers; layer++) {
    const result = recurrent(tape, {
      cell: cells.get(config),
      label: `encoder.l${layer}`,
      steps,
      batch,
      hidden: encoder.hidden_size,
      inputs: [{ tensor: input, column: 0, width: input.dim(2) }],
      weights: layerWeights(parameters, 'encoder.rnn', layer, encoder.bidirectional),
      lengths,
    });
    finalStates.push(result.finalStates);
    const last = layer === encoder.num_layers - 1;
    const between = { probability: last ? 0 : encoder.dropout, site: dropoutSite('encoder', layer), random };
    input = dropout(tape, result.output, between);
  }
  return { memory: input, finalStates };
}

/** The weights of one layer, a set for each direction. */
export function layerWeights(
  parameters: ParameterStore,
  prefix: string,
  layer: number,
  bidirectional: boolean,
): DirectionWeights[] {
  return (bidirectional ? ['', '_reverse'] : ['']).map((suffix) => ({
    weightIh: parameters.get(`${prefix}.weight_ih_l${layer}${suffix}`),
    weightHh: parameters.get(`${prefix}.weight_hh_l${layer}${suffix}`),
    biasIh: parameters.get(`${prefix}.bias_ih_l${layer}${suffix}`),
    biasHh: parameters.get(`${prefix}.bias_hh_l${layer}${suffix}`),
  }));
}
