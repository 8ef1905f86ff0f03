/**
 * Finds out by timing which variant of the matrix product is fastest on a device for each class of products, and whether
 * it pays to split the sums of weights' gradients. Short: a handful of shapes, each variant that may win for some
 * milliseconds, and what the budget has no time for goes by rule. The result is plain data to be kept: a run that goes on
 * must go by the same choices, since splitting alters bits (the variants alone do not).
 */
import type { Gpu } from '../gpu/gpu.ts';
import type { Tuning } from '../gpu/tuning.ts';
import { destroyTensor, persistentTensor } from '../scheduler/persistent.ts';
import { Plan, submit } from '../scheduler/plan.ts';
import { ScratchPool } from '../scheduler/scratch-pool.ts';
import { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { type MatmulRecord, recordMatmul, transposed } from './matmul.ts';
import { type MatmulSize, type MatmulVariant, matmulClass, onlyVariant, ruledTuning } from './matmul-plan.ts';

export interface ProbeOptions {
  /** Milliseconds after which no further class is begun. Default: 300 on a GPU, 1,500 on a CPU that plays one. */
  readonly budget?: number;
}

interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
}

type Mode = 'nn' | 'nt' | 'tn';

/** What is most in need of the right tile comes first. */
const modes: readonly Mode[] = ['nt', 'nn', 'tn'];
const shapes: Readonly<Record<MatmulSize, Shape>> = {
  skinny: { m: 64, n: 1024, k: 256, batch: 1 },
  large: { m: 1280, n: 1024, k: 256, batch: 1 },
  small: { m: 1024, n: 256, k: 1280, batch: 1 },
  batched: { m: 32, n: 32, k: 256, batch: 64 },
};
/** Which variants may win a class: on a GPU, and on a CPU that plays one. */
const hopeful: Readonly<Record<MatmulSize, readonly MatmulVariant[]>> = {
  skinny: ['fours-16x32', 'fours-32x32', 'fours-16x64', 'tile-32x128', 'quads'],
  large: ['tile-128x128', 'tile-64x64', 'tile-128x64', 'fours-64x64', 'quads'],
  small: ['tile-64x64', 'fours-32x32', 'fours-64x64', 'tile-128x64', 'quads'],
  batched: ['fours-32x32', 'fours-16x32', 'quads', 'plain'],
};
const hopefulOnCpu: readonly MatmulVariant[] = ['quads', 'plain'];
/** A recurrent weight's gradient over many time steps, and the numbers of workgroups that splitting it may be tried for. */
const deep: Shape = { m: 256, n: 256, k: 4096, batch: 1 };
const splits = [0, 64, 128, 256, 512] as const;

/**
 * How long a turn should be in milliseconds, so that submitting it weighs little, and how many a variant has, of which the
 * fastest counts: other programs share a processor more than a GPU.
 */
const pace = { hardware: { milliseconds: 1, turns: 3 }, software: { milliseconds: 2, turns: 8 } } as const;
/** What takes the place of a rule must be faster by this. */
const worthwhile = 0.97;

/** Times the variants on `gpu`. It changes nothing: set `gpu.tuning` to the result. */
export async function probeMatmul(gpu: Gpu, options: ProbeOptions = {}): Promise<Tuning> {
  const { software } = gpu;
  const start = performance.now();
  const budget = options.budget ?? (software ? 1500 : 300);
  const late = () => performance.now() - start > budget;
  const bench = new Bench(gpu, software ? pace.software : pace.hardware);
  const kernels: Record<string, string> = {};
  let splitWorkgroups: number = ruledTuning(gpu).splitWorkgroups;
  try {
    for (const mode of modes) {
      for (const [size, shape] of Object.entries(shapes) as [MatmulSize, Shape][]) {
        if (late()) break;
        const record = bench.record(mode, software ? { ...shape, k: Math.ceil(shape.k / 4) } : shape);
        const names = software ? hopefulOnCpu : hopeful[size];
        const usable = names.filter((name) => name !== 'quads' || gpu.subgroups);
        if (usable.length < 2) continue;
        const tunings = usable.map((name) => ({ ...onlyVariant(name), splitWorkgroups: 0 }));
        kernels[bench.classOf(record)] = usable[await bench.fastest(record, tunings)]!;
      }
    }
    if (!software && !late()) {
      const record = { ...bench.record('tn', deep), weightGradient: true };
      const tunings = splits.map((workgroups) => ({ kernels, splitWorkgroups: workgroups }));
      splitWorkgroups = splits[await bench.fastest(record, tunings)]!;
    }
  } finally {
    bench.dispose();
  }
  return { kernels, splitWorkgroups };
}

