/** The tutorials: what they link to is there, their commands name real recipes and keys, and both languages have the same. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { experiments } from '../../src/experiments/registry.ts';
import { parseConfig } from '../../src/train/config/parse.ts';
import { expectWellFormed } from '../setup/xml.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const documents = ['docs/tutorial.md', 'docs/tutorial.zh.md', 'docs/results/claims.md'];

const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Every `couplet …` of the code, continued lines joined, as words. */
function commandsOf(markdown: string): string[][] {
  const fenced = [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  const blocks = fenced.filter(([, language]) => language === '').map(([, , block]) => block!);
  const inline = [...markdown.matchAll(/`(npx couplet [^`\n]*)`/g)].map(([, code]) => code!);
  return [...blocks, ...inline]
    .flatMap((block) => block.replace(/\\\n/g, ' ').split('\n'))
    .flatMap((line) => /npx couplet (.*)$/.exec(line)?.[1] ?? [])
    .map((line) => line.trim().split(/\s+/));
}

describe.each(documents)('%s', (path) => {
  const markdown = read(path);

  test('links to what is there', () => {
    const links = [...markdown.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
    const files = links.filter((link) => !link.startsWith('#') && !link.includes('://'));
    expect(files.length).toBeGreaterThan(3);
    expect(files.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([]);
    // As GitHub makes them: lower case, spaces to hyphens, punctuation left out.
    const anchors = [...markdown.matchAll(/^#+ (.*)$/gm)].map(
      ([, heading]) =>
        `#${heading!
          .toLowerCase()
          .replace(/[^\p{L}\p{N} -]/gu, '')
          .replace(/ /g, '-')}`,
    );
    expect(links.filter((link) => link.startsWith('#') && !anchors.includes(link))).toEqual([]);
  });

  test('its pictures are well-formed', () => {
    const pictures = [...markdown.matchAll(/\]\(([^)]+\.svg)\)/g)].map(([, link]) => link!);
    for (const picture of pictures) expectWellFormed(read(join(dirname(path), picture)));
  });

  test('its commands name recipes with the keys that they set, and experiments', () => {
    const commands = commandsOf(markdown);
    expect(commands.length).toBeGreaterThan(2);
    for (const [name, argument, ...rest] of commands) {
      if (name === 'experiment') expect(experiments.map((one) => one.name)).toContain(argument);
      const recipe = name === 'quickstart' ? 'recipes/quickstart.yaml' : argument!;
      if (name !== 'train' && name !== 'quickstart') continue;
      const words = [argument!, ...rest];
      const overrides = words.filter((_, index) => words[index - 1] === '--set');
      expect(overrides.length).toBeGreaterThan(0);
      const config = parseConfig(read(recipe), { source: recipe, overrides });
      expect(config.training.updates ?? config.training.epochs).toBeGreaterThan(0);
    }
  });
});

test('both languages have the same commands, pictures and equations', () => {
  const [english, chinese] = documents.map(read);
  expect(commandsOf(chinese!)).toEqual(commandsOf(english!));
  const pictures = (text: string) => [...text.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, link]) => link);
  expect(pictures(chinese!)).toEqual(pictures(english!));
  // Words in `\text{…}` are each language's own.
  const equations = (text: string) =>
    [...text.matchAll(/^```math\n([\s\S]*?)^```$/gm)].map(([, body]) =>
      body!.replace(/\\text\{.*?\}/g, '').replace(/\s/g, ''),
    );
  expect(equations(english!).length).toBeGreaterThan(10);
  expect(equations(chinese!)).toEqual(equations(english!));
});
