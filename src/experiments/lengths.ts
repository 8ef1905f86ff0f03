/**
 * Claim: one fixed context is a bottleneck, the more so the longer the source; attention, which makes a context of its
 * own for every step, has none (Cho et al. 2014; Bahdanau, Cho & Bengio 2015, figure 2; Luong et al. 2015, figure 6).
 *
 * The task is to write random strings backwards, so that nothing can be guessed and the whole source must get through.
 * The same encoder and decoder are trained with each form of fixed context (in the initial state and at every step) and
 * with attention, then tested by length. The cell is a GRU, whose one state every form of context can start.
 */
import type { Gpu } from '../gpu/gpu.ts';
import { Seq2Seq } from '../models/kinds.ts';
import type { PartialConfig } from '../train/config/resolve-config.ts';
import { sequenceAccuracy, tokenAccuracy } from '../train/metrics/accuracy.ts';
import { scoreByLength } from '../train/metrics/by-length.ts';
import { textTable } from '../train/metrics/text-table.ts';
import { lineChart } from './chart.ts';
import type { Experiment, Json } from './experiment.ts';
import { randomStrings, reversal } from './strings.ts';

const contexts = ['last', 'linear', 'mean', 'max', 'attention-pooled'] as const;
/** What the decoder sees of the source: attention, or a fixed context of one form. */
type View = 'attention' | (typeof contexts)[number];
const views: readonly View[] = ['attention', ...contexts];

const labels: Readonly<Record<View, string>> = {
  attention: 'attention (general score)',
  last: 'fixed c: last state',
  linear: 'fixed c: linear of the last',
  mean: 'fixed c: mean of all states',
  max: 'fixed c: maximum of all',
  'attention-pooled': 'fixed c: attention-pooled',
};

export interface LengthSettings {
  readonly alphabet: number;
  readonly longest: number;
  /** Units of the decoder, and of the encoder's two directions together. */
  readonly hidden: number;
  readonly embedding: number;
  readonly updates: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Strings of each length. */
  readonly tests: number;
  /** Last lengths of the buckets. */
  readonly edges: readonly number[];
}

const full: LengthSettings = {
  alphabet: 10,
  longest: 20,
  hidden: 64,
  embedding: 32,
  updates: 900,
  batch: 64,
  learningRate: 0.004,
  tests: 30,
  edges: [2, 4, 6, 8, 10, 12, 14, 16, 18],
};
const quick: LengthSettings = { ...full, longest: 12, updates: 250, edges: [2, 4, 6, 8, 10] };

export interface LengthScore {
  readonly exact: number;
  readonly tokens: number;
}

export interface LengthResult {
  readonly view: View;
  /** Of all tests. */
  readonly exact: number;
  readonly tokens: number;
  readonly byLength: readonly {
    readonly from: number;
    readonly to: number;
    readonly label: string;
    readonly score: LengthScore;
  }[];
}

/** Trains one model and scores it by length. */
export async function trainReversal(
  gpu: Gpu,
  view: View,
  settings: LengthSettings,
  seed: number,
  progress: (line: string) => void = () => {},
): Promise<LengthResult> {
  const { alphabet, longest, updates, batch } = settings;
  const strings = (count: number, shortest: number, most: number, ...keys: number[]) =>
    randomStrings({ count, shortest, longest: most, alphabet, keys: [seed, ...keys] });
  const pairs = strings(updates * batch, 1, longest, 0).map(reversal);
  using model = Seq2Seq.fromPairs(gpu, pairs, configOf(view, settings, seed));
  for await (const report of model.fit(pairs, { logEvery: Math.max(1, Math.floor(updates / 4)) })) {
    if (report.kind !== 'progress') continue;
    const { update, loss, accuracy } = report;
    progress(
      `${labels[view]}: update ${update} of ${updates}, loss ${loss.toFixed(3)}, ${(100 * accuracy).toFixed(0)} % of letters right`,
    );
  }
  const tests = Array.from({ length: longest }, (_, index) =>
    strings(settings.tests, index + 1, index + 1, 1, index + 1),
  )
    .flat()
    .map(reversal);
  const outputs = await model.translate(tests.map(({ source }) => source as string));
  const score = (indices: readonly number[]): LengthScore => {
    const hypotheses = indices.map((index) => Array.from(outputs[index]!));
    const references = indices.map((index) => Array.from(tests[index]!.target));
    return {
      exact: sequenceAccuracy(hypotheses, references).rate,
      tokens: tokenAccuracy(hypotheses, references).rate,
    };
  };
  const lengths = tests.map(({ target }) => target.length);
  const byLength = scoreByLength(lengths, score, settings.edges).map(({ from, to, score }) => {
    // The last range has no end of its own.
    const end = Math.min(to, longest);
    return { from, to: end, label: from === end ? `${from}` : `${from}–${end}`, score };
  });
  return { view, ...score(tests.map((_, index) => index)), byLength };
}

