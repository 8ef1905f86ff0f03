/** `embedding` on plain arrays. */
import { embedding as embeddingOp } from '../embedding.ts';
import { checkIds, defineOp, type FloatTensor, type IdTensor } from './define-op.ts';

export interface EmbeddingInputs {
  readonly ids: IdTensor;
  readonly weight: FloatTensor;
}

export interface EmbeddingOptions {
  readonly paddingIndex?: number;
}

export const embedding = defineOp<EmbeddingInputs, 'y', EmbeddingOptions>({
  name: 'embedding',
  doc: 'y = the rows of weight that ids name',
  inputs: { ids: { shape: '...', dtype: 'u32', doc: 'each below V' }, weight: { shape: 'V E' } },
  outputs: { y: { shape: '... E' } },
  options: { paddingIndex: 'the id whose row gets no gradient; default: none' },
  complete: (inputs, _options, { V }) => {
    checkIds('embedding', 'ids', inputs.ids!, V!);
    return inputs;
  },
  build: (tape, { ids, weight }, options) => ({ y: embeddingOp(tape, ids!, weight!, options) }),
});
