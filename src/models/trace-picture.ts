/**
 * The unrolled network of a trace as an SVG picture. Time runs from left to right, an input's way through the layers from
 * the bottom to the top; the encoder stands on the left, the decoder on the right, what was put out on top.
 */
import { chartHeight, chartWidth, choiceChart } from './choice-picture.ts';
import { arrow, elbow, head, line, type Point } from './line-picture.ts';
import { scaleLegend, scalesOf, strip, stripHeight } from './strip-picture.ts';
import { escapeXml, fitText, short, svgDocument, svgText } from './svg.ts';
import { cardWidth, pitch, Tower } from './tower-picture.ts';
import type { Trace, TracedContext } from './trace.ts';

const fontSize = 13;
const margin = 28;
const attentionColour = '#12806a';
const ownWordColour = '#8a97a6';

export function tracePicture(trace: Trace): string {
  return new TracePicture(trace).draw();
}

/** A point of the network that lines lead to or from. */
interface Card {
  readonly x: number;
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

class TracePicture {
  readonly #trace: Trace;
  readonly #scales: ReadonlyMap<string, number>;
  /** Lines lie under cards. The lowest labels stand at y = 0; up is negative. */
  readonly #lines: string[] = [];
  readonly #cards: string[] = [];
  /** Between the encoder's tops and what looks back at them: the wider the picture, the higher. */
  readonly #fanHeight: number;
  #right = 0;
  #top = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
    this.#scales = scalesOf(trace);
    const steps = (trace.encoder?.tokens.length ?? 0) + (trace.decoder?.tokens.length ?? 0);
    this.#fanHeight = Math.min(220, 70 + 5 * steps);
  }

  draw(): string {
    const { encoder, decoder, context, choices } = this.#trace;
    const reader =
      encoder && this.#tower(new Tower(encoder, { left: 70, scales: this.#scales, labels: 'left' }));
    const card = context && this.#context(context, reader);
    if (decoder) this.#decoder(reader, card);
    else if (card) this.#chart(0, card.x, card.top - 22, 6);
    else for (const step of choices.keys()) this.#chart(step, reader!.center(step), reader!.top - 22, 3);
    if (this.#trace.crf) this.#chain(reader!);
    return this.#document();
  }

  #tower(tower: Tower): Tower {
    this.#lines.push(...tower.lines());
    this.#cards.push(...tower.cards());
    this.#reach(tower.right, tower.top);
    return tower;
  }

