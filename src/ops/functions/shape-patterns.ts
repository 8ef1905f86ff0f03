/**
 * Shapes as the documentation writes them, and the check that tensors have them: `T B 4H` is three dimensions, the last
 * four times what `H` is elsewhere; `...` is any number of leading dimensions, the same ones wherever it stands.
 */
import { ShapeError } from '../../errors.ts';
import type { Shape } from '../../scheduler/tensor.ts';

/** What the letters of some patterns are. */
export type Letters = Readonly<Record<string, number>>;

export interface PatternedShape {
  readonly name: string;
  readonly pattern: string;
  readonly shape: Shape;
}

interface Dimension {
  readonly pattern: string;
  readonly length: number;
  readonly of: PatternedShape;
}

const anyDimensions = '...';

/**
 * Finds the letters and makes sure that every shape is as its pattern says.
 *
 * @param known letters that are known before
 * @throws ShapeError naming the tensor, its shape, the pattern and what the letters are by the other tensors
 */
export function matchShapes(op: string, tensors: readonly PatternedShape[], known: Letters = {}): Letters {
  const letters: Record<string, number> = { ...known };
  const fail = ({ name, pattern, shape }: PatternedShape): never => {
    const used = Object.entries(letters).filter(([letter]) => pattern.includes(letter));
    const where = used.map(([letter, length]) => `${letter} = ${length}`).join(', ');
    throw new ShapeError(
      `${op}: ${name} is [${shape.join(', ')}], but should be ${shapeText(pattern)}${where && ` with ${where}`}`,
    );
  };
  const dimensions = splitDimensions(tensors, fail);
  // Plain letters first: they say what `4H` or `M+H` is, wherever those stand.
  const isLetter = ({ pattern }: Dimension) => /^[A-Z]$/.test(pattern);
  for (const { pattern, length, of } of dimensions.filter(isLetter)) {
    letters[pattern] ??= length;
    if (letters[pattern] !== length) fail(of);
  }
  for (const { pattern, length, of } of dimensions.filter((dimension) => !isLetter(dimension))) {
    const wanted = lengthOf(pattern, letters);
    if (wanted !== length) fail(of);
  }
  return letters;
}

/** A pattern as the documentation shows it: `[T, B, 4H]`. */
export function shapeText(pattern: string): string {
  return `[${words(pattern).join(', ')}]`;
}

function words(pattern: string): string[] {
  return pattern.split(' ').filter((word) => word !== '');
}

function splitDimensions(
  tensors: readonly PatternedShape[],
  fail: (tensor: PatternedShape) => never,
): Dimension[] {
  let leading: Shape | undefined;
  return tensors.flatMap((of) => {
    const patterns = words(of.pattern);
    const open = patterns[0] === anyDimensions;
    const fixed = open ? patterns.slice(1) : patterns;
    const rest = of.shape.length - fixed.length;
    if (rest < 0 || (rest > 0 && !open)) fail(of);
    if (open) {
      const own = of.shape.slice(0, rest);
      leading ??= own;
      if (leading.join() !== own.join()) fail(of);
    }
    return fixed.map((pattern, index) => ({ pattern, length: of.shape[rest + index]!, of }));
  });
}

/** Of a sum of products such as `M+H`, `4H` or `DH`; NaN where a letter is not known. */
function lengthOf(pattern: string, letters: Letters): number {
  const product = (term: string) =>
    (term.match(/\d+|[A-Z]/g) ?? [])
      .map((factor) => (/\d/.test(factor) ? Number(factor) : (letters[factor] ?? Number.NaN)))
      .reduce((a, b) => a * b, 1);
  return pattern.split('+').reduce((sum, term) => sum + product(term), 0);
}
