/**
 * Claim: in a vanilla recurrent network gradients vanish with the distance they travel, and gates keep them alive
 * (Hochreiter 1991; Bengio, Simard & Frasconi 1994; Hochreiter & Schmidhuber 1997).
 *
 * What is measured: for a loss that reads the last hidden state alone, L = u·h_T, the norm of ∂L/∂x_{T-k}, the gradient
 * with respect to the input k steps before. (That of the hidden state would leave out the LSTM's other way through
 * time, its cell state; whatever reaches an input has come all the way by whichever path.) Norms are relative to k = 0
 * and averaged geometrically over rows and seeds, so that no single row stands for all.
 *
 * First at initialisation, with PyTorch's initial values, then after training on a task that needs the distance: to name
 * the first letter of a string. There the same networks also show what their gradients are worth: how often they are
 * right, by length.
 */
import type { Gpu } from '../gpu/gpu.ts';
import { SequenceClassifier } from '../models/kinds.ts';
import { gateBias, initialize, pytorchRecurrent } from '../nn/initialize.ts';
import { cells } from '../ops/cells/registry.ts';
import { evaluate } from '../ops/evaluate.ts';
import { PhiloxStream } from '../ops/philox.ts';
import { recurrent } from '../ops/recurrent.ts';
import { textTable } from '../train/metrics/text-table.ts';
import { lineChart } from './chart.ts';
import type { Experiment, Json } from './experiment.ts';
import { randomStrings, recall } from './strings.ts';

type CellName = 'rnn' | 'lstm' | 'gru';

export interface Candidate {
  readonly label: string;
  readonly cell: CellName;
  /** The forget gate's bias at the start; undefined: as PyTorch draws it, around 0. */
  readonly forgetBias?: number;
}

const candidates: readonly Candidate[] = [
  { label: 'vanilla RNN (tanh)', cell: 'rnn' },
  { label: 'LSTM', cell: 'lstm' },
  { label: 'LSTM, forget bias 1', cell: 'lstm', forgetBias: 1 },
  { label: 'GRU', cell: 'gru' },
];

export interface GradientSettings {
  readonly hidden: number;
  /** Numbers in an input x_t, drawn from the normal distribution. */
  readonly inputs: number;
  /** Gradients are measured at lags 0 to this. */
  readonly longestLag: number;
  readonly rows: number;
  readonly seeds: number;
  readonly training: RecallSettings;
}

export interface RecallSettings {
  readonly hidden: number;
  readonly embedding: number;
  readonly alphabet: number;
  readonly longest: number;
  readonly updates: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Strings of each tested length. */
  readonly tests: number;
}

const full: GradientSettings = {
  hidden: 64,
  inputs: 32,
  longestLag: 100,
  rows: 16,
  seeds: 5,
  training: {
    hidden: 64,
    embedding: 16,
    alphabet: 8,
    longest: 60,
    updates: 1000,
    batch: 64,
    learningRate: 0.003,
    tests: 100,
  },
};
const quick: GradientSettings = {
  ...full,
  longestLag: 60,
  seeds: 3,
  training: { ...full.training, longest: 30, updates: 300, tests: 50 },
};

/** One layer's weights, in PyTorch's layout. */
interface LayerWeights {
  readonly weightIh: Float32Array<ArrayBuffer>;
  readonly weightHh: Float32Array<ArrayBuffer>;
  readonly biasIh: Float32Array<ArrayBuffer>;
  readonly biasHh: Float32Array<ArrayBuffer>;
}

