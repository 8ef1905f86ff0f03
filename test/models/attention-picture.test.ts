import { expect, test } from 'vitest';
import { attentionPicture } from '../../src/models/attention-picture.ts';

const draw = (sourceTokens: string[], tokens: string[], alignments: number[][]) =>
  attentionPicture({
    text: '',
    sourceTokens,
    tokens,
    alignments: alignments.map((row) => Float32Array.from(row)),
  });
const labels = (svg: string, side: string) =>
  [...svg.matchAll(new RegExp(`<text [^>]*class="${side}"[^>]*>([^<]*)<`, 'g'))].map(([, label]) => label);

test('a row for each token and the end, a column for each source token, a cell for each weight', () => {
  const svg = draw(
    ['a', 'b', '</s>'],
    ['X', 'Y'],
    [
      [1, 0, 0],
      [0.25, 0.5, 0.25],
      [0, 0, 1],
    ],
  );
  expect(labels(svg, 'source')).toEqual(['a', 'b', '&lt;/s&gt;']);
  expect(labels(svg, 'target')).toEqual(['X', 'Y', '&lt;/s&gt;']);
  const opacities = [...svg.matchAll(/fill-opacity="([\d.]+)"/g)].map(([, opacity]) => Number(opacity));
  expect(opacities).toEqual([1, 0.04, 0.04, 0.28, 0.52, 0.28, 0.04, 0.04, 1]);
  expect(svg).toContain('<title>Y ← b: 0.500</title>');
});

test('an output cut off by its limit has no row for the end', () => {
  expect(labels(draw(['a'], ['X'], [[1]]), 'target')).toEqual(['X']);
});

test('letters stand upright, words are turned, and all fit into the picture', () => {
  const svg = draw(['a', 'incomprehensibilities', '日本語学校'], ['X'], [[1, 0, 0]]);
  const [letter, word, kanji] = svg.match(/<text [^>]*class="source"[^>]*>/g)!;
  expect(letter).not.toContain('rotate');
  expect(word).toContain('rotate(-90');
  expect(kanji).toContain('rotate(-90');
  const y = Number(/ y="([\d.]+)"/.exec(word!)![1]);
  expect(y).toBeGreaterThan(21 * 14 * 0.55);
});

test('text cannot become markup, nor make the file anything but XML', () => {
  const evil = '<script>"&\u0000\ud800';
  const svg = draw([evil], [evil], [[1]]);
  expect(svg).not.toContain('<script');
  expect(labels(svg, 'source')).toEqual(['&lt;script&gt;&quot;&amp;\ufffd\ufffd']);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
  expect(svg).not.toMatch(/[\u0000\ud800]/);
});
