/** The attention matrix of one translation: a row for each symbol put out, a column for each symbol of the input. */
import type { Translation } from 'couplet';
import { createSvg } from './elements.ts';

const cell = 26;
const gap = 2;

export function drawAttention({ tokens, sourceTokens, alignments = [] }: Translation): SVGSVGElement {
  const rows = [...tokens, '</s>'].slice(0, alignments.length).map(shown);
  const columns = sourceTokens.map(shown);
  const margin = 18 + 7.5 * Math.max(...rows.map((text) => [...text].length), 3);
  const [width, height] = [margin + columns.length * cell, cell + rows.length * cell];
  const svg = createSvg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'aria-label': `Attention of ${rows.join(' ')} over ${columns.join(' ')}`,
  });
  for (const [column, text] of columns.entries()) {
    const x = margin + (column + 0.5) * cell;
    svg.append(createSvg('text', { x, y: cell * 0.62, 'text-anchor': 'middle' }, text));
  }
  for (const [row, text] of rows.entries()) {
    const y = (row + 1) * cell;
    svg.append(createSvg('text', { x: margin - 10, y: y + cell * 0.62, 'text-anchor': 'end' }, text));
    for (const [column, weight] of Array.from(alignments[row]!).entries()) {
      const place = { x: margin + column * cell, y, width: cell - gap, height: cell - gap, rx: 4 };
      const square = createSvg('rect', { ...place, 'fill-opacity': weight.toFixed(3) });
      square.append(
        createSvg('title', {}, `${text} looks at ${columns[column]}: ${(100 * weight).toFixed(0)} %`),
      );
      svg.append(createSvg('rect', { ...place, class: 'frame' }), square);
    }
  }
  return svg;
}

/** White space and the end would be invisible or long. */
function shown(token: string): string {
  if (token === '</s>') return '∎';
  return token === ' ' ? '␣' : token;
}
