/**
 * Draws the tutorial's pictures: `node scripts/draw-tutorial.mjs` writes docs/tutorial/*.svg. Every picture is a list of
 * nodes and arrows in one style; labels are symbols only (`h_t` stands for a subscript), so that the tutorials of all
 * languages share them.
 *
 *   x input (green)   h hidden state (blue)   y output (orange)   c context (red)   α attention weight (violet)
 */
import { writeFileSync } from 'node:fs';

const folder = new URL('../docs/tutorial/', import.meta.url);

const kinds = {
  x: { fill: '#e3f4ea', stroke: '#2e8b57' },
  h: { fill: '#e2eefb', stroke: '#1f5fbf' },
  y: { fill: '#fdeedd', stroke: '#c8761a' },
  c: { fill: '#fbe3e4', stroke: '#c0353c' },
  a: { fill: '#efe6fa', stroke: '#7a45b8' },
  op: { fill: '#ffffff', stroke: '#555555' },
  gate: { fill: '#fff7cf', stroke: '#a58a00' },
};
const ink = '#333333';

function escapeXml(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/** `h_t` with a lowered t; `_{…}` for more than one word. */
function formatted(label, size) {
  return label
    .split(/(_\{[^}]*\}|_[\p{L}\p{N}]+)/u)
    .filter((part) => part !== '')
    .map((part) => {
      if (!part.startsWith('_')) return `<tspan>${escapeXml(part)}</tspan>`;
      const low = part.replace(/^_\{?|\}$/g, '');
      const shift = (size * 0.3).toFixed(1);
      // The empty character brings the base line back for what follows.
      return `<tspan dy="${shift}" font-size="${(size * 0.7).toFixed(1)}">${escapeXml(low)}</tspan><tspan dy="-${shift}">\u200b</tspan>`;
    })
    .join('');
}

function text(
  label,
  x,
  y,
  { size = 16, anchor = 'middle', color = ink, weight = 'normal', style = 'normal' } = {},
) {
  return `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}" fill="${color}" font-weight="${weight}" font-style="${style}">${formatted(label, size)}</text>`;
}

/** A rounded box around its centre. */
function box(kind, label, x, y, { w = 46, h = 34, faded = 1, size = 16 } = {}) {
  const { fill, stroke } = kinds[kind];
  return (
    `<g opacity="${faded}"><rect x="${x - w / 2}" y="${y - h / 2}" width="${w}" height="${h}" rx="8" fill="${fill}" stroke="${stroke}" stroke-width="1.8"/>` +
    `${text(label, x, y + size / 3, { size })}</g>`
  );
}

/** A small circle, for an operation. */
function dot(kind, label, x, y, r = 13) {
  const { fill, stroke } = kinds[kind];
  return (
    `<circle cx="${x}" cy="${y}" r="${r}" fill="${fill}" stroke="${stroke}" stroke-width="1.8"/>` +
    text(label, x, y + 5, { size: 15 })
  );
}

const heads = new Set();

/** Through all points (x, y, x, y, …), with a head at the last one; `curve`: a Bézier curve through one with two handles. */
function arrow(
  points,
  { color = ink, dashed = false, width = 1.8, label, at, opacity = 1, curve = false } = {},
) {
  heads.add(color);
  const [x, y, ...others] = points;
  const path = `M${x} ${y}${curve ? 'C' : 'L'}${others.join(' ')}`;
  const dashes = dashed ? ' stroke-dasharray="6 4"' : '';
  const line = `<path d="${path}" fill="none" stroke="${color}" stroke-width="${width}" stroke-linejoin="round" opacity="${opacity}"${dashes} marker-end="url(#head-${color.slice(1)})"/>`;
  return label === undefined ? line : line + text(label, ...at, { size: 15, color, style: 'italic' });
}

const up = (x, from, to, options) => arrow([x, from, x, to], options);
const right = (from, to, y, options) => arrow([from, y, to, y], options);

