/**
 * Names written by the generator of `recipes/names-generator.yaml`, judged by the classifier of `recipes/names.yaml` and by
 * novelty: of the names asked for with a nationality, the share that the classifier gives that nationality, beside the
 * share of real held-out names that it gives theirs; and the share that is not among the training names of any nationality.
 *
 *     node bench/run.mjs judge-names classifier=runs/names generator=runs/names-generator count=20 seed=1
 */
import type { ConditionalGenerator, SequenceClassifier } from '../src/models/kinds.ts';
import { load } from '../src/node/load.ts';
import { openGpu } from '../src/node/open-gpu.ts';
import { readLines } from '../src/node/text-files.ts';
import { novelty } from '../src/train/metrics/novelty.ts';

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split('=')));
const count = Number(given.count ?? 20);
const seed = Number(given.seed ?? 1);

async function examples(part: string): Promise<{ name: string; nationality: string }[]> {
  const { lines } = await readLines(`recipes/data/names/${part}.tsv`);
  return lines.map((line) => {
    const [name, nationality] = line.split('\t') as [string, string];
    return { name, nationality };
  });
}

const training = new Set((await examples('train')).map(({ name }) => name));
const held = await examples('test');
const nationalities = [...new Set(held.map(({ nationality }) => nationality))].sort();

using gpu = await openGpu();
const classifier = await load<SequenceClassifier>(gpu, given.classifier ?? 'runs/names');
const generator = await load<ConditionalGenerator>(gpu, given.generator ?? 'runs/names-generator');

const asked = nationalities.flatMap((nationality) => new Array<string>(count).fill(nationality));
const written = await generator.translate(asked, { temperature: 1, seed });
const judged = await classifier.translate(written);
const recognised = await classifier.translate(held.map(({ name }) => name));

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
const rows = nationalities.map((nationality) => {
  const ofNationality = (_: unknown, index: number) => asked[index] === nationality;
  const real = recognised.filter((_, index) => held[index]!.nationality === nationality);
  return {
    nationality,
    names: written.filter(ofNationality),
    right: judged.filter(ofNationality).filter((one) => one === nationality).length,
    real: real.filter((one) => one === nationality).length / real.length,
  };
});

console.log(`${gpu.report.name}; ${count} names of each nationality, temperature 1, seed ${seed}\n`);
console.log(
  '| nationality | generated, judged as asked | real, held out | not in the training names | examples |',
);
console.log('|---|---|---|---|---|');
for (const { nationality, names, right, real } of rows) {
  const { novel, lines } = novelty(names, training);
  const cells = [
    nationality,
    percent(right, count),
    percent(real, 1),
    percent(novel, lines),
    names.slice(0, 4).join(', '),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
const all = novelty(written, training);
const right = rows.reduce((sum, row) => sum + row.right, 0);
const mean = rows.reduce((sum, row) => sum + row.real, 0) / rows.length;
console.log(
  `| all nationalities alike | ${percent(right, asked.length)} | ${percent(mean, 1)} | ${percent(all.novel, all.lines)} | |`,
);
console.log(`\n${percent(all.distinct, all.lines)} of the generated names differ from each other.`);
classifier.dispose();
generator.dispose();
