/** The attention of one translation as an SVG picture: a row for each target token, a column for each source token. */
import type { Translation } from './seq2seq.ts';

const cell = 26;
const gap = 2;
const fontSize = 14;

/** Needs a translation made with `alignments: true`. Darker is more weight; each cell's title gives the number. */
export function attentionPicture({ sourceTokens, tokens, alignments = [] }: Translation): string {
  const rows = [...tokens, '</s>'].slice(0, alignments.length);
  const margin = (labels: readonly string[]) =>
    Math.ceil(Math.max(...labels.map((label) => [...label].length), 1) * fontSize * 0.62) + 12;
  const left = margin(rows);
  const top = margin(sourceTokens);
  const width = left + sourceTokens.length * cell + 8;
  const height = top + rows.length * cell + 8;
  const parts = sourceTokens.map((token, column) => {
    const x = left + column * cell + cell / 2;
    return text(token, x, top - 8, `text-anchor="start" transform="rotate(-90 ${x} ${top - 8})" dy="5"`);
  });
  for (const [row, token] of rows.entries()) {
    const y = top + row * cell;
    parts.push(text(token, left - 8, y + cell / 2 + 5, 'text-anchor="end"'));
    for (const [column, weight] of Array.from(alignments[row]!).entries()) {
      const title = `${rows[row]} ← ${sourceTokens[column]}: ${weight.toFixed(3)}`;
      parts.push(
        `<rect x="${left + column * cell}" y="${y}" width="${cell - gap}" height="${cell - gap}" rx="3" ` +
          `fill="#1f5fbf" fill-opacity="${(0.04 + 0.96 * weight).toFixed(3)}"><title>${escapeXml(title)}</title></rect>`,
      );
    }
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="${fontSize}">\n<rect width="100%" height="100%" fill="#ffffff"/>\n` +
    `${parts.join('\n')}\n</svg>\n`
  );
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
