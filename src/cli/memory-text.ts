/** An estimate of memory as lines of text. */
import { formatBytes } from '../gpu/gpu.ts';
import type { MemoryEstimate } from '../node/estimate-training.ts';

export function memoryText(estimate: MemoryEstimate): string {
  const { B, S, T } = estimate.largestBatch;
  const rows: [string, number][] = [
    ['parameters', estimate.parameters],
    ['gradients', estimate.gradients],
    ["the optimiser's moments", estimate.moments],
    ['what a step computes', estimate.scratch],
    ['batches and uniforms', estimate.others],
    ['in all', estimate.total],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(
    ([label, bytes]) => `  ${label.padEnd(width)}  ${formatBytes(bytes).padStart(10)}\n`,
  );
  return (
    `memory on the device (largest batch: ${B} rows of up to ${S} source and ${T} target steps; validation, which shares ` +
    `what steps compute in, not counted)\n${lines.join('')}`
  );
}