  /** One vector for the source: above the encoder whose states it is made of; of a generator beside the decoder. */
  #context({ kind, values, weights }: TracedContext, encoder: Tower | undefined): Card {
    const height = stripHeight(values.length) + 10;
    const x = encoder ? encoder.middle : 80;
    const bottom = encoder ? encoder.top - this.#fanHeight * 0.8 : -24;
    const scale = this.#scales.get('context')!;
    this.#card(x, bottom, values, scale, `context (${kind})`);
    const name = encoder ? `context: ${kind}` : kind;
    this.#cards.push(
      svgText(
        name,
        x - cardWidth / 2 - 8,
        bottom - height / 2 + 4,
        'font-size="11" fill="#555555" text-anchor="end"',
      ),
    );
    if (encoder) {
      const last = kind === 'last' || kind === 'linear';
      const ends = [encoder.steps - 1, ...(encoder.bidirectional ? [0] : [])];
      for (let step = 0; step < encoder.steps; step++) {
        // Mean and maximum look at all steps alike.
        const weight = weights ? weights[step]! : last ? (ends.includes(step) ? 1 : 0) : 0.2;
        if (weight > 0) this.#link(encoder, step, x, bottom, weight, weights ? `${weight.toFixed(3)}` : kind);
      }
    }
    if (!encoder) {
      const label = fitText(this.#trace.input, 130, fontSize);
      this.#cards.push(
        svgText(label, x, 0, 'class="token" font-weight="bold" text-anchor="middle" fill="#1c2733"'),
      );
    }
    this.#reach(x + cardWidth / 2, bottom - height);
    return { x, top: bottom - height, bottom, left: x - cardWidth / 2, right: x + cardWidth / 2 };
  }

  #decoder(encoder: Tower | undefined, context: Card | undefined): void {
    const decoder = this.#trace.decoder!;
    const left = this.#right === 0 ? 70 : this.#right + 64;
    const tower = this.#tower(
      new Tower(decoder, { left, scales: this.#scales, labels: this.#right === 0 ? 'left' : 'right' }),
    );
    this.#starts(tower, encoder, context);
    const { alignments, attentional, tokens, given } = decoder;
    const attends = alignments && attentional && encoder;
    const bottom = attends ? Math.min(tower.top, encoder.top) - this.#fanHeight : tower.top;
    const chartBottom = attends ? bottom - stripHeight(attentional[0]!.length) - 10 - 20 : bottom - 22;
    for (const step of tokens.keys()) {
      const x = tower.center(step);
      if (attends) {
        this.#lines.push(arrow([x, tower.top], [x, bottom + 1], '#6b7785'));
        for (const [source, weight] of alignments[step]!.entries()) {
          const title = `${this.#trace.choices[step]!.chosen} ← ${encoder.tokens[source]}: ${weight.toFixed(3)}`;
          if (weight >= 0.01) this.#link(encoder, source, x, bottom, weight, title);
        }
        this.#card(x, bottom, attentional[step]!, this.#scales.get('h̃')!, `h̃ at step ${step + 1}`);
      }
      this.#lines.push(arrow([x, attends ? chartBottom + 20 : tower.top], [x, chartBottom + 2], '#6b7785'));
      this.#chart(step, x, chartBottom, 3);
      if (step >= given) this.#feedBack(tower, step, chartBottom - chartHeight(3) + 8);
      if (decoder.inputFeeding && step > 0) this.#feedInput(tower, step, bottom - 8);
    }
    if (attends) {
      const x = tower.center(tokens.length - 1) + cardWidth / 2 + 10;
      this.#cards.push(svgText('h̃', x, bottom - 8, 'font-style="italic" fill="#444444"'));
    }
  }

  /** Where a decoder's first states and its context come from. */
  #starts(tower: Tower, encoder: Tower | undefined, context: Card | undefined): void {
    const { decoder, context: given } = this.#trace;
    const fromStates = encoder && (!given || given.kind === 'last');
    for (const [index, layer] of tower.layers.entries()) {
      if (!decoder!.layers[index]?.initial) continue;
      const to: Point = [tower.center(0) - cardWidth / 2, layer.middle];
      if (fromStates) {
        const from: Point = [
          encoder.center(encoder.steps - 1) + cardWidth / 2,
          encoder.layers[index]!.middle,
        ];
        this.#lines.push(elbow(from, to, (from[0] + to[0]) / 2 + 6 * index, '#6b7785'));
      } else if (context) {
        this.#lines.push(
          elbow([context.right, (context.top + context.bottom) / 2], to, to[0] - 22 - 6 * index, '#6b7785'),
        );
      }
    }
    if (!context || given?.use === 'initial_state') return;
    const rail = tower.rail;
    const readers = given?.use === 'first_step' ? 1 : tower.steps;
    const [last, y] = [tower.center(readers - 1) + 22, (context.top + context.bottom) / 2];
    const turn = encoder ? tower.center(0) - cardWidth / 2 - 36 : context.right + 18;
    this.#lines.push(
      line(
        `M${short(context.right)} ${short(y)}H${short(turn)}V${short(rail)}H${short(last)}`,
        attentionColour,
      ),
    );
    for (let step = 0; step < readers; step++) {
      const x = tower.center(step) + 22;
      this.#lines.push(arrow([x, rail], [x, tower.layers[0]!.bottom + 1], attentionColour));
    }
  }

  /** A dashed line from the word that was chosen to where it is read. */
  #feedBack(tower: Tower, step: number, y: number): void {
    const from = tower.center(step - 1) + chartWidth / 2;
    const gap = tower.center(step) - pitch / 2;
    const to = tower.center(step) - tower.labelWidth(step) / 2 - 5;
    const path = `M${short(from)} ${short(y)}H${short(gap)}V-4H${short(to)}`;
    this.#lines.push(
      line(path, ownWordColour, 'stroke-dasharray="3 3"') + head([to, -4], [1, 0], ownWordColour),
    );
  }

  /** h̃ beside the next word. */
  #feedInput(tower: Tower, step: number, y: number): void {
    const from = tower.center(step - 1) + cardWidth / 2;
    const gap = tower.center(step) - pitch / 2 - 6;
    const [x, end] = [tower.center(step) - 24, tower.layers[0]!.bottom + 1];
    const path = `M${short(from)} ${short(y)}H${short(gap)}V${short(tower.rail)}H${short(x)}`;
    this.#lines.push(
      line(path, '#b06a1c', 'stroke-opacity="0.6"') + arrow([x, tower.rail], [x, end], '#b06a1c'),
    );
  }

  /** A curve from a source step to what looks at it: the wider, the more weight. */
  #link(encoder: Tower, step: number, x: number, y: number, weight: number, title: string): void {
    const [from, top] = [encoder.center(step), encoder.top];
    const middle = (top + y) / 2;
    this.#lines.push(
      `<path class="attention" d="M${short(from)} ${short(top)}C${short(from)} ${short(middle)} ${short(x)} ${short(middle)} ${short(x)} ${short(y)}" ` +
        `fill="none" stroke="${attentionColour}" stroke-width="${short(0.6 + 5 * weight)}" ` +
        `stroke-opacity="${short(0.12 + 0.68 * weight)}"><title>${escapeXml(title)}</title></path>`,
    );
  }

  #card(x: number, bottom: number, values: readonly number[], scale: number, title: string): void {
    const height = stripHeight(values.length) + 10;
    const [left, top] = [x - cardWidth / 2, bottom - height];
    this.#cards.push(
      `<rect x="${short(left)}" y="${short(top)}" width="${cardWidth}" height="${height}" rx="6" fill="#ffffff" stroke="#b9c2cc"/>`,
      strip(values, { x: left + 6, y: top + 5, width: cardWidth - 12, scale, title }),
    );
  }

  #chart(step: number, x: number, bottom: number, rows: number): void {
    const { choices, names, decoder } = this.#trace;
    const wide = rows > 3 ? 190 : chartWidth;
    this.#cards.push(choiceChart(choices[step]!, names, { x, bottom, rows, width: wide }));
    if (!decoder) this.#lines.push(arrow([x, bottom + 22], [x, bottom + 2], '#6b7785'));
    this.#reach(x + wide / 2, bottom - chartHeight(Math.min(rows, names.length)));
  }

  /** A CRF's tags hang together. */
  #chain(encoder: Tower): void {
    const y = encoder.top - 22 - chartHeight(3) + 8;
    for (let step = 1; step < encoder.steps; step++) {
      const [from, to] = [encoder.center(step - 1) + chartWidth / 2, encoder.center(step) - chartWidth / 2];
      this.#lines.push(line(`M${short(from)} ${short(y)}H${short(to)}`, '#1f5fbf', '', 2));
    }
  }

  #reach(right: number, top: number): void {
    this.#right = Math.max(this.#right, right);
    this.#top = Math.min(this.#top, top);
  }

  #document(): string {
    const { type, input, text, model } = this.#trace;
    const width = Math.ceil(Math.max(this.#right + 2 * margin, 660));
    const [above, below] = [Math.ceil(-this.#top) + 74, 104];
    const title = `${type.replaceAll('_', ' ')}: ${input} → ${text}`;
    const parts = [
      svgText(
        fitText(title, width - 2 * margin, 17),
        margin,
        32,
        'font-size="17" font-weight="bold" fill="#1c2733"',
      ),
      svgText(fitText(model, width - 2 * margin, 12), margin, 51, 'font-size="12" fill="#5b6875"'),
      `<g transform="translate(${margin} ${above})">`,
      ...this.#lines,
      ...this.#cards,
      '</g>',
      scaleLegend(this.#scales, margin, above + below - 66),
      this.#lineLegend(above + below - 20),
    ];
    return svgDocument(width, above + below, { label: `The unrolled network. ${title}`, fontSize }, parts);
  }

  #lineLegend(y: number): string {
    const { encoder, decoder, context } = this.#trace;
    const entries: string[] = ['blue negative, red positive'];
    if (encoder?.layers.some(({ direction }) => direction === 'backward'))
      entries.push('← reads from the right');
    if (decoder?.alignments) entries.push('green: attention, wider is more');
    else if (context) entries.push('green: context');
    if (decoder) entries.push('dashed: its own word, read next');
    if (decoder?.inputFeeding) entries.push('brown: h̃ fed back');
    return svgText(entries.join('   ·   '), margin, y, 'font-size="11" fill="#5b6875"');
  }
}