/** Norms of ∂(u·h_T)/∂x_{T-k} by lag k and row, for a random direction u of length 1 in each row. */
export async function gradientNorms(
  gpu: Gpu,
  { cell: name }: Pick<Candidate, 'cell'>,
  weights: LayerWeights,
  x: Float32Array<ArrayBuffer>,
  { steps, rows, seed }: { readonly steps: number; readonly rows: number; readonly seed: number },
): Promise<number[][]> {
  const cell = cells.get({ cell: name, nonlinearity: 'tanh' });
  const H = weights.biasHh.length / cell.gates;
  const width = x.length / (steps * rows);
  const { gradients } = await evaluate(
    gpu,
    {
      x: { data: x, shape: [steps, rows, width] },
      weightIh: { data: weights.weightIh, shape: [cell.gates * H, width] },
      weightHh: { data: weights.weightHh, shape: [cell.gates * H, H] },
      biasIh: { data: weights.biasIh, shape: [cell.gates * H] },
      biasHh: { data: weights.biasHh, shape: [cell.gates * H] },
    },
    (tape, { x: input, ...tensors }) => {
      const { finalStates } = recurrent(tape, {
        cell,
        label: name,
        steps,
        batch: rows,
        hidden: H,
        inputs: [{ tensor: input, column: 0, width }],
        weights: [tensors],
      });
      return { h: finalStates[0]! };
    },
    { h: { data: directions(rows, H, seed), shape: [rows, H] } },
  );
  const { data } = gradients.x!;
  return Array.from({ length: steps }, (_, lag) =>
    Array.from({ length: rows }, (_, row) => {
      const from = ((steps - 1 - lag) * rows + row) * width;
      return Math.hypot(...data.subarray(from, from + width));
    }),
  );
}

/** Unit vectors [rows, H], each direction equally likely. */
function directions(rows: number, H: number, seed: number): Float32Array<ArrayBuffer> {
  const random = new PhiloxStream(seed, 0x75);
  const values = Float32Array.from({ length: rows * H }, () => random.nextNormal());
  for (let row = 0; row < rows; row++) {
    const vector = values.subarray(row * H, (row + 1) * H);
    const norm = Math.hypot(...vector);
    for (let i = 0; i < H; i++) vector[i]! /= norm;
  }
  return values;
}

/** Geometric means over rows (of several seeds) by lag, relative to lag 0. A gradient of exactly 0 makes the mean 0. */
export function relativeNorms(norms: readonly (readonly (readonly number[])[])[]): number[] {
  const logs = norms[0]!.map((_, lag) => {
    const rows = norms.flatMap((bySeed) => bySeed[lag]!);
    return rows.reduce((sum, norm) => sum + Math.log(norm), 0) / rows.length;
  });
  return logs.map((log) => Math.exp(log - logs[0]!));
}

/** PyTorch's initial values of one layer. */
function initialWeights(
  { cell: name, forgetBias }: Candidate,
  H: number,
  I: number,
  seed: number,
): LayerWeights {
  const { gates } = cells.get({ cell: name });
  const draw = (parameter: string, ...shape: number[]) =>
    initialize(parameter, shape, pytorchRecurrent(H), seed);
  const weights = {
    weightIh: draw('weight_ih', gates * H, I),
    weightHh: draw('weight_hh', gates * H, H),
    biasIh: draw('bias_ih', gates * H),
    biasHh: draw('bias_hh', gates * H),
  };
  if (forgetBias !== undefined) {
    // Gates i, f, g, o; as `model.forget_bias`: b_ih gets the whole of it.
    const { offset, length } = gateBias(1, H, forgetBias);
    weights.biasIh.fill(forgetBias, offset, offset + length);
    weights.biasHh.fill(0, offset, offset + length);
  }
  return weights;
}

/** Relative gradient norms by lag, for each cell with its initial weights. */
export async function gradientsAtStart(
  gpu: Gpu,
  { hidden, inputs, longestLag, rows, seeds }: Omit<GradientSettings, 'training'>,
  seed: number,
): Promise<{ candidate: Candidate; relative: number[] }[]> {
  const steps = longestLag + 1;
  const results: { candidate: Candidate; relative: number[] }[] = [];
  for (const candidate of candidates) {
    const norms: number[][][] = [];
    for (let run = 0; run < seeds; run++) {
      const random = new PhiloxStream(seed + run, 0x78);
      const x = Float32Array.from({ length: steps * rows * inputs }, () => random.nextNormal());
      const weights = initialWeights(candidate, hidden, inputs, seed + run);
      norms.push(await gradientNorms(gpu, candidate, weights, x, { steps, rows, seed: seed + run }));
    }
    results.push({ candidate, relative: relativeNorms(norms) });
  }
  return results;
}

