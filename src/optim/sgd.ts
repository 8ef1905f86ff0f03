/** Stochastic gradient descent as `torch.optim.SGD` with dampening 0: momentum, Nesterov's too, coupled decay. */
import { linearGroups } from '../scheduler/tape.ts';
import { hyperSize, type Optimizer, type OptimizerOptions } from './optimizer.ts';

export function sgd({ momentum, nesterov = false, weight_decay }: OptimizerOptions): Optimizer {
  return {
    name: 'sgd',
    moments: momentum > 0 ? ['momentum_buffer'] : [],
    hyper(_step, learningRate) {
      const hyper = new Float32Array(hyperSize);
      hyper.set([learningRate, momentum, weight_decay, nesterov ? 1 : 0]);
      return hyper;
    },
    recordUpdate(tape, { values, gradients }, [momenta], hyper, update) {
      const size = values.size / 4;
      const { groups, stride } = linearGroups(size, 64);
      const [params, bindings] = [
        { size, stride },
        { values, gradients, hyper, update },
      ];
      if (momenta) {
        tape.dispatch('sgd', 'momentum', { bindings: { ...bindings, momenta }, params, workgroups: groups });
      } else {
        tape.dispatch('sgd', 'plain', { bindings, params, workgroups: groups });
      }
    },
  };
}
