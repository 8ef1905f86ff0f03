/**
 * What does not depend on the machine: dispatches, objects and bytes of a training step of the five named configurations,
 * recorded dry, for a GPU and for a software adapter. Usage: see bench/README.md.
 */
import { dryGpu } from '../src/gpu/dry-gpu.ts';
import { formatBytes } from '../src/gpu/gpu.ts';
import { createBatchTensors } from '../src/nn/batch-tensors.ts';
import type { DeepPartial } from '../src/nn/config/spec.ts';
import { resolveModelConfig, type Seq2SeqConfig } from '../src/nn/model-config.ts';
import { Seq2SeqNetwork } from '../src/nn/seq2seq.ts';
import { openGpu } from '../src/node/open-gpu.ts';
import { Plan } from '../src/scheduler/plan.ts';
import { ScratchPool } from '../src/scheduler/scratch-pool.ts';
import { Tape } from '../src/scheduler/tape.ts';
import { createStepTensors } from '../src/train/step-tensors.ts';

interface Configuration {
  readonly name: string;
  readonly model: DeepPartial<Seq2SeqConfig>;
  readonly vocabulary: number;
  readonly B: number;
  readonly S: number;
}

const stack = (layers: number, hidden: number, attention: 'dot' | 'general', more: object = {}) => ({
  encoder: {
    embeddings: { embedding_dim: hidden },
    hidden_size: hidden,
    num_layers: layers,
    bidirectional: false,
  },
  decoder: { attention: { score: attention }, ...more },
});
const configurations: Configuration[] = [
  { name: 'tiny', model: stack(1, 64, 'dot'), vocabulary: 100, B: 16, S: 20 },
  { name: 'small', model: stack(1, 256, 'dot'), vocabulary: 2000, B: 64, S: 20 },
  {
    name: 'medium',
    model: {
      encoder: { embeddings: { embedding_dim: 512 }, hidden_size: 256, num_layers: 2, bidirectional: true },
      decoder: { hidden_size: 512, attention: { score: 'general' } },
    },
    vocabulary: 8000,
    B: 128,
    S: 30,
  },
  {
    name: 'luong',
    model: stack(4, 1000, 'general', { input_feeding: true }),
    vocabulary: 50_000,
    B: 128,
    S: 50,
  },
  { name: 'gnmt', model: stack(4, 1024, 'general'), vocabulary: 32_000, B: 128, S: 50 },
];

const real = await openGpu();
const { report } = real;
/** What GPUs bind, where software adapters stop at 128 MiB. */
const gpuLimits = { maxBufferSize: 2 ** 31, maxStorageBufferBindingSize: 2 ** 31 - 4 } as GPUSupportedLimits;
const kinds = [
  { report: { ...report, kind: 'software' as const }, limits: gpuLimits },
  { report: { ...report, kind: 'hardware' as const }, limits: gpuLimits },
];
console.log('as if a binding could hold 2 GiB; parameters with gradients, without moments');
for (const { name, model, vocabulary, B, S } of configurations) {
  for (const kind of kinds) {
    const { gpu, count } = dryGpu(kind);
    const network = new Seq2SeqNetwork(gpu, resolveModelConfig(model), {
      source: vocabulary,
      target: vocabulary,
    });
    const parameterBytes = count.bytes;
    const tape = new Tape({ software: gpu.software, subgroups: gpu.subgroups, training: true });
    const batch = createBatchTensors(gpu, network, { B, S, T: S });
    const start = process.cpuUsage();
    network.recordLoss(tape, batch, createStepTensors(gpu, 'count'), { labelSmoothing: 0 });
    const plan = await Plan.build(gpu, new ScratchPool(gpu), name, tape);
    const { user, system } = process.cpuUsage(start);
    const planned = plan.memory.slots.reduce((sum, bytes) => sum + bytes, 0);
    console.log(
      `${name.padEnd(7)} ${kind.report.kind}  dispatches ${plan.dispatches.length}  kernels ${count.pipelines}  ` +
        `parameters ${formatBytes(parameterBytes)}  scratch ${formatBytes(planned)} ` +
        `(${(planned / plan.memory.lowerBound).toFixed(3)} × the lower bound)  ` +
        `recording ${((user + system) / 1000).toFixed(0)} ms of CPU`,
    );
  }
}
real.dispose();
