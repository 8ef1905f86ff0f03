/** Lines and arrows between the cards of a picture. Heads are drawn, not referred to: a page may hold many pictures. */
import { short } from './svg.ts';

export type Point = readonly [x: number, y: number];

/** @param attributes other than fill, stroke and its width */
export function line(path: string, colour: string, attributes = '', width = 1.2): string {
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${width}" ${attributes}/>`;
}

/** A straight arrow, level or upright. */
export function arrow(from: Point, to: Point, colour: string): string {
  const direction = [Math.sign(to[0] - from[0]), Math.sign(to[1] - from[1])] as const;
  const path = `M${short(from[0])} ${short(from[1])}L${short(to[0] - 4 * direction[0])} ${short(to[1] - 4 * direction[1])}`;
  return line(path, colour) + head(to, direction, colour);
}

/** An arrow that is level, turns at `x`, and is level again. */
export function elbow(from: Point, to: Point, x: number, colour: string): string {
  const path = `M${short(from[0])} ${short(from[1])}H${short(x)}V${short(to[1])}H${short(to[0] - 4)}`;
  return line(path, colour) + head(to, [1, 0], colour);
}

/** The head of an arrow that ends at a point and comes in that direction. */
export function head([x, y]: Point, [dx, dy]: Point, colour: string): string {
  const [length, half] = [6, 3.2];
  const [backX, backY] = [x - length * dx, y - length * dy];
  const corners = [
    [x, y],
    [backX - half * dy, backY + half * dx],
    [backX + half * dy, backY - half * dx],
  ];
  const points = corners.map(([left, top]) => `${short(left!)},${short(top!)}`).join(' ');
  return `<polygon points="${points}" fill="${colour}"/>`;
}
