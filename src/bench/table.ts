/** Rows as aligned text: a table a bench, with the columns that its rows have. */
import type { BenchRow, Roofline } from './report.ts';
import { relativeSpread } from './spread.ts';

interface Column {
  readonly title: string;
  /** Empty where the row has nothing to say. */
  cell(row: BenchRow): string;
  readonly left?: true;
}

const fixedColumns: readonly Column[] = [
  { title: 'kernel or step', cell: ({ title }) => title, left: true },
  { title: 'sizes', cell: ({ sizes }) => formatSizes(sizes), left: true },
  { title: 'by', cell: ({ contestant }) => contestant, left: true },
  { title: 'time', cell: ({ seconds }) => (seconds ? formatTime(seconds.median) : '') },
  { title: '±', cell: ({ seconds }) => (seconds ? percent(relativeSpread(seconds), 0) : '') },
  { title: 'CPU', cell: ({ cpuSeconds }) => (cpuSeconds ? formatTime(cpuSeconds.median) : '') },
  { title: 'GFLOP/s', cell: ({ flopsPerSecond: rate }) => (rate ? giga(rate) : '') },
  { title: 'GB/s', cell: ({ bytesPerSecond: rate }) => (rate ? giga(rate) : '') },
  { title: 'of roofline', cell: ({ rooflineShare: share }) => (share ? percent(share, 1) : '') },
];

/** What went wrong, and how far off the results were. */
const lastColumns: readonly Column[] = [
  { title: 'error', cell: ({ error }) => (error === undefined ? '' : error.toExponential(1)) },
  { title: '', cell: noteOf, left: true },
];

/** Lines of one table for rows of one bench; columns that would be empty are left out. */
export function formatTable(rows: readonly BenchRow[]): string[] {
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures ?? {})))];
  const own = names.map((title): Column => ({ title, cell: (row) => formatFigure(row.figures?.[title]) }));
  const columns = [...fixedColumns, ...own, ...lastColumns];
  const shown = columns.filter(({ cell }) => rows.some((row) => cell(row) !== ''));
  const cells = [shown.map(({ title }) => title), ...rows.map((row) => shown.map(({ cell }) => cell(row)))];
  const widths = shown.map((_, index) => Math.max(...cells.map((line) => line[index]!.length)));
  return cells.map((line) => {
    const padded = line.map((text, index) =>
      shown[index]!.left ? text.padEnd(widths[index]!) : text.padStart(widths[index]!),
    );
    return padded.join('  ').trimEnd();
  });
}

export function formatRoofline({ flopsPerSecond, bytesPerSecond }: Roofline): string {
  const balance = (flopsPerSecond / bytesPerSecond).toPrecision(2);
  return (
    `peak ${giga(flopsPerSecond)} GFLOP/s, copying ${giga(bytesPerSecond)} GB/s ` +
    `(as much of either at ${balance} FLOP a byte)`
  );
}

export function formatSizes(sizes: BenchRow['sizes']): string {
  return Object.entries(sizes)
    .map(([letter, value]) => `${letter} ${value}`)
    .join(' ');
}

function noteOf({ outcome, message = '' }: BenchRow): string {
  return outcome === 'ok' ? message : `${outcome.toUpperCase()}: ${message}`;
}

export function formatTime(seconds: number): string {
  if (seconds >= 1) return `${seconds.toPrecision(4)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${(seconds * 1e6).toPrecision(3)} µs`;
}

function giga(rate: number): string {
  const value = rate / 1e9;
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);
}

function percent(share: number, digits: number): string {
  return `${(100 * share).toFixed(digits)} %`;
}

function formatFigure(value: number | undefined): string {
  if (value === undefined) return '';
  return Number.isInteger(value) || Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en')
    : value.toPrecision(3);
}
