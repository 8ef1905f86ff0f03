/** Figures in rows and columns, for a terminal. */

/**
 * Lines of cells under each other: the first column flush left, the others right, two spaces between them. The width of
 * a cell is its number of code points.
 */
export function textTable(rows: readonly (readonly string[])[]): string[] {
  const widthOf = (cell: string) => Array.from(cell).length;
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - widthOf(cell));
        return column === 0 ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** 0.9137 as `91.4`. */
export function percent(share: number, digits = 1): string {
  return (100 * share).toFixed(digits);
}