export interface RecallResult {
  /** Shares of right answers by length, of the lengths in `lengths`. */
  readonly accuracy: readonly number[];
  readonly lengths: readonly number[];
  /** Relative gradient norms by lag in strings of the greatest length, after training. */
  readonly relative: readonly number[];
}

/** Trains a classifier to name the first letter, then asks how often it is right and how far its gradients reach. */
export async function trainRecall(
  gpu: Gpu,
  candidate: Candidate,
  settings: RecallSettings,
  seed: number,
  progress: (line: string) => void = () => {},
): Promise<RecallResult> {
  const { alphabet, longest, updates, batch } = settings;
  const strings = (count: number, shortest: number, key: number, most = longest) =>
    randomStrings({ count, shortest, longest: most, alphabet, keys: [seed, key] });
  const pairs = strings(updates * batch, 1, 0).map(recall);
  using model = SequenceClassifier.fromPairs(gpu, pairs, {
    data: { src: { level: 'char' } },
    model: {
      cell: candidate.cell,
      forget_bias: candidate.forgetBias ?? null,
      encoder: {
        embeddings: { embedding_dim: settings.embedding },
        hidden_size: settings.hidden,
        bidirectional: false,
      },
    },
    training: {
      random_seed: seed,
      learning_rate: settings.learningRate,
      clip_grad_norm: 1,
      batch_size: batch,
      updates,
    },
  });
  for await (const report of model.fit(pairs, { logEvery: Math.max(1, Math.floor(updates / 5)) })) {
    if (report.kind === 'progress') {
      const { update, loss, accuracy } = report;
      progress(
        `${candidate.label}: update ${update} of ${updates}, loss ${loss.toFixed(3)}, ${(100 * accuracy).toFixed(0)} % right`,
      );
    }
  }
  const lengths = testedLengths(longest);
  const accuracy: number[] = [];
  for (const length of lengths) {
    const tests = strings(settings.tests, length, 1000 + length, length);
    const labels = await model.translate(tests);
    accuracy.push(labels.filter((label, index) => label === tests[index]![0]).length / tests.length);
  }
  const relative = await trainedGradients(gpu, model, candidate, strings(16, longest, 2), seed);
  return { accuracy, lengths, relative };
}

/** About ten lengths up to the longest. */
function testedLengths(longest: number): number[] {
  const step = Math.max(1, Math.round(longest / 10));
  return [1, ...Array.from({ length: Math.floor(longest / step) }, (_, index) => (index + 1) * step)].filter(
    (length, index, all) => all.indexOf(length) === index,
  );
}

async function trainedGradients(
  gpu: Gpu,
  model: SequenceClassifier,
  candidate: Candidate,
  strings: readonly string[],
  seed: number,
): Promise<number[]> {
  const values = await model.network.parameters.read();
  const embedding = values.get('encoder.embedding.weight')!;
  const [steps, rows] = [strings[0]!.length, strings.length];
  const width = embedding.length / model.vocabularies.source.size;
  const x = new Float32Array(steps * rows * width);
  for (const [row, string] of strings.entries()) {
    for (const [t, id] of model.vocabularies.source.encode(Array.from(string)).entries()) {
      x.set(embedding.subarray(id * width, (id + 1) * width), (t * rows + row) * width);
    }
  }
  const layer = (name: string) => Float32Array.from(values.get(`encoder.rnn.${name}_l0`)!);
  const weights = {
    weightIh: layer('weight_ih'),
    weightHh: layer('weight_hh'),
    biasIh: layer('bias_ih'),
    biasHh: layer('bias_hh'),
  };
  return relativeNorms([await gradientNorms(gpu, candidate, weights, x, { steps, rows, seed })]);
}

