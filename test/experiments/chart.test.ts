import { describe, expect, test } from 'vitest';
import { type Chart, lineChart } from '../../src/experiments/chart.ts';
import { expectWellFormed } from '../setup/xml.ts';

const chart: Chart = {
  title: 'a < b & "c"',
  subtitle: 'x > y',
  x: { label: 'lag' },
  y: { label: 'norm', scale: 'log' },
  series: [
    {
      label: 'one',
      points: [
        [0, 1],
        [1, 1e-3],
        [2, 0],
        [3, 1e-6],
      ],
    },
    {
      label: '<two>',
      dashed: true,
      points: [
        [0, 1],
        [3, 0.1],
      ],
    },
  ],
};

/** Where each path of a chart goes: [x, y] after each M or L. */
function paths(svg: string): { command: string; x: number; y: number }[][] {
  return [...svg.matchAll(/<path d="([^"]*)"/g)].map(([, path]) =>
    [...path!.matchAll(/([ML])([\d.]+) ([\d.]+)/g)].map(([, command, x, y]) => ({
      command: command!,
      x: Number(x),
      y: Number(y),
    })),
  );
}

describe('a line chart', () => {
  test('is well-formed XML, whatever its texts', () => {
    const svg = lineChart(chart);
    expectWellFormed(svg);
    expect(svg).toContain('a &lt; b &amp; ');
    expect(svg).toContain('&lt;two&gt;');
    expect(svg).not.toContain('<two>');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('a logarithmic axis gives each decade the same height, and what has no place breaks the line', () => {
    const [one] = paths(lineChart(chart));
    expect(one!.map(({ command }) => command)).toEqual(['M', 'L', 'M']);
    const [first, second, third] = one!;
    expect(second!.y - first!.y).toBeCloseTo(third!.y - second!.y, 0);
    expect(third!.x - second!.x).toBeCloseTo(2 * (second!.x - first!.x), 0);
    const svg = lineChart(chart);
    expect(svg).toContain('>10⁻⁶<');
    expect(svg).toContain('>1<');
  });

  test('a linear axis starts at zero, and a share is labelled in per cent', () => {
    const points = [
      [2, 0.25],
      [4, 1],
    ] as const;
    const svg = lineChart({
      ...chart,
      y: { label: 'right', percent: true, range: [0, 1] },
      series: [{ label: 'one', points }],
    });
    const [one] = paths(svg);
    const bottom = Number(/>0 %</.exec(svg) && /y="([\d.]+)"[^>]*>0 %</.exec(svg)![1]) - 4;
    const top = Number(/y="([\d.]+)"[^>]*>100 %</.exec(svg)![1]) - 4;
    expect(one![1]!.y).toBeCloseTo(top, 1);
    expect((bottom - one![0]!.y) / (bottom - top)).toBeCloseTo(0.25, 2);
    expect(one![1]!.x).toBeGreaterThan(one![0]!.x * 1.2);
  });

  test('nothing to draw is drawn as axes alone', () => {
    const svg = lineChart({ ...chart, series: [{ label: 'none', points: [] }] });
    expectWellFormed(svg);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});
