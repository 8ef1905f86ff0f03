/** Adam (weight decay added to the gradient) and AdamW (taken off the weights), as in `torch.optim`. */
import { ShapeError } from '../errors.ts';
import { linearGroups } from '../scheduler/tape.ts';
import { hyperSize, type Optimizer, type OptimizerOptions } from './optimizer.ts';

export function adam(options: OptimizerOptions): Optimizer {
  return createAdam('adam', options);
}

export function adamw(options: OptimizerOptions): Optimizer {
  return createAdam('adamw', options);
}

function createAdam(name: 'adam' | 'adamw', options: OptimizerOptions): Optimizer {
  const { adam_betas, eps, weight_decay } = options;
  const [beta1, beta2] = adam_betas;
  return {
    name,
    moments: ['exp_avg', 'exp_avg_sq'],
    hyper(step, learningRate) {
      const rate = learningRate / (1 - beta1 ** step);
      const inverseRoot = 1 / Math.sqrt(1 - beta2 ** step);
      const decay = name === 'adam' ? weight_decay : 1 - learningRate * weight_decay;
      const hyper = new Float32Array(hyperSize);
      hyper.set([beta1, 1 - beta1, beta2, 1 - beta2, rate, inverseRoot, eps, decay]);
      return hyper;
    },
    recordUpdate(tape, { values, gradients }, [means, squares], hyper, update) {
      if (!means || !squares) throw new ShapeError(`${name} needs two moments a parameter`);
      const size = values.size / 4;
      const { groups, stride } = linearGroups(size, 64);
      tape.dispatch('adam', name === 'adam' ? 'coupled' : 'decoupled', {
        bindings: { values, gradients, means, squares, hyper, update },
        params: { size, stride },
        workgroups: groups,
      });
    },
  };
}