function draw(name, width, height, title, parts) {
  const markers = [...heads]
    .map(
      (color) =>
        `<marker id="head-${color.slice(1)}" viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="11" markerHeight="11" orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" fill="${color}"/></marker>`,
    )
    .join('');
  heads.clear();
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}" font-family="sans-serif">\n` +
    `<defs>${markers}</defs>\n<rect width="100%" height="100%" fill="#ffffff"/>\n${parts.flat(9).join('\n')}\n</svg>\n`;
  writeFileSync(new URL(`${name}.svg`, folder), svg);
}

const places = (count, from, gap) => Array.from({ length: count }, (_, index) => from + index * gap);

/**
 * A network unrolled in time: states in a row, inputs below and outputs above where `inputs` and `outputs` name them
 * (an empty name: none there).
 */
function unrolled({ xs, y, states, inputs = [], outputs = [], start, drop = 62 }) {
  const parts = [];
  if (start) {
    parts.push(text(start, xs[0] - 66, y + 5, { color: kinds.h.stroke }));
    parts.push(right(xs[0] - 50, xs[0] - 25, y, { color: kinds.h.stroke }));
  }
  for (const [t, x] of xs.entries()) {
    if (t > 0) parts.push(right(xs[t - 1] + 23, x - 25, y, { color: kinds.h.stroke }));
    if (inputs[t]) parts.push(up(x, y + drop - 17, y + 19), box('x', inputs[t], x, y + drop));
    if (outputs[t]) parts.push(up(x, y - 17, y - drop + 19), box('y', outputs[t], x, y - drop));
    parts.push(box('h', states[t], x, y));
  }
  return parts;
}

const numbered = (letter, count) => Array.from({ length: count }, (_, t) => `${letter}_${t + 1}`);

// --- Sequences: words, speech, prices, video --------------------------------------------------------------------------

{
  const columns = places(6, 150, 104);
  const rows = [60, 140, 220, 300];
  const wave = (x, y, seed) =>
    `<path d="M${x - 34} ${y}${Array.from({ length: 35 }, (_, i) => {
      const height = 20 * Math.sin((i / 34) * Math.PI) * Math.sin(i * (0.9 + 0.35 * seed) + seed);
      return `L${x - 34 + 2 * i} ${(y + height).toFixed(1)}`;
    }).join('')}" fill="none" stroke="${kinds.x.stroke}" stroke-width="1.5"/>`;
  const prices = [18, 4, 9, -6, -2, -20];
  const words = ['the', 'cat', 'sat', 'on', 'the', 'mat'];
  draw('sequences', 760, 400, 'Four kinds of sequences: words, speech frames, prices, video frames', [
    words.map((word, t) => box('x', word, columns[t], rows[0], { w: 72, h: 40 })),
    columns.map((x, t) => [
      `<rect x="${x - 38}" y="${rows[1] - 26}" width="76" height="52" rx="6" fill="${kinds.x.fill}" stroke="${kinds.x.stroke}" stroke-width="1.2"/>`,
      wave(x, rows[1], t),
    ]),
    `<path d="M${columns.map((x, t) => `${x} ${rows[2] + prices[t]}`).join('L')}" fill="none" stroke="${kinds.x.stroke}" stroke-width="2"/>`,
    columns.map((x, t) => `<circle cx="${x}" cy="${rows[2] + prices[t]}" r="5" fill="${kinds.x.stroke}"/>`),
    columns.map((x, t) => [
      `<rect x="${x - 38}" y="${rows[3] - 26}" width="76" height="52" rx="4" fill="#f7f7f7" stroke="${kinds.x.stroke}" stroke-width="1.5"/>`,
      `<circle cx="${x - 24 + 9 * t}" cy="${rows[3] + 10 - 4 * t}" r="8" fill="${kinds.y.stroke}" opacity="0.75"/>`,
      `<path d="M${x - 38} ${rows[3] + 20}H${x + 38}" stroke="${kinds.x.stroke}"/>`,
    ]),
    columns.map((x, t) => text(`x_${t + 1}`, x, 366, { size: 18, color: kinds.x.stroke })),
    right(104, 710, 384, { color: '#999999' }),
    text('t', 724, 388, { color: '#777777', style: 'italic' }),
  ]);
}