/** Operands large enough for every shape, and a stopwatch. */
class Bench {
  readonly #gpu: Gpu;
  readonly #pool: ScratchPool;
  readonly #tensors: readonly [a: Tensor, b: Tensor, c: Tensor];
  readonly #pace: { readonly milliseconds: number; readonly turns: number };

  constructor(gpu: Gpu, pace: { readonly milliseconds: number; readonly turns: number }) {
    this.#gpu = gpu;
    this.#pace = pace;
    this.#pool = new ScratchPool(gpu);
    const all = [...Object.values(shapes), deep];
    const most = (size: (shape: Shape) => number) =>
      Math.max(...all.map((shape) => shape.batch * size(shape)));
    this.#tensors = [
      persistentTensor(gpu, 'probe a', [most(({ m, k }) => m * k)]),
      persistentTensor(gpu, 'probe b', [most(({ n, k }) => n * k)]),
      persistentTensor(gpu, 'probe c', [most(({ m, n }) => m * n)]),
    ];
  }

  record(mode: Mode, shape: Shape): MatmulRecord {
    const { m, n, k } = shape;
    const [a, b, c] = this.#tensors;
    const matrix = (tensor: Tensor, rows: number, columns: number) => {
      return { tensor, batch: rows * columns, row: columns };
    };
    return {
      ...shape,
      a: mode[0] === 't' ? transposed(matrix(a, k, m)) : matrix(a, m, k),
      b: mode[1] === 't' ? transposed(matrix(b, n, k)) : matrix(b, k, n),
      c: matrix(c, m, n),
    };
  }

  classOf({ m, n, k, batch = 1, a, b }: MatmulRecord): string {
    const strides = { aRow: a.row, aCol: a.column ?? 1, bRow: b.row, bCol: b.column ?? 1 };
    return matmulClass({ m, n, k, batch, ...strides, aOffset: 0, aBatch: 0, bOffset: 0, bBatch: 0 });
  }

  /** Which of the tunings runs the product fastest: the first, unless another is clearly faster. */
  async fastest(record: MatmulRecord, tunings: readonly Tuning[]): Promise<number> {
    const plans = await Promise.all(tunings.map((tuning) => this.#plan(record, tuning, 1)));
    const { milliseconds, turns } = this.#pace;
    const counts: number[] = [];
    for (const plan of plans) {
      await this.#time(plan); // compiles on some devices
      counts.push(Math.max(1, Math.min(50, Math.round(milliseconds / (await this.#time(plan))))));
      plan.dispose();
    }
    const many = await Promise.all(
      tunings.map((tuning, index) => this.#plan(record, tuning, counts[index]!)),
    );
    const best = many.map(() => Number.POSITIVE_INFINITY);
    for (let turn = 0; turn < turns; turn++) {
      for (const [index, plan] of many.entries()) {
        best[index] = Math.min(best[index]!, (await this.#time(plan)) / counts[index]!);
      }
    }
    for (const plan of many) plan.dispose();
    const winner = best.indexOf(Math.min(...best));
    return best[winner]! < worthwhile * best[0]! ? winner : 0;
  }

  #plan(record: MatmulRecord, tuning: Tuning, count: number): Promise<Plan> {
    const tape = new Tape({ ...this.#gpu.traits, tuning, training: false });
    for (let i = 0; i < count; i++) recordMatmul(tape, record);
    return Plan.build(this.#gpu, this.#pool, 'probe', tape);
  }

  /** Milliseconds until the device is done with a plan. */
  async #time(plan: Plan): Promise<number> {
    const start = performance.now();
    submit(this.#gpu, 'probe', [plan]);
    await this.#gpu.finished();
    this.#gpu.check();
    return performance.now() - start;
  }

  dispose(): void {
    for (const tensor of this.#tensors) destroyTensor(tensor);
  }
}
