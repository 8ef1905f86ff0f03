/**
 * One vector for a whole source: the encoder's last state, a linear transform of it, or all states pooled. What a decoder
 * without attention reads, and what a classifier classifies.
 */
import { attentionPooling } from '../ops/attention-pooling.ts';
import { linear } from '../ops/matmul.ts';
import { pooling } from '../ops/pooling.ts';
import type { ParameterStore } from '../scheduler/parameters.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { Encoded } from './encoder.ts';

export type ContextKind = 'last' | 'linear' | 'mean' | 'max' | 'attention-pooled';

export interface ContextResult {
  /** [B, M] */
  readonly context: Tensor;
  /** [B, S], of a learned query alone. */
  readonly alignments?: Tensor;
}

/** The context of encoded rows whose lengths are u32 [B]; of an empty row zeros, or what the layers make of zeros. */
export function recordContext(
  tape: Tape,
  parameters: ParameterStore,
  kind: ContextKind,
  encoded: Encoded,
  lengths: Tensor,
): ContextResult {
  const last = () => encoded.finalStates().at(-1)![0]!;
  switch (kind) {
    case 'last':
      return { context: last() };
    case 'linear':
      return {
        context: linear(
          tape,
          last(),
          parameters.get('context.linear.weight'),
          parameters.get('context.linear.bias'),
        ),
      };
    case 'mean':
    case 'max':
      return { context: pooling(tape, encoded.memory, lengths, kind) };
    case 'attention-pooled':
      return attentionPooling(tape, encoded.memory, lengths, {
        weight: parameters.get('context.attention.weight'),
        bias: parameters.get('context.attention.bias'),
        v: parameters.get('context.query'),
      });
    default:
      return kind satisfies never;
  }
}