// --- The vanilla network: folded and unrolled ---------------------------------------------------------------------------

{
  const xs = places(4, 360, 110);
  const parts = [
    up(90, 193, 149, { label: 'U', at: [104, 178] }),
    up(90, 113, 69, { label: 'V', at: [104, 96] }),
    box('x', 'x_t', 90, 210),
    box('y', 'y_t', 90, 52),
    arrow([114, 124, 176, 96, 176, 170, 116, 138], {
      curve: true,
      color: kinds.h.stroke,
      label: 'W',
      at: [180, 136],
    }),
    box('h', 'h_t', 90, 131),
    text('=', 240, 138, { size: 28 }),
    unrolled({
      xs,
      y: 131,
      states: numbered('h', 4),
      inputs: numbered('x', 4),
      outputs: numbered('y', 4),
      start: 'h_0',
      drop: 79,
    }),
    xs.map((x) => [
      text('U', x + 13, 178, { size: 15, style: 'italic' }),
      text('V', x + 13, 96, { size: 15, style: 'italic' }),
      text('W', x - 42, 123, { size: 15, style: 'italic', color: kinds.h.stroke }),
    ]),
  ];
  draw(
    'rnn',
    770,
    250,
    'A recurrent network, folded and unrolled over four steps with shared weights',
    parts,
  );
}

// --- N→N, N→1, 1→N -------------------------------------------------------------------------------------------------------

{
  const xs = places(4, 110, 105);
  draw('n-to-n', 900, 280, 'N to N: one output for each input, reading forwards, or both ways', [
    unrolled({
      xs,
      y: 140,
      states: numbered('h', 4),
      inputs: numbered('x', 4),
      outputs: numbered('y', 4),
      start: 'h_0',
      drop: 80,
    }),
    // Both ways.
    (() => {
      const both = places(4, 570, 96);
      const backwards = '#5b8fd6';
      return both.map((x, t) => [
        up(x + 16, 203, 176, { color: kinds.h.stroke }),
        up(x - 14, 203, 128, { color: backwards }),
        up(x + 14, 144, 79, { color: kinds.h.stroke }),
        up(x - 14, 96, 79, { color: backwards }),
        box('x', `x_${t + 1}`, x, 220, { w: 62 }),
        box('h', `→h_${t + 1}`, x + 17, 160, { w: 44, size: 14, h: 30 }),
        box('h', `←h_${t + 1}`, x - 17, 112, { w: 44, size: 14, h: 30 }),
        box('y', `y_${t + 1}`, x, 60, { w: 62 }),
        t > 0 ? right(both[t - 1] + 39, x - 6, 160, { color: kinds.h.stroke }) : [],
        t > 0 ? arrow([x - 39, 112, both[t - 1] + 6, 112], { color: backwards }) : [],
      ]);
    })(),
  ]);
}

{
  const xs = places(4, 110, 105);
  const ys = places(4, 580, 90);
  draw(
    'n-to-1',
    920,
    290,
    'N to 1: one output for the whole sequence, from the last state or from all states pooled',
    [
      unrolled({
        xs,
        y: 160,
        states: numbered('h', 4),
        inputs: numbered('x', 4),
        outputs: ['', '', '', 'y'],
        start: 'h_0',
        drop: 80,
      }),
      unrolled({ xs: ys, y: 180, states: numbered('h', 4), inputs: numbered('x', 4), drop: 70 }),
      ys.map((x) => arrow([x, 162, 715 + (x - 715) * 0.35, 121], { color: kinds.c.stroke })),
      box('c', 'mean, max, Σ α_t h_t', 715, 104, { w: 176 }),
      up(715, 86, 57, { color: kinds.c.stroke }),
      box('y', 'y', 715, 38),
    ],
  );
}

