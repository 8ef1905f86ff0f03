/** The encoder: embedded source, or frames → a stack of uni- or bidirectional layers → memory and final states. */
import { add } from '../ops/add.ts';
import { broadcast } from '../ops/broadcast.ts';
import { type CellChoice, cells } from '../ops/cells/registry.ts';
import { dropout } from '../ops/dropout.ts';
import { embedding } from '../ops/embedding.ts';
import {
  type DirectionWeights,
  type RecurrentInput,
  type RecurrentResult,
  recurrent,
} from '../ops/recurrent.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { dropoutSite } from './dropout-sites.ts';
import type { EncoderConfig } from './model-config.ts';

export interface EncoderInputs {
  /** u32 [S, B] ids; or f32 [S, B, F] frames */
  readonly source: Tensor;
  /** u32 [B]: steps of each row; 0 for an empty row. */
  readonly lengths: Tensor;
  /** u32 [4]: seed and step of the dropout masks. */
  readonly random: Tensor;
  /** The id whose embedding is not trained. */
  readonly paddingIndex: number | undefined;
  /** [S, B, X]: what stands beside the embedding, such as a word representation from characters. */
  readonly beside?: Tensor | undefined;
}

export interface Encoded {
  /** [S, B, D*H]: the top layer's outputs, directions side by side. */
  readonly memory: Tensor;
  /** What the first layer reads, side by side: [S, B, *] each. */
  readonly inputs: readonly Tensor[];
  /** Each layer's states after every step, (h, c): [S, B, D*H]. */
  readonly layers: readonly (readonly Tensor[])[];
  /** By layer, then by state (h, c): [B, D*H]. Recorded where first asked for. */
  finalStates(): Tensor[][];
}

export function recordEncoder(
  tape: Tape,
  parameters: ParameterStore,
  { encoder, ...choice }: CellChoice & { readonly encoder: EncoderConfig },
  inputs: EncoderInputs,
): Encoded {
  const { source, lengths, random } = inputs;
  const [steps, batch] = [source.dim(0), source.dim(1)];
  const cell = cells.get(choice);
  const first = recordInputs(tape, parameters, encoder, inputs);
  let read = first;
  const layers: RecurrentResult[] = [];
  for (let layer = 0; layer < encoder.num_layers; layer++) {
    const result = recurrent(tape, {
      cell,
      label: `encoder.l${layer}`,
      steps,
      batch,
      hidden: encoder.hidden_size,
      inputs: read,
      weights: layerWeights(parameters, 'encoder.rnn', layer, encoder.bidirectional),
      lengths,
      ...(encoder.initial_state === 'learned' && {
        initial: cell.states.map((state) =>
          repeatRow(tape, parameters.get(`encoder.initial.${state}_l${layer}`), batch),
        ),
      }),
    });
    layers.push(result);
    const last = layer === encoder.num_layers - 1;
    const between = { probability: last ? 0 : encoder.dropout, site: dropoutSite('encoder', layer), random };
    const dropped = dropout(tape, result.output, between);
    const output = encoder.residual && layer > 0 ? add(tape, dropped, read[0]!.tensor) : dropped;
    read = [{ tensor: output, column: 0, width: output.dim(2) }];
  }
  return {
    memory: read[0]!.tensor,
    inputs: first.map(({ tensor }) => tensor),
    layers: layers.map(({ states }) => states),
    finalStates: () => layers.map(({ finalStates }) => finalStates),
  };
}

function recordInputs(
  tape: Tape,
  parameters: ParameterStore,
  encoder: EncoderConfig,
  { source, random, paddingIndex, beside }: EncoderInputs,
): RecurrentInput[] {
  const embedded =
    source.dtype === 'f32'
      ? source
      : embedding(tape, source, parameters.get('encoder.embedding.weight'), { paddingIndex });
  const drops = { probability: encoder.embeddings.dropout, site: dropoutSite('source embedding'), random };
  const first = { tensor: dropout(tape, embedded, drops), column: 0, width: embedded.dim(2) };
  return beside ? [first, { tensor: beside, column: first.width, width: beside.dim(2) }] : [first];
}

/** [N] → [batch, N] */
export function repeatRow(tape: Tape, row: Tensor, batch: number): Tensor {
  return broadcast(tape, row.reshape(1, row.size), batch).reshape(batch, row.size);
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
