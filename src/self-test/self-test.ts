/**
 * Every kernel on a device against float64 loops on the CPU: forward and backward, at odd sizes, in every variant that
 * the device can run. `couplet doctor` shows the rows; a test sees to it that no kernel is left out.
 */
import type { Gpu } from '../gpu/gpu.ts';
import type { Precision } from '../gpu/stored-as.ts';
import { labelCases } from './labels.ts';
import { layerCases } from './layers.ts';
import { peakCases } from './peaks.ts';
import { productCases } from './products.ts';
import { recurrentCases, recurrentTileCases } from './recurrence.ts';
import { samplingCases } from './sampling.ts';
import {
  gradientTolerance,
  halfRounding,
  RandomTensors,
  type TestCase,
  Variants,
  valueTolerance,
  worstError,
} from './test-case.ts';
import { updateCases } from './updates.ts';

/** One comparison of a kernel with its reference on the CPU. */
export interface SelfTestRow {
  readonly kernel: string;
  readonly case: string;
  /** Largest error, relative to the scale of the tensor. */
  readonly maxError: number;
  readonly tolerance: number;
  readonly ok: boolean;
  readonly message?: string;
}

const cases: readonly TestCase[] = [
  ...productCases,
  ...recurrentCases,
  ...layerCases,
  ...labelCases,
  ...samplingCases,
  ...updateCases,
  ...peakCases,
  ...recurrentTileCases,
];

/**
 * Two rows a case where it has gradients, and as many again in mixed precision where that is another computation and the
 * device can do it; on a CPU not of a GPU's tiles, which take it long to compile. A case that fails to run is a row
 * that says why.
 */
export async function selfTest(gpu: Gpu): Promise<SelfTestRow[]> {
  const rows: SelfTestRow[] = [];
  const variants = new Variants(gpu);
  for (const [index, one] of cases.entries()) {
    const device = variants.get(one.variant);
    if (!device) continue; // a variant that this device never gets
    const mixes = one.roundings && device.halves && !(gpu.software && one.tiles);
    const precisions: Precision[] = mixes ? ['f32', 'mixed'] : ['f32'];
    for (const precision of precisions) {
      try {
        rows.push(...(await runCase(device, one, index, precision)));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        const failed = { maxError: Number.POSITIVE_INFINITY, tolerance: valueTolerance, ok: false, message };
        rows.push({ kernel: one.kernel, case: one.name, ...failed });
      }
    }
  }
  variants.dispose();
  return rows;
}

async function runCase(
  gpu: Gpu,
  { kernel, name: shortName, roundings = 0, run }: TestCase,
  seed: number,
  precision: Precision,
): Promise<SelfTestRow[]> {
  const { values, gradients } = await run(gpu, new RandomTensors(seed, precision), precision);
  const mixed = precision === 'mixed';
  const name = mixed ? `${shortName}, mixed precision` : shortName;
  const row = (what: string, compared: typeof values, tolerance: number): SelfTestRow => {
    const { name: tensor, error } = worstError(compared);
    const ok = error <= tolerance;
    const found = { kernel, case: `${name}: ${what}`, maxError: error, tolerance, ok };
    return ok ? found : { ...found, message: `${tensor} is off by ${error.toExponential(1)} of its scale` };
  };
  const half = roundings * halfRounding;
  const rows = [row('values', values, mixed ? half : valueTolerance)];
  if (gradients) rows.push(row('gradients', gradients, mixed ? half : gradientTolerance));
  return rows;
}