{
  const xs = places(4, 110, 95);
  const ys = places(4, 570, 95);
  draw('one-to-n', 920, 310, '1 to N: the input at the first step only, or at every step', [
    unrolled({ xs, y: 140, states: numbered('h', 4), outputs: numbered('y', 4), start: 'h_0', drop: 80 }),
    up(xs[0], 233, 160),
    box('x', 'x', xs[0], 252),
    unrolled({ xs: ys, y: 140, states: numbered('h', 4), outputs: numbered('y', 4), start: 'h_0', drop: 80 }),
    ys.map((x) => arrow([712, 234, x, 160])),
    box('x', 'x', 712, 252),
    [...xs.slice(1).map((x, t) => [xs[t], x]), ...ys.slice(1).map((x, t) => [ys[t], x])].map(([from, to]) =>
      arrow([from + 24, 60, from + 50, 60, to - 52, 196, to - 12, 160], {
        curve: true,
        dashed: true,
        color: kinds.y.stroke,
        width: 1.3,
      }),
    ),
  ]);
}

// --- Gradients that fade on their way back ------------------------------------------------------------------------------

{
  const xs = places(6, 110, 118);
  const strength = [0.1, 0.16, 0.26, 0.42, 0.65, 1];
  draw(
    'vanishing',
    850,
    260,
    'The gradient of the last loss gets smaller with every step that it goes back',
    [
      unrolled({
        xs,
        y: 130,
        states: numbered('h', 6),
        inputs: numbered('x', 6),
        outputs: ['', '', '', '', '', 'L'],
        drop: 78,
      }),
      xs.slice(1).map((x, t) =>
        arrow([x - 18, 106, x - 40, 78, xs[t] + 44, 78, xs[t] + 18, 106], {
          curve: true,
          color: kinds.c.stroke,
          width: 0.8 + 5 * strength[t],
          opacity: 0.25 + 0.75 * strength[t],
        }),
      ),
      xs
        .slice(1)
        .map((x, t) =>
          text(`∂h_${t + 2}/∂h_${t + 1}`, (x + xs[t]) / 2, 72, { size: 15, color: kinds.c.stroke }),
        ),
    ],
  );
}

// --- Inside the cells ------------------------------------------------------------------------------------------------------

