/**
 * The `small` training step: LSTM encoder–decoder, dot attention, B 64, S = T = 20, E = H = 256, V 2000, Adam. Prints
 * the median of the steps' milliseconds and of the CPU's, which on a software adapter is what they cost whatever else runs.
 * `steps=N precision=f32|mixed`; `couplet bench small --peers` has the same step in float32 beside other libraries.
 */
import type { Batch } from '../src/data/batches.ts';
import { resolveModelConfig } from '../src/nn/model-config.ts';
import { Seq2SeqNetwork } from '../src/nn/seq2seq.ts';
import { openGpu } from '../src/node/open-gpu.ts';
import { ScratchPool } from '../src/scheduler/scratch-pool.ts';
import { TrainingEngine } from '../src/train/engine.ts';

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split('=')));
const [B, S, T, H, V] = [64, 20, 20, 256, 2000];
const steps = Number(given.steps ?? 10);
const precision = given.precision === 'mixed' ? 'mixed' : 'f32';

using gpu = await openGpu();
const config = resolveModelConfig({
  encoder: { embeddings: { embedding_dim: H }, hidden_size: H, bidirectional: false },
  decoder: { attention: { score: 'dot' } },
});
const network = new Seq2SeqNetwork(gpu, config, { source: V, target: V });
network.initialize(1);
const engine = await TrainingEngine.create(gpu, network, new ScratchPool(gpu), {
  optimizer: { optimizer: 'adam', momentum: 0, adam_betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
  labelSmoothing: 0,
  normalization: 'tokens',
  clipGradNorm: 5,
  seed: 1,
  maxInFlight: 2,
  precision,
});
const ids = (count: number, factor: number) =>
  Uint32Array.from({ length: count }, (_, i) => 4 + ((i * factor) % (V - 4)));
const batch: Batch = {
  B,
  S,
  T,
  source: ids(S * B, 7919),
  sourceLengths: new Uint32Array(B).fill(S),
  sourceTokens: S * B,
  targetInput: ids(T * B, 104_729),
  targetOutput: ids(T * B, 1_299_709),
  targetLengths: new Uint32Array(B).fill(T),
  targetTokens: T * B,
  sentences: B,
  indices: Array.from({ length: B }, (_, row) => row),
};
const times: number[] = [];
const processor: number[] = [];
for (let step = 0; step < steps + 1; step++) {
  const start = performance.now();
  const used = process.cpuUsage();
  await engine.update([batch], 1e-3);
  await gpu.device.queue.onSubmittedWorkDone();
  if (step === 0) continue; // it compiles
  times.push(performance.now() - start);
  const { user, system } = process.cpuUsage(used);
  processor.push((user + system) / 1000);
}
const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(0);
console.log(
  `Couplet, ${gpu.report.name}, ${precision}: ${median(times)} ms a step, ${median(processor)} ms of CPU time`,
);
engine.dispose();
network.dispose();
