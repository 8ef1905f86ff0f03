/** One training plan, run by hand as often as wanted: what a step leaves behind, bit for bit. */
import type { Batch } from '../../src/data/batches.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Network, TeacherForcing } from '../../src/nn/network.ts';
import { statisticsSize } from '../../src/ops/cross-entropy.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../../src/scheduler/persistent.ts';
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
  readonly classWeights?: readonly number[] | undefined;
  /** Whose words a decoder reads, and the probability that they are its own. */
  readonly forcing?: TeacherForcing;
  readonly sampling?: number;
  /** The step that random numbers are drawn for. */
  readonly randomStep?: number;
  /** In mixed precision, with the loss scaled by this power of two; the gradients come without it. */
  readonly lossScale?: number;
}

export async function createStepRunner(
  gpu: Gpu,
  pool: ScratchPool,
  network: Network,
  batch: Batch,
  options: StepRunnerOptions,
): Promise<StepRunner> {
  const { labelSmoothing = 0, scale, classWeights, forcing, sampling = 0, randomStep = 3 } = options;
  const step = createStepTensors(gpu, 'test');
  const scaling = options.lossScale === undefined ? undefined : persistentTensor(gpu, 'loss scale', [4]);
  const upscale = options.lossScale ?? 1;
  if (scaling) writeTensor(gpu, scaling, Float32Array.of(upscale, 1 / upscale, 0, 0));
  writeTensor(gpu, step.random, Uint32Array.of(7, 0, randomStep, 0));
  writeTensor(gpu, step.scale, Float32Array.of(scale));
  writeTensor(gpu, step.sampling, Float32Array.of(sampling));
  const weights = classWeights && persistentTensor(gpu, 'class weights', [classWeights.length]);
  if (weights) writeTensor(gpu, weights, Float32Array.from(classWeights));
  const recorded = await StepPlan.record(gpu, pool, network, batch, step, {
    training: true,
    labelSmoothing,
    classWeights: weights,
    lossScale: scaling,
    ...(forcing && { forcing }),
  });
  return {
    plan: recorded.plan,
    async run() {
      for (const { gradients } of network.parameters.segments) {
        writeTensor(gpu, gradients, new Float32Array(gradients.size));
      }
      writeTensor(gpu, step.statistics, new Float32Array(statisticsSize));
      recorded.write(gpu, batch);
      submit(gpu, 'step', [recorded.plan]);
      const left = new Map<string, Float32Array>();
      for (const [name, gradient] of await network.parameters.readGradients()) {
        left.set(
          name,
          gradient.map((value) => value / upscale),
        ); // exact
      }
      return left.set('statistics', await readTensor(gpu, step.statistics));
    },
    dispose() {
      recorded.plan.dispose();
      for (const tensor of Object.values(step)) destroyTensor(tensor);
      if (weights) destroyTensor(weights);
      if (scaling) destroyTensor(scaling);
    },
  };
}
