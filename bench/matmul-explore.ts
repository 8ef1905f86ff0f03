/**
 * Speed of every matmul kernel on the shapes that training is made of, and of what the plan chooses for them.
 *
 *   node bench/run.mjs matmul-explore [adapter] [turns] [shapes] [variants]
 *
 * `shapes` is a regular expression for their titles, such as 'NT 64x|1024x1024x1024'; `variants` one for the plan's
 * variants; without them all shapes run, and the variants that may win on the kind of adapter. The variants take turns, so
 * that a busy machine is unfair to all alike, and the fastest turn counts. Two figures each: GFLOP/s of processor time times
 * the number of processors, which other programs disturb little (on software adapters; on a GPU it means nothing), and of
 * wall time.
 */
import { cpus } from 'node:os';
import { packParams, shaderInfo } from '../src/gpu/shader.ts';
import { openGpu } from '../src/node/open-gpu.ts';
import {
  chooseMatmul,
  type MatmulOperands,
  type MatmulPlan,
  matmulVariants,
  planMatmul,
} from '../src/ops/matmul-plan.ts';

type Mode = 'nn' | 'nt' | 'tn';

const shapes: readonly [Mode, m: number, n: number, k: number, batch?: number][] = [
  ['nt', 1280, 1024, 256], // x·Wᵀ of all time steps
  ['nt', 1280, 2000, 256],
  ['nn', 1280, 256, 1024], // dX
  ['tn', 1024, 256, 1280], // dW
  ['tn', 2000, 256, 1280],
  ['nt', 64, 1024, 256], // one time step
  ['nn', 64, 256, 1024],
  ['nt', 640, 256, 64], // a tiny model
  ['nt', 64, 256, 64],
  ['nn', 64, 64, 256],
  ['tn', 256, 64, 640],
  ['nt', 640, 40, 64],
  ['nt', 20, 20, 256, 64], // attention scores and contexts
  ['nn', 20, 256, 20, 64],
  ['nn', 1024, 1024, 1024],
];

const [adapter = 'auto', turns = '15', wantedShapes = '', wantedVariants] = process.argv.slice(2);
const gpu = await openGpu({ adapter });
const usual = gpu.software ? /^(plain|quads)$/ : /./;
const variants = matmulVariants.filter((name) => {
  return (
    (wantedVariants ? new RegExp(wantedVariants) : usual).test(name) && (gpu.subgroups || name !== 'quads')
  );
});
const { device } = gpu;
const usage = { copyDst: 0x8, uniform: 0x40, storage: 0x80 };
const elements = 1 << 22;
const matrix = (label: string) =>
  device.createBuffer({ label, size: 4 * elements, usage: usage.storage | usage.copyDst });
const [a, b, c] = [matrix('a'), matrix('b'), matrix('c')];
const values = Float32Array.from({ length: elements }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.5);
for (const operand of [a, b]) device.queue.writeBuffer(operand, 0, values);

console.log(
  `${gpu.report.name}, ${turns} turns; GFLOP/s by processor time × ${cpus().length} | by wall time\n`,
);
console.log(`| shape | ${variants.join(' | ')} | chosen |\n|---|${variants.map(() => '---|').join('')}---|`);

for (const [mode, m, n, k, batch = 1] of shapes) {
  const title = `${mode.toUpperCase()} ${m}x${n}x${k}${batch > 1 ? `, batch ${batch}` : ''}`;
  if (!new RegExp(wantedShapes, 'i').test(title)) continue;
  const aStrides = mode[0] === 'n' ? { aRow: k, aCol: 1 } : { aRow: 1, aCol: m };
  const bStrides = mode[1] === 'n' ? { bRow: n, bCol: 1 } : { bRow: 1, bCol: k };
  const batches = { aOffset: 0, aBatch: m * k, bOffset: 0, bBatch: k * n };
  const operands = { m, n, k, batch, ...batches, ...aStrides, ...bStrides };
  const shape = { ...operands, ...gpu.traits };
  const flops = 2 * m * n * k * batch;
  const contestants = await Promise.all(
    variants.map(async (name) => {
      const turn = await prepare(planMatmul(name, shape)!, operands);
      return { name, turn, cpu: 0, wall: 0 };
    }),
  );
  for (let turn = 0; turn < Number(turns); turn++) {
    for (const contestant of contestants) {
      const { cpu, wall } = await contestant.turn();
      contestant.cpu = Math.max(contestant.cpu, (flops * cpus().length) / cpu);
      contestant.wall = Math.max(contestant.wall, flops / wall);
    }
  }
  const cells = contestants.map(
    ({ cpu, wall }) => `${(cpu / 1e9).toFixed(1)} \\| ${(wall / 1e9).toFixed(1)}`,
  );
  console.log(`| ${[title, ...cells, chooseMatmul(shape).variant].join(' | ')} |`);
}
gpu.check();

/** A function that runs one turn, of some milliseconds, and returns the seconds of one dispatch. */
async function prepare(plan: MatmulPlan, operands: MatmulOperands) {
  const { m, n } = operands;
  const info = shaderInfo(plan.kernel);
  const { pipeline, layout } = await gpu.kernel(info, plan.entry, plan.constants);
  const fields = packParams(info, { ...operands, cBatch: m * n, cRow: n });
  const params = device.createBuffer({ size: fields.byteLength, usage: usage.uniform | usage.copyDst });
  device.queue.writeBuffer(params, 0, fields);
  const bindings = [params, a, b, a, c].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout, entries: bindings });
  const dispatch = async (count: number) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < count; i++) pass.dispatchWorkgroups(...plan.workgroups);
    pass.end();
    const commands = encoder.finish();
    const [start, before] = [performance.now(), process.cpuUsage()];
    device.queue.submit([commands]);
    await gpu.finished();
    const { user, system } = process.cpuUsage(before);
    return { cpu: (user + system) / 1e6 / count, wall: (performance.now() - start) / 1e3 / count };
  };
  await dispatch(1);
  const { wall } = await dispatch(1);
  const count = Math.max(1, Math.min(500, Math.round(0.008 / wall)));
  return () => dispatch(count);
}