{
  const c = kinds.c.stroke;
  const h = kinds.h.stroke;
  const lstm = [
    `<rect x="70" y="30" width="390" height="250" rx="18" fill="#fafafa" stroke="#999999"/>`,
    // The cell state's line.
    arrow([20, 70, 152, 70], { color: c, width: 2.6 }),
    arrow([178, 70, 262, 70], { color: c, width: 2.6 }),
    arrow([288, 70, 512, 70], { color: c, width: 2.6 }),
    text('c_{t−1}', 38, 58, { color: c }),
    text('c_t', 494, 58, { color: c }),
    // What the gates read.
    arrow([20, 246, 440, 246], { color: h, width: 2 }),
    text('h_{t−1}', 38, 236, { color: h }),
    up(100, 306, 248, { color: kinds.x.stroke }),
    box('x', 'x_t', 100, 322),
    [165, 235, 305, 405].map((x) => up(x, 246, 203)),
    up(165, 172, 85),
    arrow([235, 172, 235, 132, 260, 132]),
    arrow([305, 172, 305, 132, 290, 132]),
    up(275, 119, 85),
    // Out: o ⊙ tanh c.
    arrow([344, 70, 344, 113], { color: c }),
    box('op', 'tanh', 344, 128, { w: 48, h: 28, size: 14 }),
    arrow([368, 128, 391, 128], { color: c }),
    arrow([405, 172, 405, 142]),
    arrow([418, 128, 436, 128, 436, 202, 512, 202], { color: h, width: 2 }),
    text('h_t', 494, 192, { color: h }),
    dot('op', '⊙', 165, 70),
    dot('op', '+', 275, 70),
    dot('op', '⊙', 275, 132),
    dot('op', '⊙', 405, 128),
    box('gate', 'f_t', 165, 188, { w: 44, h: 30 }),
    box('gate', 'i_t', 235, 188, { w: 44, h: 30 }),
    box('gate', 'g_t', 305, 188, { w: 44, h: 30 }),
    box('gate', 'o_t', 405, 188, { w: 44, h: 30 }),
    text('LSTM', 106, 158, { size: 15, weight: 'bold' }),
  ];
  const at = 560;
  const gru = [
    `<rect x="${at + 60}" y="30" width="360" height="250" rx="18" fill="#fafafa" stroke="#999999"/>`,
    // The state's line.
    arrow([at + 10, 70, at + 226, 70], { color: h, width: 2.6 }),
    arrow([at + 254, 70, at + 326, 70], { color: h, width: 2.6 }),
    arrow([at + 354, 70, at + 470, 70], { color: h, width: 2.6 }),
    text('h_{t−1}', at + 32, 58, { color: h }),
    text('h_t', at + 452, 58, { color: h }),
    arrow([at + 90, 70, at + 90, 122], { color: h }),
    arrow([at + 60, 246, at + 400, 246]),
    up(at + 85, 306, 248, { color: kinds.x.stroke }),
    box('x', 'x_t', at + 85, 322),
    up(at + 140, 246, 203),
    up(at + 240, 246, 203),
    up(at + 340, 246, 203),
    // r ⊙ h goes into n; z weighs h against n.
    arrow([at + 140, 172, at + 140, 136, at + 106, 136]),
    arrow([at + 103, 142, at + 120, 226, at + 280, 226, at + 322, 199], { color: h, dashed: true }),
    up(at + 240, 172, 85, { label: 'z', at: [at + 252, 118] }),
    arrow([at + 262, 188, at + 290, 188, at + 290, 120, at + 322, 120], {
      label: '1−z',
      at: [at + 303, 112],
    }),
    arrow([at + 340, 172, at + 340, 136]),
    arrow([at + 340, 106, at + 340, 86]),
    dot('op', '⊙', at + 90, 136),
    dot('op', '⊙', at + 240, 70),
    dot('op', '+', at + 340, 70),
    dot('op', '⊙', at + 340, 120),
    box('gate', 'r_t', at + 140, 188, { w: 44, h: 30 }),
    box('gate', 'z_t', at + 240, 188, { w: 44, h: 30 }),
    box('gate', 'n_t', at + 340, 188, { w: 44, h: 30 }),
    text('GRU', at + 392, 158, { size: 15, weight: 'bold' }),
  ];
  draw('lstm-gru', 1050, 350, 'The LSTM cell with its cell state, and the GRU cell', [lstm, gru]);
}

// --- Encoder and decoder: two forms -----------------------------------------------------------------------------------------

function encoder(xs, y) {
  return unrolled({ xs, y, states: numbered('h', xs.length), inputs: numbered('x', xs.length), drop: 70 });
}

{
  const part = (left, form) => {
    const xs = places(3, left, 76);
    const ys = places(3, left + 304, 82);
    const y = 150;
    const c = left + 222;
    return [
      encoder(xs, y),
      right(xs[2] + 23, c - 25, y, { color: kinds.c.stroke }),
      box('c', 'c', c, y),
      form === 1
        ? right(c + 23, ys[0] - 25, y, { color: kinds.c.stroke })
        : [ys.map((x) => arrow([c, y + 18, c, 250, x - 8, 250, x - 8, y + 19], { color: kinds.c.stroke }))],
      unrolled({ xs: ys, y, states: ['s_1', 's_2', 's_3'], outputs: numbered('y', 3), drop: 78 }),
      ['<s>', 'y_1', 'y_2'].map((word, t) => [
        up(ys[t] + (form === 1 ? 0 : 12), 206, y + 19, {
          dashed: t > 0,
          color: t > 0 ? kinds.y.stroke : ink,
        }),
        text(word, ys[t] + (form === 1 ? 0 : 12), 224, { size: 15, color: t > 0 ? kinds.y.stroke : ink }),
      ]),
    ];
  };
  draw(
    'encoder-decoder',
    1130,
    280,
    'An encoder and a decoder: the context as the first state, and as an input at every step',
    [part(50, 1), part(630, 2)],
  );
}

