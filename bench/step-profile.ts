/**
 * Where a training step's time goes: the dispatches of its plan grouped by kernel, each group run alone. On a software
 * adapter times are CPU milliseconds of all threads together, so that a busy machine does not blur them.
 * Usage: see bench/README.md. Sizes come from the command line: B H V S T L [bi feed] as `key=value`.
 */

import { resolveModelConfig } from '../src/nn/model-config.ts';
import { Seq2SeqNetwork } from '../src/nn/seq2seq.ts';
import { openGpu } from '../src/node/open-gpu.ts';
import { persistentTensor, readTensor, writeTensor } from '../src/scheduler/persistent.ts';
import { Plan, submit } from '../src/scheduler/plan.ts';
import { ScratchPool } from '../src/scheduler/scratch-pool.ts';
import { type Dispatch, Tape } from '../src/scheduler/tape.ts';
import { createStepTensors } from '../src/train/step-tensors.ts';

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split('=')));
const number = (key: string, standard: number) => Number(given[key] ?? standard);
const [B, H, V, S, T] = [
  number('B', 64),
  number('H', 256),
  number('V', 2000),
  number('S', 20),
  number('T', 20),
];
const E = number('E', H);
const layers = number('L', 1);
const bidirectional = given.bi === '1';

const gpu = await openGpu();
const config = resolveModelConfig({
  encoder: {
    embeddings: { embedding_dim: E },
    hidden_size: bidirectional ? H / 2 : H,
    num_layers: layers,
    bidirectional,
  },
  decoder: { attention: { score: bidirectional ? 'general' : 'dot' }, input_feeding: given.feed === '1' },
});
const network = new Seq2SeqNetwork(gpu, config, { source: V, target: V });
network.initialize(1);
const ids = (label: string, steps: number) => {
  const tensor = persistentTensor(gpu, label, [steps, B], 'u32');
  writeTensor(
    gpu,
    tensor,
    Uint32Array.from({ length: steps * B }, (_, i) => 4 + ((i * 7919) % (V - 4))),
  );
  return tensor;
};
const batch = {
  source: ids('source', S),
  sourceLengths: persistentTensor(gpu, 'lengths', [B], 'u32'),
  targetInput: ids('target input', T),
  targetOutput: ids('target output', T),
};
writeTensor(gpu, batch.sourceLengths, new Uint32Array(B).fill(S));
const step = createStepTensors(gpu, 'profile');
const tape = new Tape({ software: gpu.software, subgroups: gpu.subgroups, training: true });
network.recordLoss(tape, batch, step, { labelSmoothing: 0 });

async function time(dispatches: readonly Dispatch[]): Promise<number> {
  const part = new Tape({ software: gpu.software, subgroups: gpu.subgroups, training: false });
  part.dispatches.push(...dispatches);
  const plan = await Plan.build(gpu, new ScratchPool(gpu), 'part', part);
  const once = async () => {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    submit(gpu, 'part', [plan]);
    await gpu.finished();
    const { user, system } = process.cpuUsage(cpu);
    // A software adapter runs in this process: its CPU time is the same however busy the machine is.
    return gpu.software ? (user + system) / 1000 : performance.now() - start;
  };
  await once();
  const times: number[] = [];
  for (let i = 0; i < number('repeats', 5); i++) times.push(await once());
  plan.dispose();
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

const groups = new Map<string, Dispatch[]>();
for (const dispatch of tape.dispatches) {
  const shape =
    dispatch.shader.name.startsWith('matmul') && dispatch.params
      ? ` ${new Uint32Array(dispatch.params).slice(0, 3).join('×')}`
      : '';
  const key = `${dispatch.shader.name}/${dispatch.entry}${shape}`;
  groups.set(key, [...(groups.get(key) ?? []), dispatch]);
}
console.log(`${gpu.report.name}: B${B} H${H} V${V} S${S} T${T}, ${tape.dispatches.length} dispatches`);
console.log(`whole step: ${(await time(tape.dispatches)).toFixed(1)} ms`);
const rows: [string, number, number][] = [];
for (const [key, list] of groups) rows.push([key, list.length, await time(list)]);
for (const [key, count, ms] of rows.sort((a, b) => b[2] - a[2]).slice(0, 25)) {
  console.log(`${ms.toFixed(2).padStart(9)} ms  ${String(count).padStart(4)} ×  ${key}`);
}
await readTensor(gpu, step.statistics);
process.exit(0);
