/** One update of all parameters: norm, clipping, optimiser. */
import { statisticsSize } from '../../ops/cross-entropy.ts';
import { hyperSize, type OptimizerName, updateSize } from '../../optim/optimizer.ts';
import { createOptimizer } from '../../optim/registry.ts';
import { allAlike, recordUpdate } from '../../optim/update.ts';
import * as reference from '../../reference/optimizers.ts';
import { type KernelCase, kernelBench } from './kernel.ts';
import { spreadOut } from './samples.ts';

export const updateBench = kernelBench({
  name: 'update',
  summary: 'Norm of all gradients, clipping, and SGD or Adam',
  // As many parameters as an embedding has.
  cases: ({ dimensions: { E, V } }) => {
    const size = Math.ceil((V * E) / 64) * 64;
    return [updateCase('sgd', size), updateCase('adam', size)];
  },
});

const [rate, maxNorm, step, decay] = [0.01, 5, 3, 0.02];
const betas = [0.9, 0.99] as const;

/** P parameters. SGD with momentum. */
function updateCase(name: Exclude<OptimizerName, 'adamw'>, P: number): KernelCase {
  const adam = name === 'adam';
  // The norm reads the gradients, the update reads all and writes all, the gradients too: they are cleared.
  const work = { flops: P * (adam ? 20 : 8), bytes: 4 * P * (1 + 2 * (adam ? 4 : 3)) };
  return {
    title: adam ? 'adam' : 'sgd, momentum',
    sizes: { P },
    forward: work,
    setup(random) {
      const options = { momentum: 0.9, adam_betas: betas, eps: 1e-8, weight_decay: decay };
      const optimizer = createOptimizer({ optimizer: name, ...options });
      const [values, gradients, first] = [random.floats([P]), random.floats([P]), random.floats([P], 0.1)];
      const second = random.floats([P]);
      second.data.forEach((value, i) => {
        second.data[i] = value * value;
      });
      const hyper = { data: optimizer.hyper(step, rate), shape: [hyperSize] };
      const zeros = (size: number) => ({ data: new Float32Array(size), shape: [size] });
      const inputs = { values, gradients, first, ...(adam && { second }), hyper };
      return {
        inputs: { ...inputs, update: zeros(updateSize), statistics: zeros(statisticsSize) },
        build(tape, tensors) {
          const store = { segments: [{ values: tensors.values!, gradients: tensors.gradients! }] };
          recordUpdate(tape, store, {
            optimizer,
            moments: (adam ? ['first', 'second'] : ['first']).map((moment) => [tensors[moment]!]),
            groups: allAlike(store, tensors.hyper!),
            update: tensors.update!,
            statistics: tensors.statistics!,
            maxNorm,
          });
          return { ...tensors };
        },
        check() {
          let squares = 0;
          for (const value of gradients.data) squares += value * value;
          const norm = Math.sqrt(squares);
          const clip = Math.min(1, maxNorm / (norm + 1e-6));
          const at = spreadOut(P, 20_000);
          const pick = ({ data }: { data: Float32Array }) => at.map((i) => data[i]!);
          const given = {
            values: pick(values),
            gradients: pick(gradients).map((value) => value * clip),
            learningRate: rate,
            weightDecay: decay,
            maxNorm: Number.POSITIVE_INFINITY,
          };
          const expected = (tensor: string, of: readonly number[]) => ({ tensor, at, expected: of });
          const theNorm = { tensor: 'update', at: [0], expected: [norm] };
          if (!adam) {
            const { values: after, momentumBuffer } = reference.sgd({
              ...given,
              momentum: 0.9,
              buffer: pick(first),
            });
            return { values: [theNorm, expected('values', after), expected('first', momentumBuffer)] };
          }
          const after = reference.adam({
            ...given,
            betas,
            eps: 1e-8,
            step,
            means: pick(first),
            squares: pick(second),
            decoupled: false,
          });
          return {
            values: [
              theNorm,
              expected('values', after.values),
              expected('first', after.expAvg),
              expected('second', after.expAvgSq),
            ],
          };
        },
      };
    },
  };
}
