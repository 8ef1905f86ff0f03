/** A configuration made ready to be trained on a device, with the one batch that every step takes. */
import type { Batch } from '../data/batches.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Precision } from '../gpu/stored-as.ts';
import { Seq2SeqNetwork } from '../nn/seq2seq.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import { TrainingEngine } from '../train/engine.ts';
import { batchOf, type Configuration, modelOf } from './configurations.ts';

export const learningRate = 1e-3;
export const weightSeed = 1;

export interface TrainingStep {
  readonly network: Seq2SeqNetwork;
  readonly engine: TrainingEngine;
  readonly batch: Batch;
  /** Submits `steps` steps. */
  run(steps: number): Promise<void>;
  /** Waits for all that was submitted. */
  finish(): Promise<void>;
  dispose(): void;
}

/** What `recipes/` would train, but for clipping, which peers do in many ways: Adam on the mean loss of a token. */
export async function createTrainingStep(
  gpu: Gpu,
  configuration: Configuration,
  precision: Precision = 'f32',
): Promise<TrainingStep> {
  const { V } = configuration.sizes;
  const network = new Seq2SeqNetwork(gpu, modelOf(configuration), { source: V, target: V });
  network.initialize(weightSeed);
  const engine = await TrainingEngine.create(gpu, network, new ScratchPool(gpu), {
    precision,
    optimizer: { optimizer: 'adam', momentum: 0, adam_betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
    labelSmoothing: 0,
    normalization: 'tokens',
    clipGradNorm: null,
    seed: 1,
    maxInFlight: 2,
  });
  const batch = batchOf(configuration);
  return {
    network,
    engine,
    batch,
    async run(steps) {
      for (let step = 0; step < steps; step++) await engine.update([batch], learningRate);
    },
    async finish() {
      await gpu.finished();
      gpu.check();
    },
    dispose() {
      engine.dispose();
      network.dispose();
    },
  };
}