function configOf(view: View, settings: LengthSettings, seed: number): PartialConfig {
  const { hidden, embedding, longest, updates, batch, learningRate } = settings;
  return {
    data: { src: { level: 'char' }, trg: { level: 'char' } },
    model: {
      cell: 'gru',
      encoder: { embeddings: { embedding_dim: embedding }, hidden_size: hidden / 2, bidirectional: true },
      decoder: {
        hidden_size: hidden,
        ...(view === 'attention'
          ? { attention: { score: 'general' } }
          : { attention: { score: 'none' }, context: view, context_use: 'both' }),
      },
    },
    training: {
      random_seed: seed,
      learning_rate: learningRate,
      clip_grad_norm: 1,
      batch_size: batch,
      updates,
      bucket_width: 4,
    },
    testing: { max_output_length: longest + 4 },
  };
}

export async function runLengths(
  gpu: Gpu,
  settings: LengthSettings,
  seed: number,
  progress: (line: string) => void,
): Promise<{ results: LengthResult[]; charts: Map<string, string> }> {
  const results: LengthResult[] = [];
  for (const view of views) results.push(await trainReversal(gpu, view, settings, seed, progress));
  const chart = (kind: keyof LengthScore, title: string, label: string) =>
    lineChart({
      title,
      subtitle: `random strings of 1 to ${settings.longest} out of ${settings.alphabet} letters; GRU, ${settings.hidden} units; ${settings.updates} updates of ${settings.batch}`,
      x: { label: 'length of the source', range: [0, settings.longest] },
      y: { label, percent: true, range: [0, 1] },
      series: results.map(({ view, byLength }) => ({
        label: labels[view],
        points: byLength.map(({ from, to, score }) => [(from + to) / 2, score[kind]] as const),
      })),
    });
  const charts = new Map([
    ['lengths', chart('tokens', 'Writing a string backwards, by its length', 'letters right')],
    ['lengths-exact', chart('exact', 'Strings written backwards without an error', 'exact match')],
  ]);
  return { results, charts };
}

export const lengthsExperiment: Experiment = {
  name: 'lengths',
  summary: 'Quality by source length: attention against each form of one fixed context',
  async run(gpu, { seed, quick: isQuick, progress }) {
    const settings = isQuick ? quick : full;
    const { results, charts } = await runLengths(gpu, settings, seed, progress);
    const table = (kind: keyof LengthScore) =>
      textTable([
        ['length', ...results[0]!.byLength.map(({ label }) => label), 'all'],
        ...results.map((result) => [
          labels[result.view],
          ...result.byLength.map(({ score }) => (100 * score[kind]).toFixed(0)),
          (100 * result[kind]).toFixed(0),
        ]),
      ]);
    return {
      table: [
        'Per cent of letters right',
        '',
        ...table('tokens'),
        '',
        'Per cent of strings without an error',
        '',
        ...table('exact'),
      ],
      figures: { settings: settings as unknown as Json, results: results as unknown as Json },
      charts,
    };
  },
};