export async function runGradients(
  gpu: Gpu,
  settings: GradientSettings,
  seed: number,
  progress: (line: string) => void,
) {
  const { hidden, longestLag, seeds, training } = settings;
  progress(
    `gradients at initialisation: ${candidates.length} cells, ${seeds} seeds, lags 0 to ${longestLag}`,
  );
  const start = await gradientsAtStart(gpu, settings, seed);
  const trained: { candidate: Candidate; result: RecallResult }[] = [];
  for (const candidate of candidates) {
    trained.push({ candidate, result: await trainRecall(gpu, candidate, training, seed, progress) });
  }
  const points = (values: readonly number[]) => values.map((value, lag) => [lag, value] as const);
  const x = { label: 'lag k (steps between the input and the loss)' };
  const y = { label: '‖∂L/∂x(T−k)‖ relative to k = 0', scale: 'log' as const };
  const charts = new Map([
    [
      'gradients',
      lineChart({
        title: 'How much of the gradient is left k steps back, before training',
        subtitle: `${hidden} units, PyTorch's initial values, random inputs, geometric mean over ${seeds} seeds`,
        x,
        y,
        series: start.map(({ candidate, relative }) => ({
          label: candidate.label,
          points: points(relative),
        })),
      }),
    ],
    [
      'gradients-trained',
      lineChart({
        title: 'The same after training to recall the first letter',
        subtitle: `${training.hidden} units, strings of 1 to ${training.longest} letters, ${training.updates} updates`,
        x,
        y,
        series: trained.map(({ candidate, result }) => ({
          label: candidate.label,
          points: points(result.relative),
        })),
      }),
    ],
    [
      'recall',
      lineChart({
        title: 'What comes of it: recalling the first letter',
        subtitle: `${training.updates} updates of ${training.batch} strings of 1 to ${training.longest} letters; guessing gives ${(100 / training.alphabet).toFixed(1)} %`,
        x: { label: 'length of the string' },
        y: { label: 'right answers', percent: true, range: [0, 1] },
        series: trained.map(({ candidate, result }) => ({
          label: candidate.label,
          points: result.lengths.map((length, index) => [length, result.accuracy[index]!] as const),
        })),
      }),
    ],
  ]);
  return { start, trained, charts };
}

export const gradientsExperiment: Experiment = {
  name: 'gradients',
  summary: 'How far back gradients reach in a vanilla RNN, an LSTM and a GRU',
  async run(gpu, { seed, quick: isQuick, progress }) {
    const settings = isQuick ? quick : full;
    const { start, trained, charts } = await runGradients(gpu, settings, seed, progress);
    const lags = [1, 2, 5, 10, 20, 30, 50, 100];
    const rows = (
      heading: string,
      most: number,
      curves: readonly { candidate: Candidate; relative: readonly number[] }[],
    ) => {
      const shown = lags.filter((lag) => lag <= most);
      return textTable([
        [heading, ...shown.map((lag) => `k=${lag}`)],
        ...curves.map(({ candidate, relative }) => [
          candidate.label,
          ...shown.map((lag) => relative[lag]!.toExponential(1)),
        ]),
      ]);
    };
    const lengths = trained[0]!.result.lengths;
    return {
      table: [
        'Norm of the gradient with respect to the input k steps before the loss, relative to k = 0',
        '',
        ...rows('before training', settings.longestLag, start),
        '',
        ...rows(
          'after training',
          settings.training.longest - 1,
          trained.map(({ candidate, result }) => ({ candidate, relative: result.relative })),
        ),
        '',
        'Per cent of first letters recalled, by length of the string',
        '',
        ...textTable([
          ['length', ...lengths.map(String)],
          ...trained.map(({ candidate, result }) => [
            candidate.label,
            ...result.accuracy.map((share) => (100 * share).toFixed(0)),
          ]),
        ]),
      ],
      figures: {
        settings: settings as unknown as Json,
        at_initialisation: Object.fromEntries(
          start.map(({ candidate, relative }) => [candidate.label, relative]),
        ),
        after_training: Object.fromEntries(
          trained.map(({ candidate, result }) => [candidate.label, result as unknown as Json]),
        ),
      },
      charts,
    };
  },
};
