/** What a configuration and its data say of training beyond plain numbers: class weights, frozen embedding tables. */
import type { Dataset } from '../data/dataset.ts';
import type { EmbeddingsConfig, ModelConfig } from '../nn/model-config.ts';
import type { ParameterGroupOptions } from '../optim/parameter-groups.ts';

/** examples / (classes · examples of the class), as scikit-learn's `balanced`; a class without examples counts 0. */
export function balancedClassWeights(
  model: ModelConfig,
  { target }: Dataset,
  classes: number,
): Float32Array | undefined {
  if (model.type !== 'classifier' || model.class_weights === 'none') return undefined;
  const counts = new Float64Array(classes);
  for (const [label] of target) if (label! < classes) counts[label!]!++;
  const seen = counts.filter((count) => count > 0).length;
  return Float32Array.from(counts, (count) => (count === 0 ? 0 : target.count / (seen * count)));
}

/** Groups for the embedding tables that `freeze` leaves as they start, or releases in an epoch. */
export function embeddingGroups(model: ModelConfig): ParameterGroupOptions[] {
  const of = (side: string, { freeze, unfreeze_epoch }: EmbeddingsConfig): ParameterGroupOptions[] =>
    freeze
      ? [
          {
            pattern: `${side}.embedding.weight`,
            frozen_epochs: unfreeze_epoch === null ? 'always' : unfreeze_epoch - 1,
          },
        ]
      : [];
  return [
    ...('encoder' in model ? of('encoder', model.encoder.embeddings) : []),
    ...('decoder' in model ? of('decoder', model.decoder.embeddings) : []),
  ];
}
