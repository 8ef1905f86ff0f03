/** `couplet experiment`: the tutorial's claims as figures, each from one command. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pair } from '../data/parallel.ts';
import { UsageError } from '../errors.ts';
import { experiments } from '../experiments/registry.ts';
import { nearest } from '../nn/config/nearest.ts';
import { makeFolder, writeFileAtomic } from '../node/atomic-files.ts';
import { readTsv } from '../node/text-files.ts';
import { adapterOption, command } from './arguments.ts';
import { formatSeconds } from './progress.ts';
import { openDevice, say } from './session.ts';

export const experimentCommand = command({
  name: 'experiment',
  argument: { name: 'NAME', help: experiments.map(({ name }) => name).join(', ') },
  summary: "Put one of the tutorial's claims to the test",
  details: `${experiments.map(({ name, summary }) => `  ${name.padEnd(11)}${summary}`).join('\n')}

Prints a table; the folder gets all figures as JSON and a chart or several (SVG). A full run takes minutes on a software
adapter. docs/results/claims.md has the figures of full runs, docs/tutorial.md says what they mean.`,
  options: {
    out: { value: 'DIR', help: 'Where the files go (default: runs/experiment-NAME)' },
    seed: { value: 'N', help: 'Of initial weights and random data (default: 1)' },
    quick: { help: 'Smaller and shorter: about a minute on a software adapter' },
    adapter: adapterOption,
  },
  examples: [
    { line: 'experiment gradients --quick' },
    { line: 'experiment lengths --out runs/lengths --seed 2' },
  ],
  async run(name, { out, seed: seedText, quick, adapter }) {
    const experiment = find(name);
    const seed = parseSeed(seedText);
    const folder = out ?? join('runs', `experiment-${name}`);
    using gpu = await openDevice(adapter);
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    const { table, figures, charts } = await experiment.run(gpu, {
      seed,
      quick,
      progress: (line) => say(`${formatSeconds(seconds())}  ${line}`),
      pronunciations,
    });
    await makeFolder(folder);
    const { name: adapterName, kind } = gpu.report;
    const record = {
      experiment: name,
      seed,
      quick,
      adapter: { name: adapterName, kind },
      seconds: Math.round(seconds()),
      ...figures,
    };
    const files = new Map([[`${name}.json`, `${JSON.stringify(record, null, 2)}\n`]]);
    for (const [chart, svg] of charts) files.set(`${chart}.svg`, svg);
    for (const [file, content] of files) await writeFileAtomic(join(folder, file), content);
    process.stdout.write(`${table.join('\n')}\n`);
    say(`\n${formatSeconds(seconds())} (minutes:seconds); in ${folder}: ${[...files.keys()].join(', ')}`);
  },
});

function find(name: string): (typeof experiments)[number] {
  const found = experiments.find((one) => one.name === name);
  if (found) return found;
  const names = experiments.map((one) => one.name);
  const meant = nearest(name, names);
  throw new UsageError(
    `there is no experiment '${name}': ${meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`}`,
  );
}

function parseSeed(text = '1'): number {
  const seed = Number(text);
  if (/^\d+$/.test(text) && seed <= 0xffff_ffff) return seed;
  throw new UsageError(`--seed ${text}: a whole number from 0 to ${0xffff_ffff} is needed`);
}

/** Hungarian words and their phonemes, which come with Couplet for the quick start. */
async function pronunciations() {
  // Beside dist/ in the package and in a checkout alike.
  const folder = fileURLToPath(new URL(/* @vite-ignore */ '../recipes/data', import.meta.url));
  const read = async (part: string): Promise<Pair[]> => {
    const { source, target } = await readTsv(join(folder, 'sigmorphon2020-g2p', `hun_${part}.tsv`));
    return source.map((word, index) => ({ source: word, target: target[index]! }));
  };
  return { train: await read('train'), dev: await read('dev'), test: await read('test') };
}
