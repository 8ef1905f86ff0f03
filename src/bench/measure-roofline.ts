/** Measures a device's roofline: the fastest of the kernels that only calculate, and of those that only copy. */
import type { Gpu } from '../gpu/gpu.ts';
import { destroyTensor, persistentTensor } from '../scheduler/persistent.ts';
import { Plan } from '../scheduler/plan.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { deviceContestant } from './device-contestant.ts';
import { type Contestant, type MeasureOptions, measure } from './measure.ts';
import { recordPeakCopy, recordPeakFma } from './peaks.ts';
import type { Roofline } from './report.ts';

/** Invocations and rounds: some milliseconds on a slow device of either sort, all of its cores busy. */
const fmaSize = { software: 2 ** 13, hardware: 2 ** 19 };
const fma = { rounds: 1024, start: 1e-3, factor: 0.999, summand: 1e-3 };
/** Elements of each of two buffers: beyond the last cache, where the device binds that much. */
const copySize = { software: 2 ** 23, hardware: 2 ** 26 };

/** @throws LimitsError where the device cannot hold the buffers */
export async function measureRoofline(gpu: Gpu, options: MeasureOptions = {}): Promise<Roofline> {
  const kind = gpu.software ? 'software' : 'hardware';
  const elements = Math.min(copySize[kind], Math.floor(gpu.largestBuffer / 4 / 2048) * 2048);
  const owned: Tensor[] = [];
  const plans: Plan[] = [];
  const contestants: Contestant[] = [];
  const tensor = (label: string, size: number) => {
    const made = persistentTensor(gpu, label, [size]);
    owned.push(made);
    return made;
  };
  /** Amount a second of the fastest. */
  const fastest = async (entries: readonly (readonly [string, (tape: Tape) => number])[]) => {
    const amounts: number[] = [];
    const racing: Contestant[] = [];
    for (const [name, record] of entries) {
      const tape = new Tape({ ...gpu.traits, training: false });
      amounts.push(record(tape));
      const plan = await Plan.build(gpu, new ScratchPool(gpu), name, tape);
      plans.push(plan);
      racing.push(deviceContestant(name, gpu, [plan]));
    }
    contestants.push(...racing);
    const measured = await measure(racing, options);
    return Math.max(...measured.map(({ seconds }, index) => amounts[index]! / seconds.fastest));
  };
  try {
    const sums = tensor('peak', fmaSize[kind]);
    const flopsPerSecond = await fastest([
      ['fused', (tape) => recordPeakFma(tape, 'fused', sums, fma)],
      ['separate', (tape) => recordPeakFma(tape, 'separate', sums, fma)],
    ]);
    const [x, y] = [tensor('copied from', elements), tensor('copied to', elements)];
    const bytesPerSecond = await fastest([
      ['vectors', (tape) => recordPeakCopy(tape, 'vectors', x, y)],
      ['scalars', (tape) => recordPeakCopy(tape, 'scalars', x, y)],
    ]);
    return { flopsPerSecond, bytesPerSecond };
  } finally {
    for (const contestant of contestants) contestant.dispose?.();
    for (const plan of plans) plan.dispose();
    for (const one of owned) destroyTensor(one);
  }
}
