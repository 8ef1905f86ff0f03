/** Pieces of SVG pictures that hold text from models and data. */

/** An estimate in pixels, generous: East Asian characters fill a square, the others somewhat more than half of one. */
export function textWidth(label: string, fontSize: number): number {
  const characters = Array.from(label, (character) => (character >= '\u1100' ? 1 : 0.64));
  return fontSize * characters.reduce((sum, width) => sum + width, 0);
}

/** A token as a label: one that is nothing but space would not be seen. */
export function tokenLabel(token: string): string {
  return /^\s+$/.test(token) ? '␣'.repeat(Array.from(token).length) : token;
}

/** A label of no more than `width` pixels; what is cut off becomes an ellipsis. */
export function fitText(label: string, width: number, fontSize: number): string {
  if (textWidth(label, fontSize) <= width) return label;
  const characters = Array.from(label);
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, fontSize) > width) characters.pop();
  return `${characters.join('')}…`;
}

export function svgText(content: string, x: number, y: number, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`;
}

/** A coordinate: two digits after the point are enough for pixels. */
export function short(value: number): string {
  return `${Math.round(value * 100) / 100}`;
}

/** A whole picture on white. */
export function svgDocument(
  width: number,
  height: number,
  { label, fontSize }: { readonly label: string; readonly fontSize: number },
  parts: readonly string[],
): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `role="img" aria-label="${escapeXml(label)}" font-family="sans-serif" font-size="${fontSize}">\n` +
    `<rect width="100%" height="100%" fill="#ffffff"/>\n${parts.join('\n')}\n</svg>\n`
  );
}

/** Text from models and data is untrusted; characters that XML forbids become a replacement. */
export function escapeXml(content: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML 1.0 does not allow
  const allowed = content.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
  return allowed.toWellFormed().replace(/[&<>"]/g, (character) => names[character]!);
}
