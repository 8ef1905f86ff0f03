/**
 * A process that opens a device, computes, and ends by running out of things to do. Prints one JSON line. With
 * `--expose-gc` it forces garbage collection all the while; arguments: the adapter, and how many rounds to compute.
 */
import { openGpu } from '../../src/node/open-gpu.ts';
import { scaleOnGpu } from '../setup/scale.ts';

const [adapter, rounds = '1', ending = 'dispose'] = process.argv.slice(2);
const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});

const gpu = await openGpu(adapter ? { adapter } : {});
const input = Float32Array.from({ length: 77 }, (_, i) => Math.sin(i));
let wrong = 0;
for (let round = 0; round < Number(rounds); round += 1) {
  collect();
  const output = await scaleOnGpu(gpu.device, input, round + 0.5);
  for (let i = 0; i < input.length; i += 1) {
    if (output[i] !== Math.fround(input[i]! * (round + 0.5))) wrong += 1;
  }
  collect();
  await new Promise((resolve) => setImmediate(resolve)); // finalizers run between tasks
}
if (ending === 'dispose') gpu.dispose();
console.log(
  JSON.stringify({ name: gpu.report.name, source: gpu.report.source, values: input.length, wrong }),
);
if (ending === 'throw') throw new Error('on purpose');
