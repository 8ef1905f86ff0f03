/** Vectors as strips of colour: blue is negative, red positive, white zero; all of one quantity on one scale. */
import { escapeXml, short, svgText, textWidth } from './svg.ts';
import type { Trace, Values } from './trace.ts';

/** Values side by side in as many rows as keep them visible. */
const widest = 16;
const mostRows = 8;
const levels = 10;

const negative = [33, 102, 172] as const;
const neutral = [247, 247, 247] as const;
const positive = [178, 24, 43] as const;

/** Pixels that a strip of so many values is high. */
export function stripHeight(size: number): number {
  const { rows } = gridOf(size);
  return rows === 1 ? 9 : rows * 5;
}

function gridOf(size: number): { rows: number; columns: number } {
  const rows = Math.max(1, Math.min(mostRows, Math.ceil(size / widest)));
  return { rows, columns: Math.max(1, Math.ceil(size / rows)) };
}

/** @param scale the value that has the full colour. */
export function strip(
  values: readonly number[],
  { x, y, width, scale, title }: { x: number; y: number; width: number; scale: number; title: string },
): string {
  const { columns, rows } = gridOf(values.length);
  const [w, h] = [width / columns, stripHeight(values.length) / rows];
  // One path a colour: small files.
  const paths = new Map<number, string>();
  for (const [index, value] of values.entries()) {
    const level = Math.round((levels * value) / scale) || 0;
    const [left, top] = [x + (index % columns) * w, y + Math.floor(index / columns) * h];
    paths.set(
      level,
      `${paths.get(level) ?? ''}M${short(left)} ${short(top)}h${short(w)}v${short(h)}h${short(-w)}z`,
    );
  }
  const parts = [...paths].map(([level, path]) => `<path d="${path}" fill="${colour(level / levels)}"/>`);
  return `<g shape-rendering="crispEdges"><title>${escapeXml(title)}</title>${parts.join('')}</g>`;
}

/** Of a value from -1 to 1. */
function colour(value: number): string {
  const share = Math.min(1, Math.abs(value));
  const end = value < 0 ? negative : positive;
  const mixed = neutral.map((from, i) => Math.round(from + share * (end[i]! - from)));
  return `#${mixed.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

/** For each quantity of a trace its largest magnitude. */
export function scalesOf({ encoder, decoder, context }: Trace): Map<string, number> {
  const scales = new Map<string, number>();
  const see = (name: string, rows: Values) => {
    for (const row of rows) {
      for (const value of row) scales.set(name, Math.max(scales.get(name) ?? 0, Math.abs(value)));
    }
  };
  for (const stack of [encoder, decoder]) {
    if (!stack) continue;
    see('x', stack.x);
    for (const { states } of stack.layers) for (const [name, rows] of Object.entries(states)) see(name, rows);
  }
  if (decoder?.attentional) see('h̃', decoder.attentional);
  if (context) see('context', [context.values]);
  // All zeros have a scale too.
  return new Map([...scales].map(([name, scale]) => [name, scale || 1]));
}

/** What the colours of each quantity mean, side by side. */
export function scaleLegend(scales: ReadonlyMap<string, number>, x: number, y: number): string {
  const barWidth = 84;
  let left = x;
  const bars = [...scales].map(([name, scale]) => {
    const start = left + textWidth(name, 13) + 8;
    left = start + barWidth + 30;
    const width = barWidth / (2 * levels + 1);
    const steps = Array.from({ length: 2 * levels + 1 }, (_, step) => {
      const fill = colour(step / levels - 1);
      return `<rect x="${short(start + step * width)}" y="${y}" width="${short(width)}" height="8" fill="${fill}"/>`;
    });
    const digits = (text: string, at: number, anchor: string) =>
      svgText(text, at, y + 20, `font-size="10" fill="#666666" text-anchor="${anchor}"`);
    return [
      svgText(name, start - 6, y + 8, 'text-anchor="end" font-style="italic"'),
      `<g shape-rendering="crispEdges">${steps.join('')}</g>`,
      digits(`−${scale.toPrecision(2)}`, start, 'start'),
      digits(scale.toPrecision(2), start + barWidth, 'end'),
    ].join('');
  });
  return bars.join('\n');
}
