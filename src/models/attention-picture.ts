/** The attention of one translation as an SVG picture: a row for each target token, a column for each source token. */
import { escapeXml, svgDocument, svgText, textWidth } from './svg.ts';
import type { Translation } from './tasks/seq2seq.ts';

const cell = 26;
const gap = 2;
const fontSize = 14;

/** Needs a translation made with `alignments: true`. Darker is more weight; each cell's title gives the number. */
export function attentionPicture({ sourceTokens, tokens, alignments = [] }: Translation): string {
  const rows = [...tokens, '</s>'].slice(0, alignments.length);
  const left = Math.ceil(longest(rows)) + 12;
  const top = Math.max(fontSize, Math.ceil(longest(sourceTokens.filter(isTall)))) + 12;
  const width = left + sourceTokens.length * cell + 8;
  const height = top + rows.length * cell + 8;
  const parts = sourceTokens.map((token, column) => {
    const [x, y] = [left + column * cell + (cell - gap) / 2, top - 8];
    if (!isTall(token)) return svgText(token, x, y, 'class="source" text-anchor="middle"');
    return svgText(token, x, y, `class="source" transform="rotate(-90 ${x} ${y})" dy="5"`);
  });
  for (const [row, token] of rows.entries()) {
    const y = top + row * cell;
    parts.push(svgText(token, left - 8, y + cell / 2 + 4, 'class="target" text-anchor="end"'));
    for (const [column, weight] of Array.from(alignments[row]!).entries()) {
      const title = escapeXml(`${token} ← ${sourceTokens[column]}: ${weight.toFixed(3)}`);
      parts.push(
        `<rect x="${left + column * cell}" y="${y}" width="${cell - gap}" height="${cell - gap}" rx="3" ` +
          `fill="#1f5fbf" fill-opacity="${(0.04 + 0.96 * weight).toFixed(3)}"><title>${title}</title></rect>`,
      );
    }
  }
  const label = `Attention over the source (columns) for each token put out (rows): ${tokens.join(' ')}`;
  return svgDocument(width, height, { label, fontSize }, parts);
}

/** Letters stand upright above their columns; what is wider than a column is turned. */
function isTall(token: string): boolean {
  return widthOf(token) > cell - gap;
}

function longest(labels: readonly string[]): number {
  return Math.max(0, ...labels.map(widthOf));
}

function widthOf(label: string): number {
  return textWidth(label, fontSize);
}
