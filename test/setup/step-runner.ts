/** One training plan, run by hand as often as wanted: what a step leaves behind, bit for bit. */
import type { Batch } from '../../src/data/batches.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Seq2SeqNetwork } from '../../src/nn/seq2seq.ts';
import { statisticsSize } from '../../src/ops/cross-entropy.ts';
import { destroyTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
import { type Plan, submit } from '../../src/scheduler/plan.ts';
import type { ScratchPool } from '../../src/scheduler/scratch-pool.ts';
import { StepPlan } from '../../src/train/step-plan.ts';
import { createStepTensors } from '../../src/train/step-tensors.ts';

export interface StepRunner {
  readonly plan: Plan;
  /** Runs it once, from cleared gradients and sums. Names of gradients, and `statistics`. */
  run(): Promise<Map<string, Float32Array>>;
  dispose(): void;
}

export interface StepRunnerOptions {
  readonly labelSmoothing?: number;
  /** What the summed loss is multiplied by. */
  readonly scale: number;
}

export async function createStepRunner(
  gpu: Gpu,
  pool: ScratchPool,
  network: Seq2SeqNetwork,
  batch: Batch,
  { labelSmoothing = 0, scale }: StepRunnerOptions,
): Promise<StepRunner> {
  const step = createStepTensors(gpu, 'test');
  writeTensor(gpu, step.random, Uint32Array.of(7, 0, 3, 0));
  writeTensor(gpu, step.scale, Float32Array.of(scale));
  const options = { training: true, labelSmoothing };
  const recorded = await StepPlan.record(gpu, pool, network, batch, step, options);
  return {
    plan: recorded.plan,
    async run() {
      for (const { gradients } of network.parameters.segments) {
        writeTensor(gpu, gradients, new Float32Array(gradients.size));
      }
      writeTensor(gpu, step.statistics, new Float32Array(statisticsSize));
      recorded.write(gpu, batch);
      submit(gpu, 'step', [recorded.plan]);
      const left = new Map<string, Float32Array>(await network.parameters.readGradients());
      return left.set('statistics', await readTensor(gpu, step.statistics));
    },
    dispose() {
      recorded.plan.dispose();
      for (const tensor of Object.values(step)) destroyTensor(tensor);
    },
  };
}
