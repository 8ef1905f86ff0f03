/** `dropout` on plain arrays: it always drops, whether or not a gradient is asked for. */
import { recordDropout } from '../dropout.ts';
import { defineOp, type FloatTensor } from './define-op.ts';

export interface DropoutInputs {
  readonly x: FloatTensor;
}

export interface DropoutOptions {
  readonly probability?: number;
  readonly seed?: number;
  readonly step?: number;
  readonly site?: number;
}

export const dropout = defineOp<DropoutInputs, 'y', DropoutOptions>({
  name: 'dropout',
  doc: 'y = x / (1 − p) where a generator keeps it, else 0; the mask is a function of seed, step and site (Philox 4×32-10)',
  inputs: { x: { shape: '...' } },
  outputs: { y: { shape: '...' } },
  options: {
    probability: 'p of being dropped, in [0, 1); default 0.5',
    seed: 'of the run, below 2⁵³; default 0',
    step: 'of training, below 2⁵³; default 0',
    site: 'number of the place that drops, below 2³²; default 0',
  },
  activations: ['x'],
  complete: (inputs, { seed = 0, step = 0 }) => {
    const words = Uint32Array.of(seed, Math.floor(seed / 2 ** 32), step, Math.floor(step / 2 ** 32));
    return { ...inputs, 'random state': { data: words, shape: [4] } };
  },
  build: (tape, tensors, { probability = 0.5, site = 0 }) => {
    const x = tensors.x!;
    const options = { probability, site, random: tensors['random state']! };
    const y = tape.result('dropout', x.shape, x);
    const flat = (tensor: typeof x) => tensor.reshape(1, x.size);
    recordDropout(tape, flat(x), flat(y), 0, 1, options);
    tape.onBackward(() => {
      const upstream = tape.gradientOf(y);
      const target = upstream && tape.gradientTarget(x);
      if (!target) return;
      const { accumulate } = target;
      recordDropout(tape, flat(upstream), flat(target.tensor), 0, 1, { ...options, accumulate });
    });
    return { y };
  },
});
