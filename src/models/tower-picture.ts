/** The steps of an encoder or a decoder side by side: tokens, embeddings, and a card for each layer at each step. */
import { arrow } from './line-picture.ts';
import { strip, stripHeight } from './strip-picture.ts';
import { escapeXml, fitText, short, svgText, textWidth, tokenLabel } from './svg.ts';
import type { TracedDecoder, TracedLayer, TracedStack } from './trace.ts';

/** From the middle of one step to that of the next. */
export const pitch = 114;
export const cardWidth = 78;
const padding = 6;
const tokenSize = 13;
const forwardColour = '#2d5f93';
const backwardColour = '#8a4f9e';
const plainColour = '#6b7785';

interface Lane {
  readonly layer: TracedLayer;
  readonly middle: number;
  readonly strips: readonly { readonly name: string; readonly y: number; readonly height: number }[];
}

interface LayerRow {
  readonly top: number;
  readonly bottom: number;
  /** Of its forward lane. */
  readonly middle: number;
  readonly lanes: readonly Lane[];
}

export interface TowerOptions {
  /** Where the first card begins. */
  readonly left: number;
  readonly scales: ReadonlyMap<string, number>;
  /** On which side the quantities are named. */
  readonly labels: 'left' | 'right';
}

export class Tower {
  readonly layers: readonly LayerRow[];
  /** Where a context comes along, between the embeddings and the first layer. */
  readonly rail: number;
  readonly top: number;
  readonly right: number;
  readonly #stack: TracedStack;
  readonly #options: TowerOptions;
  readonly #xTop: number;

  constructor(stack: TracedStack, options: TowerOptions) {
    this.#stack = stack;
    this.#options = options;
    this.#xTop = -24 - stripHeight(stack.x[0]!.length) - 2 * padding;
    this.rail = this.#xTop - 14;
    let bottom = this.#xTop - 30;
    const numbers = [...new Set(stack.layers.map(({ layer }) => layer))];
    this.layers = numbers.map((number) => {
      const row = rowOf(
        stack.layers.filter(({ layer }) => layer === number),
        bottom,
      );
      bottom = row.top - 24;
      return row;
    });
    this.top = this.layers.at(-1)!.top;
    this.right =
      options.left + (stack.tokens.length - 1) * pitch + cardWidth + (options.labels === 'right' ? 46 : 0);
  }

  get steps(): number {
    return this.#stack.tokens.length;
  }

  get tokens(): readonly string[] {
    return this.#stack.tokens;
  }

  get bidirectional(): boolean {
    return this.#stack.layers.some(({ direction }) => direction === 'backward');
  }

  get middle(): number {
    return (this.center(0) + this.center(this.steps - 1)) / 2;
  }

  center(step: number): number {
    return this.#options.left + cardWidth / 2 + step * pitch;
  }

