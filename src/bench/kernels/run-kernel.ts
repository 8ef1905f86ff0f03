/** One kernel case on every contestant: recorded, run, checked, timed forward and backward, made into rows. */
import type { Gpu } from '../../gpu/gpu.ts';
import type { Value } from '../../ops/evaluate.ts';
import { destroyTensor, persistentTensor, readTensor, writeTensor } from '../../scheduler/persistent.ts';
import { Plan, submit } from '../../scheduler/plan.ts';
import { ScratchPool } from '../../scheduler/scratch-pool.ts';
import { type Dispatch, Tape } from '../../scheduler/tape.ts';
import { type Storage, Tensor } from '../../scheduler/tensor.ts';
import { gradientTolerance, valueTolerance } from '../../self-test/test-case.ts';
import { askPeers } from '../ask-peers.ts';
import type { BenchContext, Subject } from '../bench.ts';
import { deviceContestant } from '../device-contestant.ts';
import { type Contestant, measure } from '../measure.ts';
import type { BenchRow } from '../report.ts';
import { rated } from '../roofline.ts';
import type { KernelCase, KernelSetup, Sample } from './kernel.ts';

type Direction = 'forward' | 'backward';
const directions: readonly Direction[] = ['forward', 'backward'];

/** A case made ready on one device. */
interface Prepared {
  readonly subject: Subject;
  readonly plans: Readonly<Record<Direction, Plan>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
  dispose(): void;
}

export async function runKernel(
  bench: string,
  one: KernelCase,
  setup: KernelSetup,
  context: BenchContext,
): Promise<BenchRow[]> {
  const prepared: Prepared[] = [];
  const contestants: Contestant[] = [];
  const rows: BenchRow[] = [];
  try {
    for (const subject of context.subjects) prepared.push(await prepare(subject, one, setup));
    const expected = setup.check();
    const samplesOf = { forward: expected.values, backward: expected.gradients ?? [] };
    for (const direction of directions) {
      const work = one[direction];
      if (!work) continue;
      const title = `${one.title}${one.forward && one.backward ? `, ${direction}` : ''}`;
      const row = { bench, title, sizes: one.sizes };
      const racing: Contestant[] = [];
      const samples = samplesOf[direction];
      if (samples.length === 0) throw new Error(`${title}: nothing to check it by`);
      const tolerance = direction === 'forward' ? valueTolerance : gradientTolerance;
      const errors = new Map<string, number>();
      const { contestants: peers, failures } = await askPeers(context.peers, row);
      // Peers have the host's clock alone: then we are timed by it too, and our encoding counts as theirs does.
      const cpu = context.cpuSeconds && { cpuSeconds: context.cpuSeconds };
      const timing = peers.length > 0 ? { wall: true, ...cpu } : {};
      for (const { subject, plans, tensors } of prepared) {
        const { name, gpu } = subject;
        const { tensor, error } = await worstSample(gpu, tensors, samples);
        errors.set(name, error);
        if (error <= tolerance) {
          racing.push(deviceContestant(name, gpu, [plans[direction]], timing));
          continue;
        }
        const message = `${tensor} is off by ${error.toExponential(1)} of its scale, allowed are ${tolerance}`;
        rows.push({ ...row, contestant: name, outcome: 'wrong', error, message });
      }
      racing.push(...peers);
      contestants.push(...racing);
      rows.push(...failures);
      for (const { contestant, seconds, cpuSeconds, repeats } of await measure(racing, context.measure)) {
        const { name, clock } = contestant;
        const subject = context.subjects.find((other) => other.name === name);
        const error = errors.get(name);
        rows.push({
          ...row,
          contestant: name,
          outcome: 'ok',
          ...(error !== undefined && { error }),
          clock,
          seconds,
          ...(cpuSeconds && { cpuSeconds }),
          repeats,
          ...rated(work, seconds.median, subject?.roofline),
        });
      }
    }
    return rows;
  } finally {
    for (const contestant of contestants) contestant.dispose?.();
    for (const { dispose } of prepared) dispose();
  }
}

/**
 * Records and runs forward, then backward, which stay two plans. Scratch gets buffers of its own, shared by both, so that
 * either can be repeated with the values that the other left. (Ops that work in place see their own results when they
 * are repeated; how long they take does not depend on values.)
 */
