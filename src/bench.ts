/**
 * `import … from 'couplet/bench'`: the measuring core of `couplet bench`, for a page as for Node. Nothing of Node is
 * reachable from here.
 *
 *     const { roofline, rows } = await bench(gpu, { names: ['matmul', 'lstm'], sizes: 'browser' });
 *     console.log(formatTable(rows).join('\n'));
 *
 * docs/bench.md says what the figures mean. `measure` times anything that is a `Contestant`.
 */
export { type BenchOptions, type BenchResult, bench, benchNames } from './bench/bench-device.ts';
export {
  type Clock,
  type Contestant,
  type Measurement,
  type MeasureOptions,
  measure,
} from './bench/measure.ts';
export { measureRoofline } from './bench/measure-roofline.ts';
export type { BenchRow, Outcome, Roofline, Sizes } from './bench/report.ts';
export type { BenchProgress } from './bench/run.ts';
export { relativeSpread, type Spread, spreadOf } from './bench/spread.ts';
export { formatRoofline, formatTable } from './bench/table.ts';
