/** The loss by update, of the pairs that are trained on and of those held out. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const color = (name: string) => () => getComputedStyle(document.documentElement).getPropertyValue(name);

export class LossChart {
  readonly #plot: uPlot;
  #updates: number[] = [];
  #training: (number | null)[] = [];
  #heldOut: (number | null)[] = [];

  constructor(parent: HTMLElement) {
    const axis = {
      stroke: color('--quiet'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    };
    const fixed = (_: uPlot, value: number | null) => (value === null ? '–' : value.toFixed(3));
    const size = () => ({
      width: Math.max(200, parent.clientWidth),
      height: Math.max(200, parent.clientHeight - (parent.clientWidth < 420 ? 60 : 34)), // the legend's lines
    });
    this.#plot = new uPlot(
      {
        ...size(),
        scales: { x: { time: false }, y: { range: (_plot, _low, high) => [0, Math.max(0.5, high)] } },
        axes: [axis, { ...axis, size: 44 }],
        series: [
          { label: 'update' },
          {
            label: 'loss in training',
            stroke: color('--accent'),
            width: 2,
            value: fixed,
            spanGaps: true,
            points: { show: false },
          },
          {
            label: 'held-out',
            stroke: color('--second'),
            width: 2,
            value: fixed,
            spanGaps: true,
            points: { show: true, size: 5, fill: color('--card') },
          },
        ],
      },
      [[], [], []],
      parent,
    );
    new ResizeObserver(() => this.#plot.setSize(size())).observe(parent);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw(false));
  }

  add(update: number, loss: number, of: 'training' | 'heldOut'): void {
    if (this.#updates.at(-1) !== update) {
      this.#updates.push(update);
      this.#training.push(null);
      this.#heldOut.push(null);
    }
    const list = of === 'training' ? this.#training : this.#heldOut;
    list[list.length - 1] = loss;
    this.#plot.setData([this.#updates, this.#training, this.#heldOut]);
  }

  clear(): void {
    [this.#updates, this.#training, this.#heldOut] = [[], [], []];
    this.#plot.setData([[], [], []]);
  }
}
