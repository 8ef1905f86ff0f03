/**
 * English → Japanese from the same weights as PyTorch, dropout 0: the loss of each of the first 100 updates beside
 * PyTorch's (`test/golden/enja-losses.json`, made by `make_enja_losses.py`). Exits with 1 where they part by more than
 * 1e-3 relative. `batches=N` takes the first N only.
 */
import { join } from 'node:path';
import type { Batch } from '../src/data/batches.ts';
import { fillBatch } from '../src/data/batches.ts';
import { buildVocabularies, encodePairs, tokenizeTraining } from '../src/models/prepare-data.ts';
import { openGpu } from '../src/node/open-gpu.ts';
import { readLines, readParallel } from '../src/node/text-files.ts';
import { ScratchPool } from '../src/scheduler/scratch-pool.ts';
import { parseConfig } from '../src/train/config/parse.ts';
import { TrainingEngine } from '../src/train/engine.ts';
import { loadEnjaLosses, seededValues } from '../test/setup/golden.ts';
import { engineOptionsOf, networkOf } from '../test/setup/golden-model.ts';

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split('=')));
const tolerance = 1e-3;
const golden = loadEnjaLosses();
const rows = golden.rowsPerBatch;
const count = Number(given.batches ?? golden.training.losses.length);

const config = parseConfig((await readLines('recipes/enja.yaml')).lines.join('\n'), {
  source: 'recipes/enja.yaml',
});
const folder = join('recipes', config.data.train);
const text = await readParallel(`${folder}.en`, `${folder}.ja`);
const corpus = tokenizeTraining(text, config);
const dataset = encodePairs(corpus, buildVocabularies(corpus, config), config);

/** Batch `index` of the file in its order, as long as its longest rows. */
function batchAt(index: number): Batch {
  const indices = Array.from({ length: rows }, (_, row) => index * rows + row);
  const longest = (side: typeof dataset.source) => Math.max(...indices.map((at) => side.lengthOf(at)));
  return fillBatch(dataset, { B: rows, S: longest(dataset.source), T: longest(dataset.target), indices });
}

using gpu = await openGpu();
const weights = new Map(
  Object.entries(golden.parameters).map(([name, seeded]) => [name, seededValues(seeded)]),
);
const network = networkOf(gpu, golden.config, weights);
const engine = await TrainingEngine.create(
  gpu,
  network,
  new ScratchPool(gpu),
  engineOptionsOf(golden.config, golden.training),
);
console.log(`${gpu.report.name}, ${count} updates`);
console.log('update   Couplet     PyTorch     relative difference');
let worst = 0;
const started = performance.now();
for (let index = 0; index < count; index++) {
  const batch = batchAt(index);
  if (
    batch.sourceTokens !== golden.sourceTokens[index] ||
    batch.targetTokens !== golden.targetTokens[index]
  ) {
    throw new Error(
      `batch ${index} is not PyTorch's: ${batch.sourceTokens} and ${batch.targetTokens} tokens`,
    );
  }
  await engine.update([batch], golden.training.learningRate);
  const { loss, tokens } = await engine.statistics();
  const expected = golden.training.losses[index]!;
  const difference = Math.abs(loss / tokens / expected - 1);
  worst = Math.max(worst, difference);
  const cells = [String(index + 1).padStart(6), (loss / tokens).toFixed(6), expected.toFixed(6)];
  console.log(`${cells.join('   ')}   ${difference.toExponential(1)}`);
}
const seconds = (performance.now() - started) / 1000;
console.log(
  `largest relative difference ${worst.toExponential(2)} (allowed ${tolerance}); ${seconds.toFixed(0)} s`,
);
process.exitCode = worst <= tolerance ? 0 : 1;
