/** The benches that run wherever there is a device, in the order in which they run. */
import type { Bench } from './bench.ts';
import { softmaxBench } from './kernels/softmax.ts';

export const benches: readonly Bench[] = [softmaxBench];
