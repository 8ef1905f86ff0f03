/** `couplet quickstart`: the whole way on real data, from text files to a model that pronounces words it never saw. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ParallelText } from '../data/parallel.ts';
import { decodeText } from '../data/text.ts';
import { attentionPicture } from '../models/attention-picture.ts';
import type { Seq2Seq } from '../models/seq2seq.ts';
import { writeFileAtomic } from '../node/atomic-files.ts';
import { readBytes } from '../node/text-files.ts';
import { TrainingRun } from '../node/training-run.ts';
import { parseConfig } from '../train/config/parse.ts';
import { resolvePaths } from '../train/config/resolve-paths.ts';
import { printEvaluation } from './eval-text.ts';
import { describeSample, formatSeconds } from './progress.ts';
import { type AdapterOption, list, openDevice, say } from './session.ts';
import { train } from './train.ts';

export interface QuickstartOptions extends AdapterOption {
  readonly out?: unknown;
  readonly set?: unknown;
}

const shownWords = 12;

export async function runQuickstart(options: QuickstartOptions): Promise<void> {
  // Beside dist/ in the package and in a checkout alike.
  const recipes = fileURLToPath(new URL(/* @vite-ignore */ '../recipes', import.meta.url));
  const file = join(recipes, 'quickstart.yaml');
  const text = decodeText(await readBytes(file), file);
  const parsed = parseConfig(text, {
    source: file,
    overrides: ['training.overwrite=true', ...list(options.set)],
  });
  const config = resolvePaths(parsed, recipes);
  const folder = options.out === undefined ? join('runs', 'quickstart') : String(options.out);
  say(
    'Learning to pronounce Hungarian: 3,600 words with their phonemes (SIGMORPHON 2020, from Wiktionary).\n',
  );
  using gpu = await openDevice(options);
  const run = await TrainingRun.create(gpu, config, folder);
  try {
    for (const note of run.notes) say(note);
    const started = performance.now();
    if (!(await train(run))) return;
    const seconds = (performance.now() - started) / 1000;
    const best = await run.loadBest();
    try {
      await showWhatWasLearnt(best, run.data.test!, folder, seconds);
    } finally {
      await best.dispose();
    }
  } finally {
    await run.dispose();
  }
}

async function showWhatWasLearnt(
  model: Seq2Seq,
  test: ParallelText,
  folder: string,
  seconds: number,
): Promise<void> {
  // Spread over the file, so that they are no neighbours in the alphabet.
  const every = Math.floor(test.source.length / shownWords);
  const samples = Array.from({ length: shownWords }, (_, index) => index * every);
  const evaluation = await model.evaluate(test, { samples });
  process.stdout.write('\nWords that the model has never seen:\n');
  for (const sample of evaluation.samples) process.stdout.write(`${describeSample(sample)}\n`);
  process.stdout.write('\n');
  printEvaluation(`test (${test.source.length} words)`, evaluation);
  const word = test.source[samples[1]!]!;
  const [translation] = await model.translateDetailed([word], { alignments: true });
  const picture = join(folder, 'attention.svg');
  await writeFileAtomic(picture, attentionPicture(translation!));
  process.stdout.write(
    `\ntrained in ${formatSeconds(seconds)} (minutes:seconds); the model is in ${folder}\n` +
      `the attention over '${word}' is drawn in ${picture}: open it in a browser\n\n` +
      'What next:\n' +
      `  npx couplet translate ${folder}          type a word, get its pronunciation\n` +
      `  npx couplet eval ${folder}               the figures above again\n` +
      '  npx couplet train recipes/g2p-hun.yaml   a larger model of the same data\n' +
      '  npx couplet train --help                 your own data\n',
  );
}