async function prepare(subject: Subject, one: KernelCase, setup: KernelSetup): Promise<Prepared> {
  const { gpu } = subject;
  const { title } = one;
  const owned: Tensor[] = [];
  const plans: Plan[] = [];
  const dispose = () => {
    for (const plan of plans) plan.dispose();
    for (const tensor of owned) destroyTensor(tensor);
  };
  try {
    const training = setup.upstream !== undefined;
    const place = (label: string, { data, shape }: Value): Tensor => {
      const isFloat = data instanceof Float32Array;
      const tensor = persistentTensor(gpu, label, shape, isFloat ? 'f32' : 'u32', isFloat && training);
      owned.push(tensor);
      writeTensor(gpu, tensor, data);
      return tensor;
    };
    const tape = new Tape({ ...gpu.traits, training });
    const inputs = Object.fromEntries(
      Object.entries(setup.inputs).map(([name, value]) => [name, place(name, value)]),
    );
    const results = setup.build(tape, inputs);
    const split = tape.dispatches.length;
    if (typeof setup.upstream === 'object') {
      for (const [name, value] of Object.entries(setup.upstream)) {
        tape.seedGradient(results[name]!, place(`d ${name}`, value));
      }
    }
    tape.backward();
    const named = new Map(Object.entries(results));
    for (const [name, tensor] of Object.entries(inputs)) {
      const gradient = tape.gradientOf(tensor);
      if (gradient) named.set(`d ${name}`, gradient);
    }
    const pin = pinScratch(gpu, owned);
    const all = tape.dispatches.map((dispatch) => pinned(dispatch, pin));
    const build = async (name: string, dispatches: readonly Dispatch[], needed = true) => {
      const part = new Tape({ ...gpu.traits, training: false });
      if (dispatches.length === 0 && needed) throw new Error(`${title}: no kernels to time`);
      part.dispatches.push(...dispatches);
      const plan = await Plan.build(gpu, new ScratchPool(gpu), `${title}/${name}`, part);
      plans.push(plan);
      return plan;
    };
    submit(gpu, title, [await build('all', all)]);
    const timed = setup.timed ?? (() => true);
    return {
      subject,
      plans: {
        forward: await build('forward', all.slice(0, split).filter(timed), !!one.forward),
        backward: await build('backward', all.slice(split).filter(timed), !!one.backward),
      },
      tensors: new Map([...named].map(([name, tensor]) => [name, pin(tensor)])),
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Gives each scratch storage that it meets a buffer of its own. */
function pinScratch(gpu: Gpu, owned: Tensor[]): (tensor: Tensor) => Tensor {
  const pinned = new Map<Storage, Storage>();
  return (tensor) => {
    const { storage, shape, dtype } = tensor;
    if (storage.kind === 'buffer') return tensor;
    let own = pinned.get(storage);
    if (!own) {
      const made = persistentTensor(gpu, storage.label, [storage.bytes / 4]);
      owned.push(made);
      own = made.storage;
      pinned.set(storage, own);
    }
    return new Tensor(shape, dtype, own);
  };
}

function pinned(dispatch: Dispatch, pin: (tensor: Tensor) => Tensor): Dispatch {
  const bindings = dispatch.bindings.map((binding) => ({ ...binding, tensor: pin(binding.tensor) }));
  return { ...dispatch, bindings };
}

/** The sample that is furthest off, relative to the largest value expected in its tensor. */
async function worstSample(
  gpu: Gpu,
  tensors: ReadonlyMap<string, Tensor>,
  samples: readonly Sample[],
): Promise<{ tensor: string; error: number }> {
  let worst = { tensor: '', error: 0 };
  for (const { tensor: name, at, expected } of samples) {
    const tensor = tensors.get(name);
    if (!tensor) return { tensor: name, error: Number.POSITIVE_INFINITY };
    const floats = await readTensor(gpu, tensor);
    const actual = tensor.dtype === 'u32' ? new Uint32Array(floats.buffer) : floats;
    let [scale, largest] = [0, 0];
    for (let i = 0; i < at.length; i++) {
      const difference = Math.abs(actual[at[i]!]! - expected[i]!);
      largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
      scale = Math.max(scale, Math.abs(expected[i]!));
    }
    const relative = scale === 0 ? largest : largest / scale;
    const error = Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative;
    if (error >= worst.error) worst = { tensor: name, error };
  }
  return worst;
}
