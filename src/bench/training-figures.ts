/** What a training step is besides its time: calls, memory, encoding, recording, and how long a start takes. */
import type { Gpu } from '../gpu/gpu.ts';
import { initialValues } from '../nn/initialize-model.ts';
import type { TrainingTask } from './bench.ts';
import type { Configuration } from './configurations.ts';
import { dryTraining } from './dry-training.ts';
import { createTrainingStep, learningRate, type TrainingStep, weightSeed } from './training-step.ts';
import { countCalls, timeEncoding, watchBytes } from './watch-calls.ts';

export const mebibyte = 2 ** 20;

/** Steps whose losses are compared with the peers'. */
const comparedLosses = 3;
const encodings = 15;
/** Plans of further shapes that are recorded; the fastest counts, since the machine may do other things too. */
const recordings = 4;

export type Figures = Readonly<Record<string, number>>;

/** A training on a device, past its first steps, and what was seen of them. */
export interface PreparedTraining {
  readonly step: TrainingStep;
  /** What a peer needs to do the same. */
  readonly task: TrainingTask;
  /** Mean losses of the first steps. */
  readonly losses: readonly number[];
  readonly figures: Figures;
}

export async function prepareTraining(gpu: Gpu, configuration: Configuration): Promise<PreparedTraining> {
  const { B, S, T } = configuration.sizes;
  const memory = watchBytes(gpu.device);
  let step: TrainingStep | undefined;
  try {
    step = await createTrainingStep(gpu, configuration);
    const task = describe(configuration, step);
    const losses: number[] = [];
    for (let i = 0; i < comparedLosses; i++) {
      await step.run(1);
      const { loss, tokens } = await step.engine.statistics();
      losses.push(loss / tokens);
    }
    const calls = await countStep(gpu.device, step);
    const encoding = await encodingMs(gpu.device, step);
    const { peakBytes } = memory;
    const { bytes: planned } = await dryTraining(gpu, configuration);
    const times: number[] = [];
    for (let longer = 1; longer <= recordings; longer++) {
      const start = performance.now();
      await step.engine.prepare([{ B, S: S + longer, T }]);
      times.push(performance.now() - start);
    }
    return {
      step,
      task,
      losses,
      figures: {
        ...calls,
        'MiB planned': planned / mebibyte,
        'MiB peak': peakBytes / mebibyte,
        'µs to encode a dispatch': (1000 * encoding) / calls.dispatches,
        'ms to record': Math.min(...times),
      },
    };
  } catch (error) {
    step?.dispose();
    throw error;
  } finally {
    memory.stop();
  }
}

/** Seconds from opening a device to the end of its first step. */
export async function secondsToFirstStep(
  open: () => Promise<Gpu>,
  configuration: Configuration,
): Promise<number> {
  const start = performance.now();
  using gpu = await open();
  const step = await createTrainingStep(gpu, configuration);
  try {
    await step.run(1);
    await step.finish();
    return (performance.now() - start) / 1000;
  } finally {
    step.dispose();
  }
}

/** The weights are what `createTrainingStep` starts from: they are drawn again, not read from the device. */
function describe(configuration: Configuration, { network, batch }: TrainingStep): TrainingTask {
  const { config, parameters } = network;
  const { source, targetInput, targetOutput } = batch;
  return {
    configuration,
    weights: new Map(
      [...initialValues(config, parameters, weightSeed)].map(([name, values]) => [
        name,
        { shape: parameters.get(name).shape, values },
      ]),
    ),
    batch: { source, targetInput, targetOutput },
    learningRate,
    losses: comparedLosses,
  };
}

/** What one step in the steady state asks of WebGPU. */
async function countStep(device: GPUDevice, step: TrainingStep) {
  await step.finish();
  const calls = countCalls(device);
  try {
    await step.run(1);
    await step.finish();
    const total = (names: readonly string[]) => names.reduce((sum, name) => sum + calls.count(name), 0);
    return {
      dispatches: total(['dispatchWorkgroups', 'dispatchWorkgroupsIndirect'].map(ofPass)),
      submits: calls.count('GPUQueue.submit'),
      'objects made': total(calls.made()),
    };
  } finally {
    calls.stop();
  }
}

function ofPass(method: string): string {
  return `GPUComputePassEncoder.${method}`;
}

/** Of a step's encoder, finish and submit; the fastest of some, since the machine may do other things too. */
async function encodingMs(device: GPUDevice, step: TrainingStep): Promise<number> {
  const encoding = timeEncoding(device);
  const start = performance.now();
  try {
    for (let i = 0; i < encodings && (i < 3 || performance.now() - start < 5000); i++) {
      await step.run(1);
      await step.finish();
    }
    return Math.min(...encoding.times);
  } finally {
    encoding.stop();
  }
}
