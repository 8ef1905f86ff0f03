/** A strict look at XML, as far as drawn pictures need it: tags that match, attributes in quotes, nothing left unescaped. */
import { expect } from 'vitest';

export function expectWellFormed(xml: string): void {
  const open: string[] = [];
  const tag = /<(\/?)([a-zA-Z]+)((?:\s+[a-zA-Z][\w:-]*="[^"<]*")*)\s*(\/?)>/g;
  let end = 0;
  for (const match of xml.matchAll(tag)) {
    const [whole, closing, name, , empty] = match;
    expectText(xml.slice(end, match.index));
    end = match.index + whole.length;
    if (closing) expect(open.pop(), `</${name}> at ${match.index}`).toBe(name);
    else if (!empty) open.push(name!);
  }
  expectText(xml.slice(end));
  expect(open).toEqual([]);
}

/** Between tags and in attributes. */
function expectText(text: string): void {
  expect(text).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|#\d+);)/);
}