{
  const lefts = [50, 330, 610];
  const y = 150;
  const forms = [
    (xs) => [
      arrow([xs[2], y - 18, xs[2], 78], { color: kinds.c.stroke }),
      box('c', 'c = h_3', xs[2], 60, { w: 84 }),
    ],
    (xs) => [
      arrow([xs[2], y - 18, xs[2], 78], { color: kinds.c.stroke, label: 'W', at: [xs[2] + 16, 110] }),
      box('c', 'c = W h_3', xs[2], 60, { w: 100 }),
    ],
    (xs) => [
      xs.map((x, t) => arrow([x, y - 18, xs[1] + (t - 1) * 34, 78], { color: kinds.c.stroke })),
      box('c', 'c = q(h_1, h_2, h_3)', xs[1], 60, { w: 160 }),
    ],
  ];
  draw(
    'contexts',
    860,
    250,
    'The fixed context: the last state, a transform of it, or a transform of all states',
    [
      lefts.map((left, index) => {
        const xs = places(3, left + 10, 78);
        return [encoder(xs, y), forms[index](xs)];
      }),
    ],
  );
}

// --- Embeddings ---------------------------------------------------------------------------------------------------------------

{
  const rows = ['the', 'cat', 'sat', 'on', 'mat'];
  const cell = (x, y, fill) =>
    `<rect x="${x}" y="${y}" width="26" height="26" fill="${fill}" stroke="#ffffff" stroke-width="2"/>`;
  const shade = (row, column) => {
    const value = Math.abs(Math.sin(7.3 * row + 3.1 * column * column + 1));
    return `rgb(${Math.round(226 - 160 * value)},${Math.round(240 - 90 * value)},${Math.round(232 - 120 * value)})`;
  };
  draw(
    'embeddings',
    800,
    260,
    'An embedding table: a token id chooses a row, and that row is the input of the recurrent layer',
    [
      box('x', 'cat', 70, 92, { w: 60 }),
      right(101, 152, 92),
      text('1', 168, 97, { size: 18 }),
      arrow([180, 92, 261, 92], { color: kinds.x.stroke }),
      rows.map((word, row) => [
        row === 1 ? [] : text(String(row), 250, 63 + 36 * row, { size: 14, color: '#777777' }),
        places(6, 268, 28).map((x, column) => cell(x, 44 + 36 * row, shade(row, column))),
        text(word, 448, 63 + 36 * row, {
          size: 15,
          anchor: 'start',
          color: row === 1 ? kinds.x.stroke : '#777777',
        }),
      ]),
      `<rect x="263" y="75" width="176" height="36" rx="5" fill="none" stroke="${kinds.x.stroke}" stroke-width="2.4"/>`,
      text('E  [V × D]', 350, 242, { size: 16 }),
      arrow([488, 92, 560, 92], { color: kinds.x.stroke }),
      box('x', 'x_t = E_1', 610, 92, { w: 96 }),
      right(659, 713, 92),
      box('h', 'h_t', 740, 92),
    ],
  );
}

// --- Attention ------------------------------------------------------------------------------------------------------------------

{
  const xs = places(4, 90, 100);
  const weights = [0.1, 0.68, 0.17, 0.05];
  const y = 250;
  const c = [240, 60];
  draw(
    'attention',
    800,
    360,
    'Attention: the decoder state scores every encoder state, and the context is their weighted sum',
    [
      encoder(xs, y),
      xs.map((x, t) => [
        arrow([x, y - 18, x, 181], { color: kinds.a.stroke }),
        arrow([x, 149, c[0] + (t - 1.5) * 26, c[1] + 19], {
          color: kinds.c.stroke,
          width: 0.8 + 6 * weights[t],
          opacity: 0.35 + 0.65 * weights[t],
        }),
        `<rect x="${x + 27}" y="${180 - 60 * weights[t]}" width="9" height="${60 * weights[t]}" fill="${kinds.a.stroke}"/>`,
        box('a', `α_{t${t + 1}}`, x, 165, { h: 30 }),
      ]),
      box('c', 'c_t', c[0], c[1]),
      // The decoder.
      right(495, 545, y, { color: kinds.h.stroke }),
      text('s_{t−1}', 472, y + 5, { color: kinds.h.stroke }),
      box('h', 's_t', 570, y),
      up(570, 303, y + 19),
      box('x', 'y_{t−1}', 570, 320, { w: 56 }),
      arrow([546, y - 10, 470, 210, 450, 165, 416, 165], {
        curve: true,
        color: kinds.a.stroke,
        dashed: true,
        label: 'score',
        at: [486, 190],
      }),
      right(264, 633, c[1], { color: kinds.c.stroke }),
      arrow([594, y - 6, 660, y - 6, 660, c[1] + 19], { color: kinds.h.stroke }),
      box('h', 's̃_t', 660, c[1]),
      right(684, 720, c[1]),
      box('y', 'y_t', 745, c[1]),
    ],
  );
}

