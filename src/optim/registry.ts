/** The optimisers there are, by name. A new one is a shader, a file like `sgd.ts`, and a line here. */
import { ConfigError } from '../errors.ts';
import { adam, adamw } from './adam.ts';
import type { Optimizer, OptimizerName, OptimizerOptions } from './optimizer.ts';
import { sgd } from './sgd.ts';

const optimizers: Readonly<Record<OptimizerName, (options: OptimizerOptions) => Optimizer>> = {
  sgd,
  adam,
  adamw,
};

/** @throws ConfigError for a name that is not in the registry */
export function createOptimizer(options: OptimizerOptions): Optimizer {
  if (!Object.hasOwn(optimizers, options.optimizer)) {
    const known = Object.keys(optimizers).join(', ');
    throw new ConfigError(`there is no optimizer '${options.optimizer}'; there are: ${known}`);
  }
  return optimizers[options.optimizer](options);
}
