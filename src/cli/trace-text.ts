/** A trace as lines of text: the shapes first, then the values step by step. */
import { topChoices } from '../models/choice-picture.ts';
import type { Trace, TracedChoice, TracedDecoder, TracedStack } from '../models/trace.ts';
import { printable } from './session.ts';

export interface TraceTextOptions {
  /** Most probable words of each step. */
  readonly top: number;
  /** Numbers of each vector. */
  readonly values: number;
}

/** A name, what it has, and what that is. */
type Row = readonly [name: string, size: number, text: string];

export function traceText(trace: Trace, options: TraceTextOptions): string {
  const { type, model, input, text, encoder, decoder, context, choices } = trace;
  const title = type.replaceAll('_', ' ');
  const blocks: string[][] = [[`${title}: ${input} → ${text}`, model], shapes(trace)];
  const steps = (name: string, stack: TracedStack, more: (step: number) => Row[]) => {
    for (const [step, token] of stack.tokens.entries()) {
      const heading = `${name} step ${step + 1} reads ${quoted(token)}${origin(stack, step)}`;
      blocks.push([heading, ...table([...stackRows(stack, step, options.values), ...more(step)])]);
    }
  };
  const chosen = (step: number) => choiceRows(trace, choices[step]!, options);
  if (encoder) {
    steps('encoder', encoder, (step) => (type === 'tagger' ? chosen(step) : []));
  }
  if (context) {
    const rows: Row[] = [['values', context.values.length, numbers(context.values, options.values)]];
    if (context.weights) rows.push(['α', context.weights.length, weights(context.weights, encoder!.tokens)]);
    if (type === 'classifier') rows.push(...chosen(0));
    const use = context.use ? `, read at ${readingPlaces[context.use]}` : '';
    blocks.push([`context (${context.kind}${use})`, ...table(rows)]);
  }
  if (decoder) {
    const first = initialRows(decoder, options.values);
    if (first.length > 0) blocks.push(['decoder starts from', ...table(first)]);
    steps('decoder', decoder, (step) => [...attentionRows(decoder, encoder, step, options), ...chosen(step)]);
  }
  return `${blocks.map((lines) => lines.map(printable).join('\n')).join('\n\n')}\n`;
}

const readingPlaces = {
  initial_state: 'the start',
  first_step: 'the first step',
  every_step: 'every step',
  both: 'the start and every step',
};

/** Of one line alone; T steps. */
function shapes({ encoder, decoder, context, names, choices }: Trace): string[] {
  const rows: (readonly [string, string])[] = [];
  const matrix = (name: string, values: readonly (readonly number[])[]) =>
    rows.push([name, `[${values.length}, ${values[0]?.length ?? 0}]`]);
  for (const [name, stack] of [
    ['encoder', encoder],
    ['decoder', decoder],
  ] as const) {
    if (!stack) continue;
    matrix(`${name} x`, stack.x);
    for (const { layer, direction, states } of stack.layers) {
      for (const [state, values] of Object.entries(states)) {
        matrix(`${name} ${layerName(stack, state, layer, direction)}`, values);
      }
    }
  }
  if (context) rows.push(['context', `[${context.values.length}]`]);
  if (decoder?.alignments) matrix('α', decoder.alignments);
  if (decoder?.attentional) matrix('h̃', decoder.attentional);
  rows.push(['logits', `[${choices.length}, ${names.length}]`]);
  const width = Math.max(...rows.map(([name]) => lengthOf(name)));
  return ['shapes', ...rows.map(([name, shape]) => `  ${pad(name, width)}  ${shape}`)];
}

function stackRows(stack: TracedStack, step: number, count: number): Row[] {
  const x = stack.x[step]!;
  const rows: Row[] = [['x', x.length, numbers(x, count)]];
  for (const { layer, direction, states } of stack.layers) {
    for (const [state, values] of Object.entries(states)) {
      const row = values[step]!;
      rows.push([layerName(stack, state, layer, direction), row.length, numbers(row, count)]);
    }
  }
  return rows;
}

function initialRows(decoder: TracedDecoder, count: number): Row[] {
  return decoder.layers.flatMap(({ layer, direction, initial = {} }) =>
    Object.entries(initial).map(([state, values]): Row => {
      return [layerName(decoder, state, layer, direction), values.length, numbers(values, count)];
    }),
  );
}

function attentionRows(
  { alignments, attentional }: TracedDecoder,
  encoder: TracedStack | undefined,
  step: number,
  { values }: TraceTextOptions,
): Row[] {
  if (!alignments || !attentional || !encoder) return [];
  const [row, vector] = [alignments[step]!, attentional[step]!];
  return [
    ['α', row.length, weights(row, encoder.tokens)],
    ['h̃', vector.length, numbers(vector, values)],
  ];
}

/** Logits and probabilities of the best, and what was chosen. */
function choiceRows({ names, crf }: Trace, choice: TracedChoice, { top }: TraceTextOptions): Row[] {
  const best = topChoices(choice, names, top);
  const list = (show: (one: (typeof best)[number]) => string) =>
    best.map((one) => `${quoted(one.name)} ${show(one)}`).join('  ');
  const { probability } = best.find((one) => one.chosen)!;
  return [
    ['logits', names.length, list(({ logit }) => logit.toFixed(4))],
    ['p', names.length, list((one) => one.probability.toFixed(4))],
    ['→', 1, `${quoted(choice.chosen)} (p ${probability.toFixed(4)}${crf ? '; chosen by the CRF' : ''})`],
  ];
}

/** Whether a decoder's word was given to it. */
function origin(stack: TracedStack, step: number): string {
  if (!('given' in stack)) return '';
  return step < (stack as TracedDecoder).given ? '' : ' (its own)';
}

function layerName({ layers }: TracedStack, state: string, layer: number, direction: string): string {
  const many = layers.some((one) => one.layer > 1);
  const both = layers.some((one) => one.direction === 'backward');
  return `${state}${many ? layer : ''}${both ? (direction === 'forward' ? ' →' : ' ←') : ''}`;
}

function weights(row: readonly number[], tokens: readonly string[]): string {
  return row.map((weight, source) => `${quoted(tokens[source]!)} ${weight.toFixed(3)}`).join('  ');
}

function numbers(values: readonly number[], count: number): string {
  const shown = values.slice(0, count).map((value) => value.toFixed(4).padStart(7));
  return `${shown.join(' ')}${values.length > count ? ' …' : ''}`;
}

/** Space is a token like any other. */
function quoted(token: string): string {
  return /^\s+$/.test(token) ? `'${token}'` : token;
}

function table(rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(([name]) => lengthOf(name)));
  const digits = Math.max(...rows.map(([, size]) => `${size}`.length));
  return rows.map(([name, size, text]) => `  ${pad(name, width)}  [${`${size}`.padStart(digits)}]  ${text}`);
}

/** Characters on a terminal: the tilde of h̃ stands above its letter. */
function lengthOf(name: string): number {
  return Array.from(name.replace(/\p{Mn}/gu, '')).length;
}

function pad(name: string, width: number): string {
  return name + ' '.repeat(width - lengthOf(name));
}
