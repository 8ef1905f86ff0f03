/** The benches that run wherever there is a device, in the order in which they run. */
import type { Bench } from './bench.ts';
import { curvesBench } from './curves.ts';
import { decodeBench } from './decoding.ts';
import { attentionBench } from './kernels/attention.ts';
import { crfBench } from './kernels/crf.ts';
import { crossEntropyBench } from './kernels/cross-entropy.ts';
import { activationBench, columnSumBench, copyBench, dropoutBench } from './kernels/elementwise.ts';
import { embeddingBench } from './kernels/embedding.ts';
import { linearBench, matmulBench } from './kernels/matmul.ts';
import { updateBench } from './kernels/optimizer.ts';
import { poolingBench } from './kernels/pooling.ts';
import { recurrentBenches } from './kernels/recurrent.ts';
import { samplingBench } from './kernels/sampling.ts';
import { softmaxBench } from './kernels/softmax.ts';
import { trainBench } from './training.ts';

export const benches: readonly Bench[] = [
  matmulBench,
  linearBench,
  ...recurrentBenches,
  attentionBench,
  softmaxBench,
  crossEntropyBench,
  crfBench,
  poolingBench,
  embeddingBench,
  dropoutBench,
  activationBench,
  columnSumBench,
  copyBench,
  updateBench,
  samplingBench,
  trainBench,
  decodeBench,
  curvesBench,
];
