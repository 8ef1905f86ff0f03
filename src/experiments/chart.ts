/**
 * Line charts as SVG: axes with ticks, a linear or logarithmic scale, and a legend beside the curves. Small on purpose;
 * what the experiments draw, and no more.
 */
import { escapeXml, short, svgDocument, svgText } from '../models/svg.ts';

export interface Series {
  readonly label: string;
  /** [x, y] in order of x. What has no place on the scale (0 on a logarithmic one, NaN) interrupts the line. */
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Axis {
  readonly label: string;
  /** Default: linear. */
  readonly scale?: 'linear' | 'log';
  /** Default: as far as the points go (linear ones from 0, if nothing is below). */
  readonly range?: readonly [least: number, most: number];
  /** Values are shares, and ticks say per cent. */
  readonly percent?: boolean;
}

export interface Chart {
  readonly title: string;
  /** What was run, in a line below the title. */
  readonly subtitle?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

const size = { width: 900, height: 440 };
const plot = { left: 78, right: 610, top: 66, bottom: 378 };
/** Okabe and Ito's colours, which colour-blind readers tell apart, from dark to light. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#444444'];
const ink = '#222222';
const faint = '#e4e4e4';
const muted = '#666666';
/** Few points get a mark each; where there are many the line says enough. */
const mostMarks = 30;
/** Later curves lie above and have smaller marks, so that those on the same points show as rings. */
const markRadii = [5.6, 4.8, 4, 3.3, 2.6, 1.9, 1.2];

export function lineChart({ title, subtitle, x, y, series }: Chart): string {
  const across = scaleOf(x, valuesOf(series, 0), plot.left, plot.right);
  const up = scaleOf(y, valuesOf(series, 1), plot.bottom, plot.top);
  const parts = [
    text(title, plot.left, 28, 'font-size="17" font-weight="600"'),
    ...(subtitle === undefined ? [] : [text(subtitle, plot.left, 48, `font-size="12.5" fill="${muted}"`)]),
    ...up.ticks.map(({ at, label }) =>
      [
        line(plot.left, at, plot.right, at, faint),
        text(label, plot.left - 9, at + 4, 'text-anchor="end" font-size="12.5"'),
      ].join(''),
    ),
    ...across.ticks.map(({ at, label }) =>
      [
        line(at, plot.bottom, at, plot.bottom + 5, ink),
        text(label, at, plot.bottom + 20, 'text-anchor="middle" font-size="12.5"'),
      ].join(''),
    ),
    line(plot.left, plot.bottom, plot.right, plot.bottom, ink),
    line(plot.left, plot.top, plot.left, plot.bottom, ink),
    text(x.label, (plot.left + plot.right) / 2, plot.bottom + 44, 'text-anchor="middle"'),
    text(
      y.label,
      22,
      (plot.top + plot.bottom) / 2,
      `text-anchor="middle" transform="rotate(-90 22 ${(plot.top + plot.bottom) / 2})"`,
    ),
    ...series.map((one, index) => curve(one, index, across.place, up.place)),
    ...series.map((one, index) => legend(one, index)),
  ];
  return svgDocument(size.width, size.height, { label: title, fontSize: 14 }, parts);
}

function valuesOf(series: readonly Series[], coordinate: 0 | 1): number[] {
  return series.flatMap(({ points }) => points.map((point) => point[coordinate])).filter(Number.isFinite);
}

interface Scale {
  /** Undefined for what has no place: outside of the range, or not a number. */
  place(value: number): number | undefined;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

function scaleOf(axis: Axis, values: readonly number[], from: number, to: number): Scale {
  const isLog = axis.scale === 'log';
  const [least, most] = axis.range ?? (isLog ? decadesOf(values) : extentOf(values));
  const measure = (value: number) => (isLog ? Math.log10(value) : value);
  const [low, high] = [measure(least), measure(most)];
  const place = (value: number) => {
    const share = (measure(value) - low) / (high - low);
    if (!(share >= -1e-9 && share <= 1 + 1e-9)) return undefined;
    return from + share * (to - from);
  };
  const marks = isLog ? decadeMarks(low, high) : roundMarks(least, most);
  return { place, ticks: marks.map((value) => ({ at: place(value)!, label: labelOf(value, axis) })) };
}

function extentOf(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  const least = Math.min(0, ...values);
  const most = Math.max(...values);
  return most > least ? [least, most] : [least, least + 1];
}

/** The whole decades around the positive values. */
function decadesOf(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return [0.1, 1];
  const low = Math.floor(Math.log10(Math.min(...positive)));
  const high = Math.ceil(Math.log10(Math.max(...positive)));
  return [10 ** low, 10 ** Math.max(high, low + 1)];
}

/** About six multiples of 1, 2 or 5 times a power of ten. */
function roundMarks(least: number, most: number): number[] {
  const rough = (most - least) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough)! * power;
  const first = Math.ceil(least / step - 1e-9);
  const count = Math.floor(most / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}

/** Powers of ten, so many decades apart that there are at most eight. */
function decadeMarks(low: number, high: number): number[] {
  const step = Math.ceil((high - low) / 8);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => 10 ** ((first + index) * step));
}

function labelOf(value: number, { scale, percent }: Axis): string {
  if (percent) return `${+(100 * value).toPrecision(6)} %`;
  if (scale !== 'log') return `${+value.toPrecision(6)}`;
  const exponent = Math.round(Math.log10(value));
  if (exponent >= -2 && exponent <= 3) return `${+value.toPrecision(6)}`;
  return `10${Array.from(String(exponent), (digit) => superscripts[digit]).join('')}`;
}

const superscripts: Readonly<Record<string, string>> = {
  '-': '⁻',
  0: '⁰',
  1: '¹',
  2: '²',
  3: '³',
  4: '⁴',
  5: '⁵',
  6: '⁶',
  7: '⁷',
  8: '⁸',
  9: '⁹',
};

function curve(
  { label, points, dashed }: Series,
  index: number,
  across: Scale['place'],
  up: Scale['place'],
): string {
  const colour = colourOf(index);
  let path = '';
  let isDown = false;
  const marks: string[] = [];
  for (const [x, y] of points) {
    const [left, top] = [across(x), up(y)];
    if (left === undefined || top === undefined) {
      isDown = false;
      continue;
    }
    path += `${isDown ? 'L' : 'M'}${short(left)} ${short(top)}`;
    isDown = true;
    if (points.length <= mostMarks) {
      marks.push(mark(left, top, index));
    }
  }
  return (
    `<g><title>${escapeXml(label)}</title><path d="${path}" fill="none" stroke="${colour}" stroke-width="2.2" ` +
    `stroke-linejoin="round"${dashes(dashed)}/>${marks.join('')}</g>`
  );
}

function mark(x: number, y: number, index: number): string {
  const radius = markRadii[index % markRadii.length]!;
  return `<circle cx="${short(x)}" cy="${short(y)}" r="${radius}" fill="${colourOf(index)}"/>`;
}

function legend({ label, points, dashed }: Series, index: number): string {
  const [x, y] = [plot.right + 22, plot.top + 14 + 24 * index];
  return (
    `<line x1="${x}" y1="${y}" x2="${x + 26}" y2="${y}" stroke="${colourOf(index)}" stroke-width="3"${dashes(dashed)}/>` +
    (points.length <= mostMarks ? mark(x + 13, y, index) : '') +
    text(label, x + 34, y + 4.5, 'font-size="13"')
  );
}

function colourOf(index: number): string {
  return colours[index % colours.length]!;
}

function dashes(dashed = false): string {
  return dashed ? ' stroke-dasharray="7 4"' : '';
}

function line(x1: number, y1: number, x2: number, y2: number, stroke: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map(short);
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${stroke}"/>`;
}

function text(content: string, x: number, y: number, attributes = ''): string {
  const fill = attributes.includes('fill=') ? '' : ` fill="${ink}"`;
  return svgText(content, Number(short(x)), Number(short(y)), `${attributes}${fill}`);
}
