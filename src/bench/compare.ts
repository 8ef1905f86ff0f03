/** Couplet beside each peer at the same work: who is faster, and how many times. */
import type { BenchRow, Sizes } from './report.ts';
import { formatSizes, formatTime } from './table.ts';

export interface Comparison {
  readonly bench: string;
  readonly title: string;
  readonly sizes: Sizes;
  readonly contestant: string;
  readonly peer: string;
  /** Medians. */
  readonly seconds: number;
  readonly peerSeconds: number;
  /** The peer's time over ours: above 1 we win. */
  readonly ratio: number;
  /** The same of CPU times, where both have one. */
  readonly cpuRatio?: number;
}

/** `isOurs`: which contestants are Couplet. Work that one side did not do, or did wrongly, is left out. */
export function compareRows(
  rows: readonly BenchRow[],
  isOurs: (contestant: string) => boolean,
): Comparison[] {
  const timed = rows.filter(({ outcome, seconds }) => outcome === 'ok' && seconds !== undefined);
  const ours = timed.filter(({ contestant }) => isOurs(contestant));
  const peers = timed.filter(({ contestant }) => !isOurs(contestant));
  return ours.flatMap((our) =>
    peers
      .filter((peer) => workOf(peer) === workOf(our))
      .map((peer): Comparison => {
        const { bench, title, sizes, contestant } = our;
        const [seconds, peerSeconds] = [our.seconds!.median, peer.seconds!.median];
        const cpuRatio =
          our.cpuSeconds && peer.cpuSeconds ? peer.cpuSeconds.median / our.cpuSeconds.median : undefined;
        return {
          bench,
          title,
          sizes,
          contestant,
          peer: peer.contestant,
          seconds,
          peerSeconds,
          ratio: peerSeconds / seconds,
          ...(cpuRatio !== undefined && { cpuRatio }),
        };
      }),
  );
}

function workOf({ bench, title, sizes }: BenchRow): string {
  return JSON.stringify([bench, title, sizes]);
}

/** A line for each comparison, under a head. */
export function formatComparisons(comparisons: readonly Comparison[]): string[] {
  const cells = [
    ['work', 'sizes', 'by', 'time', 'peer', 'time', 'who is faster', 'by CPU time'],
    ...comparisons.map((one) => [
      one.title,
      formatSizes(one.sizes),
      one.contestant,
      formatTime(one.seconds),
      one.peer,
      formatTime(one.peerSeconds),
      verdict(one.ratio, one),
      one.cpuRatio === undefined ? '' : verdict(one.cpuRatio, one),
    ]),
  ];
  const shown = cells[0]!.map((_, column) => cells.slice(1).some((line) => line[column] !== ''));
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column]!))
      .filter((_, column) => shown[column])
      .join('  ')
      .trimEnd(),
  );
}

/** `couplet 12×`, or the peer's name where it wins. */
function verdict(ratio: number, { contestant, peer }: Comparison): string {
  const [winner, factor] = ratio >= 1 ? [contestant, ratio] : [peer, 1 / ratio];
  return `${winner} ${factor >= 10 ? factor.toFixed(0) : factor.toFixed(1)}×`;
}
