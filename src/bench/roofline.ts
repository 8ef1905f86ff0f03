/**
 * The roofline model (Williams, Waterman & Patterson 2009): a kernel that does `flops` operations on `bytes` bytes can
 * be no faster than the device's peak, and no faster than its memory times the kernel's intensity.
 */
import type { BenchRow, Roofline } from './report.ts';

/** Seconds that the work takes at least. */
export function rooflineSeconds(
  { flops, bytes }: { readonly flops: number; readonly bytes: number },
  { flopsPerSecond, bytesPerSecond }: Roofline,
): number {
  return Math.max(flops / flopsPerSecond, bytes / bytesPerSecond);
}

/** What a row says of work that took so long; of a peer, which may run on something else, no share of the roofline. */
export function rated(
  work: { readonly flops: number; readonly bytes: number },
  seconds: number,
  roofline: Roofline | undefined,
): Pick<BenchRow, 'flops' | 'bytes' | 'flopsPerSecond' | 'bytesPerSecond' | 'rooflineShare'> {
  const { flops, bytes } = work;
  return {
    flops,
    bytes,
    flopsPerSecond: flops / seconds,
    bytesPerSecond: bytes / seconds,
    ...(roofline && { rooflineShare: rooflineSeconds(work, roofline) / seconds }),
  };
}