  labelWidth(step: number): number {
    return textWidth(this.#label(step), tokenSize);
  }

  /** What leads from card to card. */
  lines(): string[] {
    const lines: string[] = [];
    for (let step = 0; step < this.steps; step++) {
      const x = this.center(step);
      lines.push(arrow([x, this.#xTop], [x, this.layers[0]!.bottom + 1], plainColour));
      for (const [index, { top }] of this.layers.entries()) {
        const above = this.layers[index + 1];
        if (above) lines.push(arrow([x, top], [x, above.bottom + 1], plainColour));
      }
      if (step === 0) continue;
      const [from, to] = [this.center(step - 1) + cardWidth / 2, x - cardWidth / 2];
      for (const { layer, middle } of this.layers.flatMap(({ lanes }) => lanes)) {
        if (layer.direction === 'forward') lines.push(arrow([from, middle], [to - 1, middle], forwardColour));
        else lines.push(arrow([to, middle], [from + 1, middle], backwardColour));
      }
    }
    return lines;
  }

  cards(): string[] {
    const { x, tokens } = this.#stack;
    const cards = this.#names();
    const given = 'given' in this.#stack ? (this.#stack as TracedDecoder).given : this.steps;
    const xHeight = stripHeight(x[0]!.length);
    for (const [step, token] of tokens.entries()) {
      const middle = this.center(step);
      const left = middle - cardWidth / 2;
      const fill = step < given ? '#1c2733' : '#123a73';
      cards.push(
        `<g><title>${escapeXml(token)}</title>`,
        svgText(
          this.#label(step),
          middle,
          0,
          `class="token" font-size="${tokenSize}" font-weight="bold" text-anchor="middle" fill="${fill}"`,
        ),
        '</g>',
        card(left, this.#xTop, xHeight + 2 * padding, '#d8dde3'),
        this.#strip('x', x[step]!, left, this.#xTop + padding, `x at step ${step + 1}`),
      );
      for (const { top, bottom, lanes } of this.layers) {
        cards.push(card(left, top, bottom - top, '#8fa1b5'));
        for (const { layer, strips } of lanes) {
          for (const { name, y } of strips) {
            const where = `${name} of layer ${layer.layer}, ${layer.direction}, at step ${step + 1}`;
            cards.push(this.#strip(name, layer.states[name]![step]!, left, y, where));
          }
        }
      }
    }
    return cards;
  }

  #label(step: number): string {
    return fitText(tokenLabel(this.#stack.tokens[step]!), pitch - 22, tokenSize);
  }

  /** What the strips are. */
  #names(): string[] {
    const isLeft = this.#options.labels === 'left';
    const x = isLeft ? this.center(0) - cardWidth / 2 - 9 : this.center(this.steps - 1) + cardWidth / 2 + 9;
    const anchor = isLeft ? 'end' : 'start';
    const name = (label: string, y: number) =>
      svgText(label, x, y, `font-size="12" font-style="italic" text-anchor="${anchor}" fill="#444444"`);
    const names = [name('x', this.#xTop + padding + stripHeight(this.#stack.x[0]!.length) / 2 + 4)];
    const many = this.layers.length > 1;
    for (const { lanes } of this.layers) {
      for (const { layer, strips } of lanes) {
        const mark = lanes.length > 1 ? (layer.direction === 'forward' ? ' →' : ' ←') : '';
        for (const { name: state, y, height } of strips) {
          names.push(name(`${state}${many ? ` ${layer.layer}` : ''}${mark}`, y + height / 2 + 4));
        }
      }
    }
    return names;
  }

  #strip(name: string, values: readonly number[], left: number, y: number, where: string): string {
    const shown = values.slice(0, 6).map((value) => value.toFixed(3));
    const title = `${where}: ${shown.join(', ')}${values.length > shown.length ? ', …' : ''} [${values.length}]`;
    const scale = this.#options.scales.get(name)!;
    return strip(values, { x: left + padding, y, width: cardWidth - 2 * padding, scale, title });
  }
}

/** Lanes from the top: the backward direction above the forward one; h above c. */
function rowOf(layers: readonly TracedLayer[], bottom: number): LayerRow {
  const lanes: Lane[] = [];
  let y = bottom - padding;
  for (const layer of layers) {
    const heights = Object.entries(layer.states).map(
      ([name, rows]) => [name, stripHeight(rows[0]!.length)] as const,
    );
    const laneHeight = heights.reduce((sum, [, height]) => sum + height + 3, -3);
    let stripY = y - laneHeight;
    lanes.push({
      layer,
      middle: y - laneHeight / 2,
      strips: heights.map(([name, height]) => {
        const strip = { name, y: stripY, height };
        stripY += height + 3;
        return strip;
      }),
    });
    y -= laneHeight + 10;
  }
  return { top: y + 10 - padding, bottom, middle: lanes[0]!.middle, lanes };
}

function card(left: number, top: number, height: number, stroke: string): string {
  return `<rect x="${short(left)}" y="${short(top)}" width="${cardWidth}" height="${short(height)}" rx="6" fill="#ffffff" stroke="${stroke}"/>`;
}
