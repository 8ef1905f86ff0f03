/** The most probable words, tags or classes as a small bar chart. */
import { escapeXml, fitText, short, svgText, tokenLabel } from './svg.ts';
import type { TracedChoice } from './trace.ts';

export const chartWidth = 90;
const rowHeight = 16;

export function chartHeight(rows: number): number {
  return rows * rowHeight + 4;
}

/** Ranked names with their probabilities; what was chosen is among them, whatever its rank. */
export function topChoices(
  { chosen, probabilities, logits }: TracedChoice,
  names: readonly string[],
  count: number,
): { name: string; probability: number; logit: number; chosen: boolean }[] {
  const ranked = probabilities
    .map((probability, id) => ({
      name: names[id]!,
      probability,
      logit: logits[id]!,
      chosen: names[id] === chosen,
    }))
    .sort((a, b) => b.probability - a.probability);
  const top = ranked.slice(0, count);
  if (!top.some((one) => one.chosen)) top[top.length - 1] = ranked.find((one) => one.chosen)!;
  return top;
}

/** The best on top; its lower edge is at `bottom`, its middle at `x`. */
export function choiceChart(
  choice: TracedChoice,
  names: readonly string[],
  { x, bottom, rows, width }: { x: number; bottom: number; rows: number; width: number },
): string {
  const top = topChoices(choice, names, rows);
  const [left, upper] = [x - width / 2, bottom - chartHeight(top.length)];
  const bars = top.map(({ name, probability, chosen }, row) => {
    const y = upper + 2 + row * rowHeight;
    const weight = chosen ? 'font-weight="bold" fill="#123a73"' : 'fill="#5b6875"';
    return [
      `<g><title>${escapeXml(`${name}: ${probability.toFixed(4)}`)}</title>`,
      `<rect x="${short(left + 2)}" y="${short(y + 1)}" width="${short((width - 4) * probability)}" height="${rowHeight - 2}" rx="2" fill="${chosen ? '#a9c8ef' : '#e3e9f0'}"/>`,
      svgText(
        fitText(tokenLabel(name), width - 36, 11),
        left + 5,
        y + 12,
        `class="${chosen ? 'chosen' : 'other'}" font-size="11" ${weight}`,
      ),
      svgText(probability.toFixed(2), left + width - 5, y + 12, `font-size="10" text-anchor="end" ${weight}`),
      '</g>',
    ].join('');
  });
  const frame = `<rect x="${short(left)}" y="${short(upper)}" width="${width}" height="${chartHeight(top.length)}" rx="4" fill="#ffffff" stroke="#b9c2cc"/>`;
  return frame + bars.join('');
}
