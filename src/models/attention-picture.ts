/** The attention of one translation as an SVG picture: a row for each target token, a column for each source token. */
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
    if (!isTall(token)) return text(token, x, y, 'class="source" text-anchor="middle"');
    return text(token, x, y, `class="source" transform="rotate(-90 ${x} ${y})" dy="5"`);
  });
  for (const [row, token] of rows.entries()) {
    const y = top + row * cell;
    parts.push(text(token, left - 8, y + cell / 2 + 4, 'class="target" text-anchor="end"'));
    for (const [column, weight] of Array.from(alignments[row]!).entries()) {
      const title = escapeXml(`${token} ← ${sourceTokens[column]}: ${weight.toFixed(3)}`);
      parts.push(
        `<rect x="${left + column * cell}" y="${y}" width="${cell - gap}" height="${cell - gap}" rx="3" ` +
          `fill="#1f5fbf" fill-opacity="${(0.04 + 0.96 * weight).toFixed(3)}"><title>${title}</title></rect>`,
      );
    }
  }
  const label = escapeXml(
    `Attention over the source (columns) for each token put out (rows): ${tokens.join(' ')}`,
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `role="img" aria-label="${label}" font-family="sans-serif" font-size="${fontSize}">\n` +
    `<rect width="100%" height="100%" fill="#ffffff"/>\n${parts.join('\n')}\n</svg>\n`
  );
}

/** Letters stand upright above their columns; what is wider than a column is turned. */
function isTall(token: string): boolean {
  return widthOf(token) > cell - gap;
}

function longest(labels: readonly string[]): number {
  return Math.max(0, ...labels.map(widthOf));
}

/** An estimate in pixels, generous: East Asian characters fill a square, the others somewhat more than half of one. */
function widthOf(label: string): number {
  const characters = Array.from(label, (character) => (character >= '\u1100' ? 1 : 0.64));
  return fontSize * characters.reduce((sum, width) => sum + width, 0);
}

function text(content: string, x: number, y: number, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`;
}

/** Text from models and data is untrusted; characters that XML forbids become a replacement. */
function escapeXml(content: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML 1.0 does not allow
  const allowed = content.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
  return allowed.toWellFormed().replace(/[&<>"]/g, (character) => names[character]!);
}
