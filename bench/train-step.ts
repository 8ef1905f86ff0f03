/**
 * The `small` training step of `couplet bench train` in float32 or mixed precision: the medians of its milliseconds and of the
 * CPU's, which on a software adapter is what it costs whatever else runs. `steps=N precision=f32|mixed`.
 */
import { configurations } from '../src/bench/configurations.ts';
import { spreadOf } from '../src/bench/spread.ts';
import { createTrainingStep } from '../src/bench/training-step.ts';
import { openGpu } from '../src/node/open-gpu.ts';

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split('=')));
const precision = given.precision === 'mixed' ? 'mixed' : 'f32';

using gpu = await openGpu();
const small = configurations.find(({ name }) => name === 'small')!;
const training = await createTrainingStep(gpu, small, precision);
await training.run(1); // it compiles
await training.finish();
const times: number[] = [];
const processor: number[] = [];
for (let step = 0; step < Number(given.steps ?? 10); step++) {
  const start = performance.now();
  const used = process.cpuUsage();
  await training.run(1);
  await training.finish();
  times.push(performance.now() - start);
  const { user, system } = process.cpuUsage(used);
  processor.push((user + system) / 1000);
}
const [wall, cpu] = [times, processor].map((values) => spreadOf(values).median.toFixed(0));
console.log(`Couplet, ${gpu.report.name}, ${precision}: ${wall} ms a step, ${cpu} ms of CPU time`);
training.dispose();