// --- Teacher forcing, free running, scheduled sampling ---------------------------------------------------------------------------

{
  const part = (left, mode) => {
    const xs = places(3, left, 92);
    const y = 140;
    return [
      unrolled({ xs, y, states: ['s_1', 's_2', 's_3'], outputs: ['ŷ_1', 'ŷ_2', 'ŷ_3'], drop: 80 }),
      up(xs[0], 203, y + 19),
      text('<s>', xs[0], 221, { size: 15 }),
      [1, 2].map((t) => {
        const [from, to] = [xs[t - 1], xs[t]];
        const own = arrow(
          [from + 24, 60, from + 50, 60, to - 58, 200, to - (mode === 'both' ? 16 : 6), y + 19],
          {
            curve: true,
            color: kinds.y.stroke,
            dashed: mode === 'both',
          },
        );
        const teacher = [
          up(to, 203, y + 19, { color: kinds.x.stroke, dashed: mode === 'both' }),
          text(`y_${t}`, to, 221, { size: 16, color: kinds.x.stroke }),
        ];
        return mode === 'teacher' ? teacher : mode === 'free' ? own : [own, teacher];
      }),
      mode === 'both'
        ? [
            text('p', xs[0] + 32, 186, { size: 16, color: kinds.y.stroke, style: 'italic' }),
            text('1−p', xs[1] + 22, 190, { size: 16, color: kinds.x.stroke, style: 'italic' }),
          ]
        : [],
      text({ teacher: 'p = 0', free: 'p = 1', both: '0 < p < 1' }[mode], xs[1], 262, { size: 17 }),
    ];
  };
  draw(
    'forcing',
    940,
    285,
    'What the decoder reads in training: the teacher, itself, or one of them by chance',
    [part(60, 'teacher'), part(370, 'free'), part(680, 'both')],
  );
}

// --- A language model becomes a decoder -----------------------------------------------------------------------------------------

{
  const xs = places(3, 90, 92);
  const ys = places(3, 640, 92);
  const y = 140;
  const words = ['<s>', 'y_1', 'y_2'];
  const under = (columns) =>
    words.map((word, t) => [
      up(columns[t], 203, y + 19),
      text(word, columns[t], 221, { size: 16, color: kinds.x.stroke }),
    ]);
  draw(
    'lm-decoder',
    920,
    300,
    'A language model, and the decoder that starts from it: the weights of the context start at zero',
    [
      unrolled({ xs, y, states: ['s_1', 's_2', 's_3'], outputs: numbered('y', 3), drop: 80 }),
      under(xs),
      arrow([340, 140, 500, 140], { width: 2.6, label: 'θ', at: [420, 128] }),
      unrolled({ xs: ys, y, states: ['s_1', 's_2', 's_3'], outputs: numbered('y', 3), drop: 80 }),
      under(ys),
      box('c', 'c', 555, 262),
      ys.map((x) => arrow([579, 262, x - 19, 262, x - 19, y + 19], { color: kinds.c.stroke, dashed: true })),
      text('W_c = 0', 872, 267, { size: 16, color: kinds.c.stroke }),
    ],
  );
}
