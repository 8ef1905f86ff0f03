/** `luongAttention` on plain arrays. */
import { luongAttention as luongAttentionOp } from '../attention.ts';
import type { AttentionScore } from '../scores/registry.ts';
import { checkIds, defineOp, type FloatTensor, type IdTensor } from './define-op.ts';

export type { AttentionScore } from '../scores/registry.ts';

export interface LuongAttentionInputs {
  readonly query: FloatTensor;
  readonly memory: FloatTensor;
  readonly lengths?: IdTensor;
  readonly linearOut: FloatTensor;
  readonly linearIn?: FloatTensor;
  readonly linearQuery?: FloatTensor;
  readonly linearContext?: FloatTensor;
  readonly v?: FloatTensor;
}

export interface LuongAttentionOptions {
  readonly score?: AttentionScore;
}

export const luongAttention = defineOp<LuongAttentionInputs, 'output' | 'weights', LuongAttentionOptions>({
  name: 'luongAttention',
  doc: 'weights = softmax over s of score(query_t, memory_s); output = tanh(linearOut · [Σ weights · memory; query]) (Luong et al. 2015)',
  inputs: {
    query: { shape: 'T B H', doc: 'decoder states' },
    memory: { shape: 'S B M', doc: 'encoder states' },
    lengths: { shape: 'B', dtype: 'u32', optional: true, doc: 'encoder states of each row; default: all S' },
    linearOut: { shape: 'H M+H' },
    linearIn: { shape: 'H M', optional: true, doc: 'of `general`' },
    linearQuery: { shape: 'A H', optional: true, doc: 'of `concat`' },
    linearContext: { shape: 'A M', optional: true, doc: 'of `concat`' },
    v: { shape: '1 A', optional: true, doc: 'of `concat`' },
  },
  outputs: { output: { shape: 'T B H', doc: 'h̃' }, weights: { shape: 'T B S', doc: 'the alignments' } },
  options: {
    score:
      "`'dot'` (default) h · m, needs M = H; `'general'` h · linearIn m; `'concat'` v · tanh(linearQuery h + linearContext m)",
  },
  activations: ['query', 'memory'],
  complete: (inputs, _options, letters) => {
    const { B, S } = letters as { B: number; S: number };
    const lengths = inputs.lengths ?? { data: new Uint32Array(B).fill(S), shape: [B] };
    checkIds('luongAttention', 'lengths', lengths, S + 1);
    return { ...inputs, lengths };
  },
  build: (tape, tensors, { score = 'dot' }) => {
    const { query, memory, lengths, linearIn, linearQuery, linearContext, v } = tensors;
    return luongAttentionOp(tape, {
      label: 'attention',
      score,
      query: query!,
      memory: memory!,
      memoryLengths: lengths!,
      weights: { linearOut: tensors.linearOut!, linearIn, linearQuery, linearContext, v },
    });
  },
});
