/** The experiments by name. */
import type { Experiment } from './experiment.ts';
import { gradientsExperiment } from './gradients.ts';
import { lengthsExperiment } from './lengths.ts';
import { samplingExperiment } from './sampling.ts';

export const experiments: readonly Experiment[] = [
  gradientsExperiment,
  lengthsExperiment,
  samplingExperiment,
];
