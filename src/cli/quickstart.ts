/** `couplet quickstart`: the whole way on real data, from text files to a model that pronounces words it never saw. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeText } from '../data/text.ts';
import { attentionPicture } from '../models/attention-picture.ts';
import { writeFileAtomic } from '../node/atomic-files.ts';
import { readBytes } from '../node/text-files.ts';
import { readForNewRun, TrainingRun } from '../node/training-run.ts';
import { parseConfig } from '../train/config/parse.ts';
import { resolvePaths } from '../train/config/resolve-paths.ts';
import type { Config } from '../train/config/types.ts';
import { adapterOption, command } from './arguments.ts';
import { evaluationText } from './eval-text.ts';
import { describeSample, formatSeconds } from './progress.ts';
import { openDevice, printable, say } from './session.ts';
import { scoreTest, train } from './train.ts';

const standardFolder = join('runs', 'quickstart');
const shownWords = 12;

export const quickstartCommand = command({
  name: 'quickstart',
  summary: 'Train a small pronunciation model on real data, then show what it learnt',
  details: `Hungarian words and their phonemes (SIGMORPHON 2020) come with Couplet. It takes minutes on a software adapter, seconds
on a GPU. An older quick start in ${standardFolder} is replaced; no other folder is.`,
  options: {
    out: { value: 'DIR', help: `The run folder (default: ${standardFolder})` },
    set: { value: 'KEY=VALUE', repeatable: true, help: 'Set a key of recipes/quickstart.yaml' },
    adapter: adapterOption,
  },
  examples: [{ line: 'quickstart' }, { line: 'quickstart --set training.epochs=3', note: 'a shorter look' }],
  async run(_, options) {
    const folder = options.out ?? standardFolder;
    const config = await readRecipe([...options.set, `training.overwrite=${options.out === undefined}`]);
    say(
      'Couplet learns to pronounce Hungarian: from 3,600 words and their phonemes it trains an encoder–decoder',
    );
    say(
      'with attention, looks every now and then how it does on words it is not trained on, then takes a test.\n',
    );
    const data = await readForNewRun(config, folder);
    // Mesa's lavapipe wakes its threads for each dispatch, which takes longer than most of so small a model's. Where there are
    // but two cores to share the work, it is done sooner without them.
    if (availableParallelism() <= 2) process.env.LP_NUM_THREADS ??= '0';
    using gpu = await openDevice(options.adapter);
    const run = await TrainingRun.create(gpu, config, data, folder);
    try {
      for (const note of run.notes) say(note);
      say('');
      const started = performance.now();
      if (!(await train(run))) return;
      const seconds = (performance.now() - started) / 1000;
      process.stdout.write(await showWhatWasLearnt(run, folder, seconds));
    } finally {
      await run.dispose();
    }
  },
});

async function readRecipe(overrides: readonly string[]): Promise<Config> {
  // Beside dist/ in the package and in a checkout alike.
  const recipes = fileURLToPath(new URL(/* @vite-ignore */ '../recipes', import.meta.url));
  const file = join(recipes, 'quickstart.yaml');
  const text = decodeText(await readBytes(file), file);
  return resolvePaths(parseConfig(text, { source: file, overrides }), recipes);
}

async function showWhatWasLearnt(run: TrainingRun, folder: string, seconds: number): Promise<string> {
  const test = run.data.test!;
  // Spread over the file, so that they are no neighbours in the alphabet.
  const every = Math.max(1, Math.floor(test.source.length / shownWords));
  const samples = Array.from({ length: shownWords }, (_, index) => index * every);
  const evaluation = await scoreTest(run, samples);
  const word = test.source[every]!;
  const picture = join(folder, 'attention.svg');
  const best = await run.loadBest();
  try {
    if (best.type === 'seq2seq') {
      const [translation] = await best.predict([word], { alignments: true });
      await writeFileAtomic(picture, attentionPicture(translation!));
    }
  } finally {
    best.dispose();
  }
  return [
    '\nWords that the model has never seen:',
    ...evaluation.samples.map((sample) => printable(describeSample(sample))),
    '',
    evaluationText(`All ${test.source.length} test words`, evaluation),
    `Trained in ${formatSeconds(seconds)} (minutes:seconds). The model is in ${folder}; which letters it looks at while it`,
    `pronounces '${word}' is drawn in ${picture} (open it in a browser).`,
    '',
    'What next',
    `  npx couplet translate ${folder}`,
    '      type a word, get its pronunciation',
    `  npx couplet eval ${folder}`,
    '      the figures above again',
    '  npx couplet train recipes/g2p-hun.yaml',
    '      a larger model of the same words, for longer (in a checkout of Couplet)',
    '  npx couplet train --help',
    '      your own data',
    '',
  ].join('\n');
}
