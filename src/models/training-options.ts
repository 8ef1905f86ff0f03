/** What a configuration and its data say of training beyond plain numbers: class weights, frozen embedding tables. */
import type { Dataset } from '../data/dataset.ts';
import type { ModelConfig } from '../nn/model-config.ts';
import { matcher, type ParameterGroupOptions } from '../optim/parameter-groups.ts';
import { embeddingTables } from '../train/config/start-checks.ts';
import type { TrainingConfig } from '../train/config/types.ts';

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

/**
 * Groups of parameters: the tables that `freeze` leaves as they start, or releases in an epoch (at the rate that the
 * configuration's groups have for them), then those groups, without such as are of these tables alone.
 * @param names those of all parameters
 */
export function allGroups(
  {
    model,
    training,
  }: { readonly model: ModelConfig; readonly training: Pick<TrainingConfig, 'parameter_groups'> },
  names: readonly string[],
): ParameterGroupOptions[] {
  const groups = training.parameter_groups;
  const frozen = embeddingTables(model).filter(([, { freeze }]) => freeze);
  const tables = frozen.map(([side, { unfreeze_epoch }]): ParameterGroupOptions => {
    const pattern = `${side}.embedding.weight`;
    const given = groups.find((group) => matcher(group.pattern)(pattern));
    const frozen_epochs = unfreeze_epoch === null ? 'always' : unfreeze_epoch - 1;
    return { pattern, frozen_epochs, ...(given?.lr !== undefined && { lr: given.lr }) };
  });
  const isTable = (name: string) => tables.some(({ pattern }) => pattern === name);
  const others = groups.filter(({ pattern }) => {
    const matched = names.filter(matcher(pattern));
    return matched.length === 0 || !matched.every(isTable);
  });
  return [...tables, ...others];
}
